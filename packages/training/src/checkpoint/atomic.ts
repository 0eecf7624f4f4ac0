// Small text files written whole or not at all: temporary file beside the target, flushed to the disk, then renamed.
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { reasonOf, TrainingError } from "../error.js";

/** Replaces `file` by `text` in one step. @throws TrainingError naming the file; what it held before is untouched */
export async function writeTextAtomically(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await fs.open(temporary, "wx");
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    throw cannotWrite(file, error);
  }
  // Makes the rename durable, where the platform can open folders.
  const folder = await fs.open(path.dirname(file), "r").catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

export function cannotWrite(file: string, error: unknown): TrainingError {
  return new TrainingError(
    `${file}: cannot be written: ${reasonOf(error)}. What was saved before is untouched: free space or grant access, then run the same command again to go on.`,
    { cause: error },
  );
}

/** Removes temporary files of `file` that killed processes left behind. */
export async function removeLeftovers(file: string): Promise<void> {
  const [folder, base] = [path.dirname(file), path.basename(file)];
  const names = await fs.readdir(folder).catch(() => []);
  for (const name of names) {
    const match = name.startsWith(`${base}.`) ? /^\.(\d+)-[0-9a-f]{12}\.tmp$/.exec(name.slice(base.length)) : null;
    if (match && !isRunning(Number(match[1]))) await fs.rm(path.join(folder, name), { force: true });
  }
}

function isRunning(process_: number): boolean {
  try {
    process.kill(process_, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
