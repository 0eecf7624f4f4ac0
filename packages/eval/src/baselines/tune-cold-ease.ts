// EASE with side information for items that nobody has: settings and scale chosen on items that are taken out of the
// training data.
// Shapes: I users, J items.
import { type ItemLists, itemLists, rowCount } from "../item-lists.js";
import { PAPER_METRICS } from "../metrics/names.js";
import { climb } from "./climb.js";
import { ease } from "./ease.js";
import { evaluateScorer, type HistoryScorer } from "./history-scorer.js";
import { holdOutItems } from "./hold-out-items.js";
import { type EaseTrial, type TuneEaseOptions, tuneEase } from "./tune-ease.js";

export interface TuneColdEaseOptions extends Omit<TuneEaseOptions, "candidates"> {
  /** Cold items: without interactions in the training data. */
  readonly cold: ArrayLike<number>;
  /**
   * Which items may be treated as cold while settings are chosen, such as those with text; default: every item with
   * interactions.
   */
  readonly among?: ArrayLike<number>;
}

export interface TunedColdEase {
  /** Fitted to the training items. */
  readonly scorer: HistoryScorer;
  readonly best: EaseTrial;
  readonly trials: readonly EaseTrial[];
  /** By which the scores of cold items are multiplied. */
  readonly factor: number;
}

/**
 * Takes a fifth of the items out of the training data, and chooses λ and the weights by how these items rank among
 * themselves. An EASE with side information takes it as evidence that nobody has a cold item, and scores it low, so
 * that a factor for the scores of cold items follows: the one with the best ranking of the items taken out and the
 * held-out items together, among all. Then it is fitted to all training items.
 *
 * @param options.heldOut [I] validation items, which are not cold; without any, the factor is 1
 * @throws {EvaluationError} as {@link tuneEase} and {@link holdOutItems} do; the signal's reason when it is aborted
 */
export async function tuneColdEase(training: ItemLists, options: TuneColdEaseOptions): Promise<TunedColdEase> {
  const { cold, among, heldOut: validation, ...fixed } = options;
  const { items, sideInformation = [], signal } = fixed;
  const pseudo = holdOutItems(training, { items, ...(among && { among }) });
  const { heldOut, candidates } = pseudo;
  const { scorer: chosen, best, trials } = await tuneEase(pseudo.training, { ...fixed, heldOut, candidates });

  let factor = 1;
  if (validation.indices.length > 0) {
    const history = pseudo.training;
    const together = unite(history, heldOut, validation);
    let highest = Number.NEGATIVE_INFINITY;
    await climb([1], [[(value) => value * Math.SQRT2]], async ([value]) => {
      const scaled = scaleItems(chosen, candidates, value!);
      const { metrics } = await evaluateScorer(scaled, { history, heldOut: together, ...(signal && { signal }) });
      const selection = PAPER_METRICS.reduce((sum, name) => sum + metrics[name]!, 0);
      if (selection > highest) [highest, factor] = [selection, value!];
      return { selection };
    });
  }
  const { trials: _, tuneLambda: __, onTrial: ___, ...easeOptions } = fixed;
  const blocks = sideInformation.map((block, b) => ({ ...block, weight: best.weights[b]! }));
  const fitted = await ease(training, { ...easeOptions, lambda: best.lambda, sideInformation: blocks });
  const rounded = +factor.toFixed(2);
  const name = `${fitted.name.replace(/\)$/, "")}, cold items × ${rounded})`;
  return { scorer: { ...scaleItems(fitted, cold, rounded), name }, best, trials, factor: rounded };
}

/** The scorer with the scores of some items multiplied by a factor. */
function scaleItems(scorer: HistoryScorer, scaled: ArrayLike<number>, factor: number): HistoryScorer {
  const { name, items } = scorer;
  return {
    name,
    items,
    scores(histories) {
      const scores = scorer.scores(histories);
      for (let base = 0; base < scores.length; base += items) {
        for (let at = 0; at < scaled.length; at++) scores[base + scaled[at]!]! *= factor;
      }
      return scores;
    },
  };
}

/** Both matrices' items of each user that has a history. */
function unite(history: ItemLists, one: ItemLists, other: ItemLists): ItemLists {
  const rowOf = ({ indptr, indices }: ItemLists, user: number) => indices.subarray(indptr[user]!, indptr[user + 1]!);
  return itemLists(
    Array.from({ length: rowCount(history) }, (_, user) =>
      rowOf(history, user).length === 0 ? [] : new Set([...rowOf(one, user), ...rowOf(other, user)]),
    ),
  );
}
