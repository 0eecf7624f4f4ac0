// The k-core of the user–item graph: the largest set of interactions in which every user and every item has at least k.
// It is unique; removing whatever falls short until nothing does reaches it in any order (Seidman 1983; Batagelj and
// Zaveršnik 2003).
import { groupBy, type Pairs } from "./pairs.js";

/**
 * Clears `alive` for every record outside the k-core. Pairs must be distinct among the alive records. O(n + I + J) for
 * any graph.
 * @param k least number of interactions of each remaining user and item; 0 and 1 remove nothing.
 * @returns how many were cleared.
 */
export function kCore({ user, item, users, items }: Pairs, alive: Uint8Array, k: number): number {
  if (k <= 1) return 0;
  const { cleared, done } = sweep({ user, item, users, items }, alive, k);
  return done ? cleared : cleared + peel({ user, item, users, items }, alive, k);
}

type Graph = Pick<Pairs, "user" | "item" | "users" | "items">;

/** How often `sweep` goes through all records. Most of what is outside the core falls in the first passes. */
const SWEEPS = 8;

/**
 * Passes over the records in their order, clearing those with an end below k, until nothing falls or the passes are
 * used up.
 */
function sweep(
  { user, item, users, items }: Graph,
  alive: Uint8Array,
  k: number,
): { readonly cleared: number; readonly done: boolean } {
  const userDegree = new Int32Array(users);
  const itemDegree = new Int32Array(items);
  for (let p = 0; p < alive.length; p++) {
    userDegree[user[p]!]! += alive[p]!;
    itemDegree[item[p]!]! += alive[p]!;
  }
  let cleared = 0;
  for (let pass = 0; pass < SWEEPS; pass++) {
    const before = cleared;
    for (let p = 0; p < alive.length; p++) {
      if (alive[p] === 0 || (userDegree[user[p]!]! >= k && itemDegree[item[p]!]! >= k)) continue;
      alive[p] = 0;
      userDegree[user[p]!]!--;
      itemDegree[item[p]!]!--;
      cleared++;
    }
    if (cleared === before) return { cleared, done: true };
  }
  return { cleared, done: false };
}

/** Removes nodes one by one from a queue: O(n + I + J) for any graph, however long a chain of removals is. */
function peel({ user, item, users, items }: Graph, alive: Uint8Array, k: number): number {
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
