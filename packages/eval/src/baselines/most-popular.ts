// Most popular: everyone is recommended what most users have.
// Shapes: I users, B histories, J items.
import { checkItemLists, type ItemLists, rowCount } from "../item-lists.js";
import { checkTraining, type HistoryScorer, itemCounts } from "./history-scorer.js";

/**
 * The baseline of recommending to everyone the items with the most training interactions. Many items have equal counts,
 * so the tie rule of the ranking (lower item index first) decides part of its figures.
 *
 * @param training [I] the items of each user
 * @throws {EvaluationError} for training data that do not fit
 */
export function mostPopular(training: ItemLists, { items }: { readonly items: number }): HistoryScorer {
  checkTraining(training, items);
  const counts = Float32Array.from(itemCounts(training, items));
  return {
    name: "most popular",
    items,
    scores(histories) {
      const rows = rowCount(histories);
      checkItemLists(histories, "histories", rows, items);
      const scores = new Float32Array(rows * items);
      for (let b = 0; b < rows; b++) scores.set(counts, b * items);
      return scores;
    },
  };
}
