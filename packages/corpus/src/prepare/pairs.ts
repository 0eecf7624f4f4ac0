// The interactions as flat columns, and their grouping by user or item: what every step of the preparation works on.
// n records, I users, J items: user [n], item [n], timestamp [n].

/** Interaction records in the order of the input. */
export interface Pairs {
  /** Number of users I and of items J that the columns index. */
  readonly users: number;
  readonly items: number;
  /** [n], each in [0, I) and [0, J). */
  readonly user: Int32Array;
  readonly item: Int32Array;
  /** [n] in any unit that grows with time; NaN where unknown. */
  readonly timestamp: Float64Array;
}

/**
 * Positions of records grouped by a key: group `g` is `positions[start[g] .. start[g + 1])`, in the order of the input.
 */
export interface Groups {
  /** [groups + 1] */
  readonly start: Int32Array;
  readonly positions: Int32Array;
}

/**
 * Groups the records with `alive[position] = 1` by `key`, a column of values in [0, groups): a stable counting sort,
 * O(n + groups).
 */
export function groupBy(key: Int32Array, groups: number, alive: Uint8Array): Groups {
  const start = new Int32Array(groups + 1);
  for (let p = 0; p < key.length; p++) if (alive[p] === 1) start[key[p]! + 1]!++;
  for (let g = 0; g < groups; g++) start[g + 1]! += start[g]!;
  const positions = new Int32Array(start[groups]!);
  const next = start.slice(0, groups);
  for (let p = 0; p < key.length; p++) if (alive[p] === 1) positions[next[key[p]!]!++] = p;
  return { start, positions };
}

/** Records in the order of their users. */
export interface SortedPairs {
  /** [m] columns of the alive records; a user's keep the order of the input. */
  readonly pairs: Pairs;
  /** [m] the position of each in the input. */
  readonly row: Int32Array;
}

/**
 * The alive records, moved together by user: what follows reads memory from one end to the other, which is several
 * times faster than jumping through columns that are larger than the processor's cache.
 */
export function sortByUser({ user, item, timestamp, users, items }: Pairs, alive: Uint8Array): SortedPairs {
  const next = new Int32Array(users + 1);
  let count = 0;
  for (let p = 0; p < user.length; p++) {
    if (alive[p] === 0) continue;
    next[user[p]! + 1]!++;
    count++;
  }
  for (let u = 0; u < users; u++) next[u + 1]! += next[u]!;
  const sorted = {
    users,
    items,
    user: new Int32Array(count),
    item: new Int32Array(count),
    timestamp: new Float64Array(count),
  };
  const row = new Int32Array(count);
  for (let p = 0; p < user.length; p++) {
    if (alive[p] === 0) continue;
    const to = next[user[p]!]!++;
    row[to] = p;
    sorted.user[to] = user[p]!;
    sorted.item[to] = item[p]!;
    sorted.timestamp[to] = timestamp[p]!;
  }
  return { pairs: sorted, row };
}
