// Training, validation and test interactions of each user.
// Random choices are a pure function of (seed, user, item), so that they are the same on every machine and in any input
// order.
import { philox4x32 } from "../random/philox.js";
import { groupBy, type Pairs } from "./pairs.js";

/**
 * How interactions are divided; see {@link splitPairs}, and `cllm4rec-split.ts` for the paper's own tables from the raw
 * file.
 */
export const SPLIT_METHODS = ["random", "leave-one-out", "time", "cllm4rec"] as const;
export type SplitMethod = (typeof SPLIT_METHODS)[number];

export interface SplitOptions {
  readonly method: SplitMethod;
  /** Seed of `random`: an integer in [0, 2^53); of `cllm4rec`: in [0, 2^32). */
  readonly seed: number;
  /** Shares of a user's interactions under `random` and `time`. */
  readonly validationShare: number;
  readonly testShare: number;
}

/** The values of a part column; 0 is a record that is in no split. */
export const PART = { none: 0, train: 1, validation: 2, test: 3 } as const;

/** Keeps these bits apart from every other use of Philox in this package. */
const SPLIT_STREAM = 0x5117;

/**
 * How many of a user's `n` interactions go to validation and to test: ⌊share·n⌋ but at least one (the rule that the
 * released AM-Beauty split follows for every user), as long as one is left for training: a user with two has no
 * validation, a user with one only training.
 */
export function heldOutCounts(
  n: number,
  validationShare: number,
  testShare: number,
): { validation: number; test: number } {
  const test = testShare > 0 && n >= 2 ? Math.min(Math.max(1, floorShare(n, testShare)), n - 1) : 0;
  const room = n - test - 1;
  const validation = validationShare > 0 && room >= 1 ? Math.min(Math.max(1, floorShare(n, validationShare)), room) : 0;
  return { validation, test };
}

/**
 * ⌊share·n⌋ of the decimal share that was meant: 0.1 × 30 is 3, 0.29 × 100 is 29 although the product of the doubles is
 * below.
 */
export function floorShare(n: number, share: number): number {
  return Math.floor(n * share + 1e-9 * Math.max(1, n));
}

/**
 * Assigns each alive record to a part, user by user.
 * - `random`: held-out interactions are drawn uniformly (the paper, §4.1.1).
 * - `time`: the latest go to test, those before them to validation, in the shares of `random`.
 * - `leave-one-out`: the last to test, the one before it to validation.
 *
 * Under the last two, records of the same time keep the order of the input, and those without a time come first.
 * @returns [n] values of {@link PART}.
 */
export function splitPairs(pairs: Pairs, alive: Uint8Array, options: SplitOptions): Uint8Array {
  const { user, item, timestamp, users } = pairs;
  const { start, positions } = groupBy(user, users, alive);
  const part = new Uint8Array(user.length);
  const block = new Uint32Array(4);
  const seedLow = options.seed >>> 0;
  const seedHigh = Math.floor(options.seed / 2 ** 32) >>> 0;
  const longest = options.method === "random" ? longestGroup(start) : 0;
  // 53 random bits an interaction; a tie, should there ever be one, goes by item. [n of the user] by place in its list.
  const rank = new Float64Array(longest);
  const drawn = new Int32Array(longest);
  const byTime = (a: number, b: number) => compareTimes(timestamp[a]!, timestamp[b]!) || a - b;
  for (let u = 0; u < users; u++) {
    const own = positions.subarray(start[u]!, start[u + 1]!);
    const n = own.length;
    if (n === 0) continue;
    if (options.method === "random") {
      for (let k = 0; k < n; k++) {
        philox4x32(block, item[own[k]!]!, u, SPLIT_STREAM, 0, seedLow, seedHigh);
        rank[k] = block[0]! * 2 ** 21 + (block[1]! >>> 11);
      }
      sortByRank(own, item, rank, drawn);
    } else own.sort(byTime);
    const { validation, test } =
      options.method === "leave-one-out"
        ? { test: n >= 2 ? 1 : 0, validation: n >= 3 ? 1 : 0 }
        : heldOutCounts(n, options.validationShare, options.testShare);
    for (let k = 0; k < n; k++) {
      part[own[k]!] = k < n - validation - test ? PART.train : k < n - test ? PART.validation : PART.test;
    }
  }
  return part;
}

function compareTimes(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : -1;
  return Number.isNaN(b) ? 1 : a - b;
}

function longestGroup(start: Int32Array): number {
  let longest = 0;
  for (let g = 1; g < start.length; g++) longest = Math.max(longest, start[g]! - start[g - 1]!);
  return longest;
}

/** Up to this many values insertion beats the engine's sort, which allocates for each call. */
const INSERTED = 48;

/**
 * Sorts one user's positions by rank, then item.
 * @param rank [at least n] by place in `own`; overwritten.
 * @param scratch [at least n] overwritten.
 */
function sortByRank(own: Int32Array, item: Int32Array, rank: Float64Array, scratch: Int32Array): void {
  const n = own.length;
  if (n > INSERTED) {
    const before = own.slice();
    const places = scratch.subarray(0, n);
    for (let k = 0; k < n; k++) places[k] = k;
    places.sort((a, b) => rank[a]! - rank[b]! || item[before[a]!]! - item[before[b]!]!);
    for (let k = 0; k < n; k++) own[k] = before[places[k]!]!;
    return;
  }
  for (let k = 1; k < n; k++) {
    const [p, r] = [own[k]!, rank[k]!];
    let at = k;
    for (; at > 0 && (rank[at - 1]! > r || (rank[at - 1] === r && item[own[at - 1]!]! > item[p]!)); at--) {
      own[at] = own[at - 1]!;
      rank[at] = rank[at - 1]!;
    }
    own[at] = p;
    rank[at] = r;
  }
}
