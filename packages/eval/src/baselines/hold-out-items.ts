// Items taken out of training data, so that settings for cold items can be chosen without any real one: a validation
// set of pseudo-cold items.
// Shapes: I users, J items.
import { EvaluationError } from "../error.js";
import { type ItemLists, itemLists, rowCount } from "../item-lists.js";
import { Xoshiro128 } from "../statistics/random.js";
import { checkTraining, itemCounts } from "./history-scorer.js";

export interface HoldOutItemsOptions {
  /** J */
  readonly items: number;
  /** Share of the items with interactions that is taken out, above 0 and below 1; default 0.2. */
  readonly share?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Which items may be taken out, such as those with text; default: every item with interactions. */
  readonly among?: ArrayLike<number>;
}

/** Training data without some of the items, and what was taken out. */
export interface HeldOutItems {
  /** [I] without the items that were taken out. */
  readonly training: ItemLists;
  /**
   * [I] the interactions with them, for users who have others left to be known by; of other users they are in neither
   * matrix.
   */
  readonly heldOut: ItemLists;
  /** The items that were taken out, ascending: the `candidates` of an evaluation. */
  readonly candidates: Int32Array;
}

/**
 * Takes ⌊share·n⌋ of the n items with interactions out of training data, at least one and not all. Deterministic.
 * @throws {EvaluationError} for training data that do not fit, a share out of range, or fewer than two items to choose
 *   from
 */
export function holdOutItems(training: ItemLists, options: HoldOutItemsOptions): HeldOutItems {
  const { items, share = 0.2, seed = 0, among } = options;
  if (!(share > 0 && share < 1)) {
    throw new EvaluationError(`share: found ${share}, expected a number above 0 and below 1.`);
  }
  checkTraining(training, items);
  const counts = itemCounts(training, items);
  const eligible = among ? Array.from(among) : Array.from(counts, (_, item) => item);
  const pool = [...new Set(eligible)].filter((item) => counts[item]! > 0).sort((a, b) => a - b);
  if (pool.length < 2) {
    throw new EvaluationError(`items: found ${pool.length} with interactions to take out, expected at least two.`);
  }
  const random = Xoshiro128.fromSeed(seed);
  const count = Math.min(Math.max(1, Math.floor(share * pool.length)), pool.length - 1);
  // The first `count` places of a Fisher–Yates shuffle.
  for (let at = 0; at < count; at++) {
    const from = at + Math.floor((random.next() / 2 ** 32) * (pool.length - at));
    [pool[at], pool[from]] = [pool[from]!, pool[at]!];
  }
  const candidates = Int32Array.from(pool.slice(0, count)).sort();
  const taken = new Set(candidates);
  const rows = Array.from({ length: rowCount(training) }, (_, user) =>
    Array.from(training.indices.subarray(training.indptr[user]!, training.indptr[user + 1]!)),
  );
  const left = rows.map((row) => row.filter((item) => !taken.has(item)));
  const out = rows.map((row, user) => (left[user]!.length > 0 ? row.filter((item) => taken.has(item)) : []));
  return { training: itemLists(left), heldOut: itemLists(out), candidates };
}
