// What a set of recommendation lists looks like as a whole: coverage and Gini over the catalogue, and novelty per user.
// Notation: J items; c_i how many lists hold item i.
import { EvaluationError } from "../error.js";

/** Share of the J items that occur in at least one list. `counts` [J] is c_i. */
export function coverage(counts: ArrayLike<number>): number {
  let listed = 0;
  for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) listed++;
  return listed / counts.length;
}

/**
 * Gini index of c_i over all J items, never-recommended ones included: Σᵢ (2i − J − 1) c₍ᵢ₎ / (J Σ c), c₍ᵢ₎ ascending,
 * i from 1.
 * 0: every item equally often; near 1: one item only. The same as RecBole's GiniIndex. `counts` [J] is c_i.
 *
 * @throws {EvaluationError} where nothing was recommended at all.
 */
export function gini(counts: ArrayLike<number>): number {
  const ascending = Float64Array.from(counts).sort();
  const items = ascending.length;
  let weighted = 0;
  let total = 0;
  for (let i = 0; i < items; i++) {
    weighted += (2 * (i + 1) - items - 1) * ascending[i]!;
    total += ascending[i]!;
  }
  if (total === 0) {
    throw new EvaluationError("gini: found only empty lists, expected at least one item; leave the metric out.");
  }
  return weighted / (items * total);
}

/** The training popularity that novelty is measured against. */
export interface TrainingPopularity {
  /** [J] training interactions per item. */
  readonly itemCounts: ArrayLike<number>;
  /** Number of training users. */
  readonly users: number;
}

/**
 * Self-information of each item in bits, −log₂(c_i / users): how surprising it is to meet the item in a random user's
 * history (Zhou et al. 2010, "Solving the apparent diversity–accuracy dilemma"). An item without training interactions
 * counts as having one.
 *
 * @throws {EvaluationError} unless there is one count in 0 … users per item.
 */
export function selfInformation(training: TrainingPopularity, items: number): Float64Array {
  const { itemCounts, users } = training;
  if (itemCounts.length !== items) {
    throw new EvaluationError(
      `training.itemCounts: found ${itemCounts.length} counts, expected ${items} (one per item).`,
    );
  }
  if (!Number.isInteger(users) || users < 1) {
    throw new EvaluationError(`training.users: found ${users}, expected an integer of at least 1.`);
  }
  return Float64Array.from(itemCounts, (count, item) => {
    if (!Number.isInteger(count) || count < 0 || count > users) {
      throw new EvaluationError(
        `training.itemCounts, item ${item}: found ${count}, expected an integer from 0 to ${users} (the training ` +
          "users); count each user once per item.",
      );
    }
    return Math.log2(users / Math.max(count, 1));
  });
}
