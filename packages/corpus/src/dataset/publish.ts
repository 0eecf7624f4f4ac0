// A directory appears whole or not at all: written beside its final place, flushed to disk, then renamed.
import fs from "node:fs";
import path from "node:path";
import { CorpusError, CorpusUsageError, reasonOf } from "../errors.js";
import { MANIFEST_FILE } from "./manifest.js";
import { OWNER, removeRemains } from "./remains.js";

/**
 * Refuses a target that would lose something: a file, or a non-empty folder that is not a dataset, or is one while
 * `force` is off.
 * @throws CorpusUsageError naming the folder and what to do.
 */
export function checkTarget(directory: string, force: boolean): void {
  let entries: string[];
  try {
    entries = fs.readdirSync(directory);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return;
    if (code === "ENOTDIR")
      throw new CorpusUsageError(`${directory} is a file: name a folder to write the dataset to.`);
    throw error;
  }
  if (entries.length === 0) return;
  if (!entries.includes(MANIFEST_FILE)) {
    throw new CorpusUsageError(
      `${directory} is not empty and holds no dataset: name another folder, or empty this one.`,
    );
  }
  if (!force) {
    throw new CorpusUsageError(
      `${directory} already holds a dataset: name another folder, or replace it with \`force\`.`,
      { options: ["force"] },
    );
  }
}

/**
 * Calls `fill` with a fresh folder beside `directory`, flushes what it wrote and renames the folder into place.
 * Whatever fails, the fresh folder is removed and `directory` is as it was before.
 */
export async function publishDirectory<T>(
  directory: string,
  force: boolean,
  fill: (temporary: string) => Promise<T>,
): Promise<T> {
  checkTarget(directory, force);
  const parent = path.dirname(path.resolve(directory));
  const base = path.basename(path.resolve(directory));
  let temporary: string;
  try {
    fs.mkdirSync(parent, { recursive: true });
    removeRemains(directory, parent, base);
    temporary = fs.mkdtempSync(path.join(parent, `.${base}.partial-${OWNER}-`));
  } catch (error) {
    throw new CorpusError(`${parent} cannot be written to: ${reasonOf(error)}`);
  }
  try {
    const result = await fill(temporary);
    for (const name of fs.readdirSync(temporary)) flush(path.join(temporary, name));
    flush(temporary);
    fs.chmodSync(temporary, 0o777 & ~process.umask());
    checkTarget(directory, force);
    moveIntoPlace(temporary, directory, parent, base);
    flush(parent);
    return result;
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}

function moveIntoPlace(temporary: string, directory: string, parent: string, base: string): void {
  const old = path.join(parent, `.${base}.replaced-${OWNER}`);
  const replaces = fs.existsSync(directory);
  if (replaces) fs.renameSync(directory, old);
  try {
    fs.renameSync(temporary, directory);
  } catch (error) {
    if (replaces) fs.renameSync(old, directory);
    throw error;
  }
  fs.rmSync(old, { recursive: true, force: true });
}

function flush(file: string): void {
  // Windows cannot open a folder to flush it; a rename is durable there once the files are.
  if (process.platform === "win32" && fs.statSync(file).isDirectory()) return;
  const descriptor = fs.openSync(file, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
