// Training, validation and test interactions of each user.
// Random choices are a pure function of (seed, user, item), so that they are the same on every machine and in any input order.
import { philox4x32 } from "../random/philox.js";
import { groupBy, type Pairs } from "./pairs.js";

/** How interactions are divided; see {@link splitPairs}, and `cllm4rec-split.ts` for the paper's own tables from the raw file. */
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
 * How many of a user's `n` interactions go to validation and to test: ⌊share·n⌋ but at least one (the rule that the released AM-Beauty
 * split follows for every user), as long as one is left for training: a user with two has no validation, a user with one only training.
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

/** ⌊share·n⌋ of the decimal share that was meant: 0.1 × 30 is 3, 0.29 × 100 is 29 although the product of the doubles is below. */
function floorShare(n: number, share: number): number {
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
  // 53 random bits an interaction; a tie, should there ever be one, goes by item.
  const rank = new Float64Array(options.method === "random" ? user.length : 0);
  const byRank = (a: number, b: number) => rank[a]! - rank[b]! || item[a]! - item[b]!;
  const byTime = (a: number, b: number) => compareTimes(timestamp[a]!, timestamp[b]!) || a - b;
  for (let u = 0; u < users; u++) {
    const own = positions.subarray(start[u]!, start[u + 1]!);
    const n = own.length;
    if (n === 0) continue;
    if (options.method === "random") {
      for (const p of own) {
        philox4x32(block, item[p]!, u, SPLIT_STREAM, 0, seedLow, seedHigh);
        rank[p] = block[0]! * 2 ** 21 + (block[1]! >>> 11);
      }
    }
    own.sort(options.method === "random" ? byRank : byTime);
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
