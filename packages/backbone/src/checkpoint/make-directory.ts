// mkdir -p that always ends: Node's own recursive mkdir never returns below /proc, where making a folder fails with
// ENOENT.
import fs from "node:fs/promises";
import path from "node:path";
import { errorCode } from "./errors.js";

/**
 * Makes a folder and its parents where they are missing. @throws the file system's error for the first that cannot be
 * made
 */
export async function makeDirectory(directory: string): Promise<void> {
  const missing: string[] = [];
  let at = path.resolve(directory);
  for (;;) {
    try {
      await makeOne(at);
      break;
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || path.dirname(at) === at) throw error;
      missing.push(at);
      at = path.dirname(at);
    }
  }
  for (const each of missing.reverse()) await makeOne(each);
}

async function makeOne(directory: string): Promise<void> {
  try {
    await fs.mkdir(directory);
  } catch (error) {
    // EEXIST says that something is there; roots and read-only file systems answer otherwise.
    const isThere = await fs.stat(directory).then(
      (stat) => stat.isDirectory(),
      () => false,
    );
    if (!isThere) throw error;
  }
}
