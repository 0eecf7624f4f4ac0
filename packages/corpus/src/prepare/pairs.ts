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

/** Positions of records grouped by a key: group `g` is `positions[start[g] .. start[g + 1])`, in the order of the input. */
export interface Groups {
  /** [groups + 1] */
  readonly start: Int32Array;
  readonly positions: Int32Array;
}

/** Groups the records with `alive[position] = 1` by `key`, a column of values in [0, groups): a stable counting sort, O(n + groups). */
export function groupBy(key: Int32Array, groups: number, alive: Uint8Array): Groups {
  const start = new Int32Array(groups + 1);
  for (let p = 0; p < key.length; p++) if (alive[p] === 1) start[key[p]! + 1]!++;
  for (let g = 0; g < groups; g++) start[g + 1]! += start[g]!;
  const positions = new Int32Array(start[groups]!);
  const next = start.slice(0, groups);
  for (let p = 0; p < key.length; p++) if (alive[p] === 1) positions[next[key[p]!]!++] = p;
  return { start, positions };
}
