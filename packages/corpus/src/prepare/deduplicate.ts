// One record for each (user, item) pair: the latest by timestamp is kept; of records with the same time, the last in
// the input.
import { groupBy, type Pairs } from "./pairs.js";

/**
 * Clears `alive` for every record that a later one of the same pair replaces. A record without a time counts as earlier
 * than any with one. O(n + I + J), without hashing.
 * @returns how many were cleared.
 */
export function deduplicate({ user, item, timestamp, users, items }: Pairs, alive: Uint8Array): number {
  const { start, positions } = groupBy(user, users, alive);
  const seenBy = new Int32Array(items).fill(-1);
  const standing = new Int32Array(items);
  let cleared = 0;
  for (let u = 0; u < users; u++) {
    for (let k = start[u]!; k < start[u + 1]!; k++) {
      const p = positions[k]!;
      const i = item[p]!;
      if (seenBy[i] !== u) {
        seenBy[i] = u;
        standing[i] = p;
        continue;
      }
      // Positions rise within a group, so that `p` is the later in the input: it is kept unless it is older.
      const older = before(timestamp[p]!, timestamp[standing[i]!]!);
      alive[older ? p : standing[i]!] = 0;
      if (!older) standing[i] = p;
      cleared++;
    }
  }
  return cleared;
}

/** Strictly earlier, an unknown time (NaN) being earlier than any known one. */
function before(a: number, b: number): boolean {
  return Number.isNaN(a) ? !Number.isNaN(b) : a < b;
}
