// What a baseline is: scores over all items for whoever has a history; and its evaluation, a block of users at a time.
// Shapes: I users, B users of a block, J items.
import { EvaluationError } from "../error.js";
import { RankingEvaluator } from "../evaluator.js";
import { checkItemLists, type ItemLists, rowCount, sliceItemLists } from "../item-lists.js";
import type { MetricName } from "../metrics/names.js";
import type { EvaluationResult } from "../result.js";
import { turn } from "./turn.js";

/** A recommender that knows a user by the items of a history alone. */
export interface HistoryScorer {
  /** What it is and how it was set, such as `item KNN (100 neighbours)`. */
  readonly name: string;
  /** J */
  readonly items: number;
  /**
   * Scores [B, J] of all items for B histories, row-major, higher is better; items of the history included, for the
   * ranking to mask.
   * @throws {EvaluationError} for a history with an item out of range
   */
  scores(histories: ItemLists): Float32Array;
}

/** A scorer that adds up what each item of a history says of all items: a history times a matrix of weights [J, J]. */
export interface LinearScorer extends HistoryScorer {
  /** Adds the weights of `item`, a row of the matrix, to `row` [J]. */
  addWeights(item: number, row: Float64Array): void;
}

/** How a scorer is evaluated; every matrix has one row per user. */
export interface EvaluateScorerOptions {
  /** [I] what is known of each user. It is masked: an item of the history is never recommended. */
  readonly history: ItemLists;
  /** [I] what is to be found; users with none are left out and counted. */
  readonly heldOut: ItemLists;
  /** Default: recall@20, recall@40 and ndcg@100. */
  readonly metrics?: readonly MetricName[];
  /** The only items that are ranked, such as cold ones; default: all. */
  readonly candidates?: ArrayLike<number>;
  /** Users at a time, B; default 256. Changes no bit of the result. */
  readonly block?: number;
  readonly signal?: AbortSignal;
  /** Users done, of how many. */
  readonly onProgress?: (done: number, users: number) => void;
}

/**
 * Full ranking by a scorer, block by block. Between blocks other work of the process gets its turn.
 * @throws {EvaluationError} for matrices that do not fit; the signal's reason when it is aborted
 */
export async function evaluateScorer(scorer: HistoryScorer, options: EvaluateScorerOptions): Promise<EvaluationResult> {
  const { history, heldOut, metrics, candidates, block = 256, signal, onProgress } = options;
  if (!Number.isInteger(block) || block < 1) {
    throw new EvaluationError(`block: found ${block}, expected an integer of at least 1 (users at a time).`);
  }
  const users = rowCount(heldOut);
  checkItemLists(history, "history", users, scorer.items);
  const evaluator = new RankingEvaluator({
    items: scorer.items,
    ...(metrics && { metrics }),
    ...(candidates && { candidates }),
  });
  for (let from = 0; from < users; from += block) {
    signal?.throwIfAborted();
    const to = Math.min(from + block, users);
    const known = sliceItemLists(history, from, to);
    evaluator.addScores({ scores: scorer.scores(known), heldOut: sliceItemLists(heldOut, from, to), masked: known });
    onProgress?.(to, users);
    await turn();
  }
  signal?.throwIfAborted();
  return evaluator.result();
}

/**
 * Checks binary interactions [I, J] before something is fitted to them.
 * @throws {EvaluationError} for items out of range, an item twice with one user, or nothing at all
 */
export function checkTraining(training: ItemLists, items: number): void {
  if (!Number.isInteger(items) || items < 1) {
    throw new EvaluationError(`items: found ${items}, expected an integer of at least 1 (the number of items).`);
  }
  const users = rowCount(training);
  checkItemLists(training, "training", users, items);
  const seenBy = new Int32Array(items).fill(-1);
  for (let user = 0; user < users; user++) {
    for (let p = training.indptr[user]!; p < training.indptr[user + 1]!; p++) {
      const item = training.indices[p]!;
      if (seenBy[item] === user) {
        throw new EvaluationError(
          `training, user ${user}: found item ${item} twice, expected each item once; keep one interaction for ` +
            "each pair.",
        );
      }
      seenBy[item] = user;
    }
  }
  if (training.indptr[users] === training.indptr[0]) {
    throw new EvaluationError("training: found no interaction, expected at least one; check the split.");
  }
}

/** How many users have each item [J]. */
export function itemCounts(training: ItemLists, items: number): Float64Array {
  const counts = new Float64Array(items);
  const end = training.indptr[rowCount(training)]!;
  for (let p = training.indptr[0]!; p < end; p++) counts[training.indices[p]!]!++;
  return counts;
}

/** The transpose: the users of each item [J], ascending. */
export function usersOfItems(training: ItemLists, items: number): ItemLists {
  const users = rowCount(training);
  const indptr = new Int32Array(items + 1);
  itemCounts(training, items).forEach((count, item) => {
    indptr[item + 1] = indptr[item]! + count;
  });
  const next = indptr.slice(0, items);
  const indices = new Int32Array(indptr[items]!);
  for (let user = 0; user < users; user++) {
    for (let p = training.indptr[user]!; p < training.indptr[user + 1]!; p++) {
      indices[next[training.indices[p]!]!++] = user;
    }
  }
  return { indptr, indices };
}

/**
 * The scorer that adds up what each item of a history says of all items.
 * @param add adds what `item` says to `row` [J]
 */
export function sumScorer(name: string, items: number, add: (item: number, row: Float64Array) => void): LinearScorer {
  return {
    name,
    items,
    addWeights: add,
    scores(histories) {
      const rows = rowCount(histories);
      checkItemLists(histories, "histories", rows, items);
      const scores = new Float32Array(rows * items);
      const row = new Float64Array(items);
      for (let b = 0; b < rows; b++) {
        row.fill(0);
        for (let p = histories.indptr[b]!; p < histories.indptr[b + 1]!; p++) add(histories.indices[p]!, row);
        scores.set(row, b * items);
      }
      return scores;
    },
  };
}
