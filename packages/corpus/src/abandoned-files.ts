// Partial files of processes that were killed while they wrote a cache.
import fs from "node:fs";
import path from "node:path";

/** A partial file that nobody has written to for this long belongs to a process that died. */
const ABANDONED_MS = 3_600_000;

/** Where a file with this ending is written until it is complete, e.g. `x.tokens` → `x.tokens.partial-123-0af3`. */
export const partialName = (file: string, random: string): string => `${file}.partial-${process.pid}-${random}`;

/** Removes what killed processes left half-written of files with this ending, such as `tokens`. */
export function removeAbandoned(directory: string, ending: string): void {
  const pattern = new RegExp(`\\.${ending}\\.partial-\\d+-[0-9a-f]+(\\.index)?$`);
  for (const name of fs.readdirSync(directory)) {
    if (!pattern.test(name)) continue;
    const file = path.join(directory, name);
    const age = Date.now() - (fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (age > ABANDONED_MS) fs.rmSync(file, { force: true });
  }
}
