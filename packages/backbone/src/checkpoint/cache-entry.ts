// A cache of safetensors files made from other files: built in a temporary folder and published by one rename.
// Processes need no lock: whoever publishes first wins, the others find the same bytes there and drop theirs.
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { writeAtomically, writeFully } from "./atomic-file.js";
import { CheckpointError, errorCode, reasonOf } from "./errors.js";
import { readJsonObject } from "./json.js";
import { makeDirectory } from "./make-directory.js";
import { readSafetensorsHeader, type SafetensorsHeader } from "./safetensors.js";
import { fileStamp, hashFile } from "./tensor-reader.js";

const WEIGHTS = "weights.safetensors";
const ENTRY = "entry.json";
const STALE_MS = 60 * 60 * 1000;

const entrySchema = z.object({
  format: z.literal(1),
  /** Hex SHA-256 of the weights file. */
  sha256: z.string(),
  /** See `fileStamp`: while it holds, the file is the one that was hashed. */
  stamp: z.string(),
});

/** The folder for caches: `chosen`, or `cllm4rec` under `$XDG_CACHE_HOME` or `~/.cache`. */
export function cacheDirectory(chosen?: string): string {
  // The XDG Base Directory specification has relative values ignored.
  const xdg = process.env.XDG_CACHE_HOME;
  return path.resolve(
    chosen ?? path.join(xdg && path.isAbsolute(xdg) ? xdg : path.join(homedir(), ".cache"), "cllm4rec"),
  );
}

/** How an entry is made and recognised. */
export interface EntryRecipe {
  /**
   * Folder of the entry inside the cache, e.g. `float32/<key>`. The key must name the content: same key, same bytes.
   */
  readonly place: string;
  /** Writes the safetensors file. */
  readonly build: (file: string) => Promise<void>;
  /** Whether a readable file is the expected one (names, dtypes, shapes). */
  readonly accepts: (header: SafetensorsHeader) => boolean;
  /**
   * Read and hash the whole entry even if its stamp says that nobody wrote to it: finds what a failing disk changed.
   */
  readonly verify?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The header of a cache entry, building the entry where it is absent or damaged. An entry is damaged when it is
 * incomplete, has an invalid header, is not what `accepts` expects, or its bytes do not have the recorded SHA-256
 * (compared only when the file was touched since it was made, or on `verify`).
 */
export async function cachedEntry(root: string, recipe: EntryRecipe): Promise<SafetensorsHeader> {
  const place = path.join(root, recipe.place);
  const existing = await openEntry(place, recipe);
  if (existing) return existing;
  const parent = path.dirname(place);
  const temporary = path.join(parent, `.tmp-${process.pid}-${randomBytes(6).toString("hex")}`);
  try {
    await makeDirectory(parent);
    await removeStale(parent);
    await fs.mkdir(temporary);
    const file = path.join(temporary, WEIGHTS);
    await recipe.build(file);
    recipe.signal?.throwIfAborted();
    await writeEntry(temporary, await hashFile(file, recipe.signal), await fileStamp(file));
    return await publish(temporary, place, recipe);
  } catch (error) {
    if (error instanceof Error && "syscall" in error) {
      const room = errorCode(error) === "ENOSPC" ? "free some space" : "check the folder";
      throw new CheckpointError(
        `${place}: cannot be written: ${reasonOf(error)}; ${room}, or choose another with cacheDirectory`,
      );
    }
    throw error;
  } finally {
    await fs.rm(temporary, { recursive: true, force: true }).catch(() => undefined); // where it could not even be made
  }
}

async function writeEntry(folder: string, sha256: string, stamp: string): Promise<void> {
  const text = JSON.stringify({ format: 1, sha256, stamp });
  await writeAtomically(path.join(folder, ENTRY), (handle) => writeFully(handle, Buffer.from(text)));
}

/** The entry's header, or `undefined` where there is no entry or it is damaged. */
async function openEntry(place: string, recipe: EntryRecipe): Promise<SafetensorsHeader | undefined> {
  try {
    const entry = entrySchema.safeParse(await readJsonObject(path.join(place, ENTRY)));
    if (!entry.success) return undefined;
    const file = await fs.realpath(path.join(place, WEIGHTS));
    const header = await readSafetensorsHeader(file);
    if (!recipe.accepts(header)) return undefined;
    const stamp = await fileStamp(file);
    if (stamp !== entry.data.stamp || recipe.verify) {
      if ((await hashFile(file, recipe.signal)) !== entry.data.sha256) return undefined;
      // may be read-only
      if (stamp !== entry.data.stamp) await writeEntry(place, entry.data.sha256, stamp).catch(() => undefined);
    }
    return header;
  } catch (error) {
    if (recipe.signal?.aborted) throw error;
    return undefined;
  }
}

async function publish(temporary: string, place: string, recipe: EntryRecipe): Promise<SafetensorsHeader> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await fs.rename(temporary, place);
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST", "EPERM", "ENOTDIR"].includes(errorCode(error) ?? "")) throw error;
    }
    const published = await openEntry(place, recipe);
    if (published) return published;
    // The entry is damaged. Move it away in one step; a process that has it mapped keeps its bytes.
    const aside = `${temporary}-damaged`;
    await fs.rename(place, aside).catch(() => undefined);
    await fs.rm(aside, { recursive: true, force: true });
  }
  throw new CheckpointError(
    `${place}: is damaged each time it is written; check the disk, or choose another folder with cacheDirectory`,
  );
}

/** Removes what processes that were killed left behind: temporary folders that nobody has written to for an hour. */
async function removeStale(parent: string): Promise<void> {
  for (const name of await fs.readdir(parent)) {
    if (!name.startsWith(".tmp-")) continue;
    const folder = path.join(parent, name);
    try {
      const files = await fs.readdir(folder);
      const times = await Promise.all(
        [folder, ...files.map((file) => path.join(folder, file))].map(async (at) => (await fs.stat(at)).mtimeMs),
      );
      if (Date.now() - Math.max(...times) > STALE_MS) await fs.rm(folder, { recursive: true, force: true });
    } catch {
      // Its owner has just renamed or removed it.
    }
  }
}
