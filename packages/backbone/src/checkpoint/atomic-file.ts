// Files that appear whole or not at all: a temporary file beside the target, flushed to the disk, then renamed.
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { CheckpointError, errorCode, reasonOf } from "./errors.js";

/** Appends all of `bytes` at the handle's position, in pieces of at most 64 MiB, between which an abort is noticed. */
export async function writeFully(handle: fs.FileHandle, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    signal?.throwIfAborted();
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, 1 << 26));
    done += bytesWritten;
  }
}

/**
 * Gives `write` a temporary file beside `file`; when it returns, the file's contents reach the disk and then take
 * `file`'s name. When it throws, the temporary file is removed and `file` is as before. A process that is killed leaves
 * the temporary file behind:
 * {@link removeLeftovers}.
 * @throws CheckpointError naming the file where the file system refuses, with its error as the cause; what `write`
 *   throws otherwise
 */
export async function writeAtomically(file: string, write: (handle: fs.FileHandle) => Promise<unknown>): Promise<void> {
  const temporary = `${file}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await fs.open(temporary, "wx");
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    // not the file system's: the caller's own, or an abort
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CheckpointError(`${file}: cannot be written: ${reasonOf(error)}`, [], { cause: error });
  }
  await syncFolder(path.dirname(file));
}

/** Removes what {@link writeAtomically} left in `folder` when a process was killed: of one file, or of all. */
export async function removeLeftovers(folder: string, base?: string): Promise<void> {
  const names = await fs.readdir(folder).catch(() => []);
  for (const name of names) {
    const [, target, owner] = /^(.+)\.(\d+)-[0-9a-f]{12}\.tmp$/.exec(name) ?? [];
    if (owner === undefined || (base !== undefined && target !== base) || isRunning(Number(owner))) continue;
    await fs.rm(path.join(folder, name), { force: true });
  }
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/**
 * Makes a rename inside `folder` durable, where the platform can open folders (Windows cannot, and does not need it).
 */
async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, "r").catch(() => undefined);
  if (!handle) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}
