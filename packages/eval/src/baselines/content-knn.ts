// Content-based nearest neighbours: an item scores by how much its text is like the texts of the history. It needs
// nobody to have the item. Lops, de Gemmis & Semeraro 2011 ("Content-based Recommender Systems", §3.3.1.1): keyword
// vectors with tf-idf weights, cosine.
// Shapes: B histories, J items, F features of all blocks together.
import { EvaluationError } from "../error.js";
import { checkItemLists, rowCount } from "../item-lists.js";
import type { HistoryScorer } from "./history-scorer.js";
import { checkSideInformation, type SideInformation } from "./side-information.js";

/** What is known of the items. */
export interface ContentKnnOptions {
  /** J */
  readonly items: number;
  /** At least one block; a block's weight is that of its products, as in `ease`. */
  readonly sideInformation: readonly SideInformation[];
}

/** Items of each feature in compressed sparse rows, with the items' values; and the features of each item. */
interface Vectors {
  readonly indptr: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float64Array;
  readonly ownersFrom: Int32Array;
  readonly owners: Int32Array;
  readonly shares: Float64Array;
}

/**
 * Content KNN: each item has the vector v [F] of its blocks side by side, times √weight, scaled to length 1; a history
 * has the sum of its items' vectors; the score is their cosine. An item without any feature scores 0. Nothing is fitted
 * to interactions.
 * @throws {EvaluationError} for no side information, features that do not fit the items, or a weight out of range
 */
export function contentKnn({ items, sideInformation }: ContentKnnOptions): HistoryScorer {
  if (sideInformation.length === 0) {
    throw new EvaluationError(
      "sideInformation: found no block, expected at least one: content KNN knows nothing else.",
    );
  }
  for (const block of sideInformation) checkSideInformation(block, items);
  const vectors = unitVectors(items, sideInformation);
  const { indptr, columns, values, ownersFrom, owners, shares } = vectors;
  const settings = sideInformation.map(({ name, weight }) => `${name} ${weight}`);
  return {
    name: `content KNN (${settings.join(", ")})`,
    items,
    scores(histories) {
      const rows = rowCount(histories);
      checkItemLists(histories, "histories", rows, items);
      const scores = new Float32Array(rows * items);
      const row = new Float64Array(items);
      const sum = new Float64Array(ownersFrom.length - 1);
      for (let b = 0; b < rows; b++) {
        row.fill(0);
        const touched: number[] = [];
        for (let h = histories.indptr[b]!; h < histories.indptr[b + 1]!; h++) {
          const item = histories.indices[h]!;
          for (let p = indptr[item]!; p < indptr[item + 1]!; p++) {
            if (sum[columns[p]!] === 0) touched.push(columns[p]!);
            sum[columns[p]!]! += values[p]!;
          }
        }
        let squares = 0;
        for (const column of touched) {
          const value = sum[column]!;
          sum[column] = 0;
          squares += value * value;
          for (let p = ownersFrom[column]!; p < ownersFrom[column + 1]!; p++) row[owners[p]!]! += value * shares[p]!;
        }
        const length = Math.sqrt(squares);
        if (length > 0) for (let j = 0; j < items; j++) scores[b * items + j] = row[j]! / length;
      }
      return scores;
    },
  };
}

/** The items' vectors, of length 1 each, by item and by feature. */
function unitVectors(items: number, blocks: readonly SideInformation[]): Vectors {
  const indptr = new Int32Array(items + 1);
  const columns: number[] = [];
  const values: number[] = [];
  for (let item = 0; item < items; item++) {
    let [first, squares] = [0, 0];
    for (const { weight, features } of blocks) {
      const scale = Math.sqrt(weight);
      for (let p = features.indptr[item]!; p < features.indptr[item + 1]!; p++) {
        const value = scale * features.values[p]!;
        if (value === 0) continue;
        columns.push(first + features.indices[p]!);
        values.push(value);
        squares += value * value;
      }
      first += features.columns;
    }
    for (let p = indptr[item]!; p < values.length; p++) values[p] = values[p]! / Math.sqrt(squares);
    indptr[item + 1] = values.length;
  }
  const width = blocks.reduce((sum, { features }) => sum + features.columns, 0);
  const ownersFrom = new Int32Array(width + 1);
  for (const column of columns) ownersFrom[column + 1]!++;
  for (let f = 0; f < width; f++) ownersFrom[f + 1]! += ownersFrom[f]!;
  const next = ownersFrom.slice(0, width);
  const owners = new Int32Array(columns.length);
  const shares = new Float64Array(columns.length);
  for (let item = 0; item < items; item++) {
    for (let p = indptr[item]!; p < indptr[item + 1]!; p++) {
      const at = next[columns[p]!]!++;
      owners[at] = item;
      shares[at] = values[p]!;
    }
  }
  return { indptr, columns: Int32Array.from(columns), values: Float64Array.from(values), ownersFrom, owners, shares };
}
