// The k-core of the user–item graph: the largest set of interactions in which every user and every item has at least k.
// It is unique; removing whatever falls short until nothing does reaches it in any order (Seidman 1983; Batagelj and Zaveršnik 2003).
import { groupBy, type Pairs } from "./pairs.js";

/**
 * Clears `alive` for every record outside the k-core. Pairs must be distinct among the alive records. O(n + I + J) for any graph.
 * @param k least number of interactions of each remaining user and item; 0 and 1 remove nothing.
 * @returns how many were cleared.
 */
export function kCore({ user, item, users, items }: Pairs, alive: Uint8Array, k: number): number {
  if (k <= 1) return 0;
  const byUser = groupBy(user, users, alive);
  const byItem = groupBy(item, items, alive);
  // Nodes 0 … I−1 are users, I … I+J−1 items.
  const degree = new Int32Array(users + items);
  for (let u = 0; u < users; u++) degree[u] = byUser.start[u + 1]! - byUser.start[u]!;
  for (let i = 0; i < items; i++) degree[users + i] = byItem.start[i + 1]! - byItem.start[i]!;
  const queue = new Int32Array(users + items);
  let end = 0;
  for (let node = 0; node < degree.length; node++) if (degree[node]! < k) queue[end++] = node;
  let cleared = 0;
  for (let head = 0; head < end; head++) {
    const node = queue[head]!;
    const isUser = node < users;
    const { start, positions } = isUser ? byUser : byItem;
    const group = isUser ? node : node - users;
    for (let j = start[group]!; j < start[group + 1]!; j++) {
      const p = positions[j]!;
      if (alive[p] === 0) continue;
      alive[p] = 0;
      cleared++;
      const other = isUser ? users + item[p]! : user[p]!;
      // The neighbour enters the queue once: when it first falls short.
      if (degree[other]!-- === k) queue[end++] = other;
    }
  }
  return cleared;
}
