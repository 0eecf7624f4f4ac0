// Item-based nearest neighbours: an item scores by its similarity to the items of the history.
// Sarwar, Karypis, Konstan & Riedl 2001 (item-based collaborative filtering); Deshpande & Karypis 2004 (top-N
// recommendation).
// Shapes: I users, B histories, J items, k neighbours.
import { EvaluationError } from "../error.js";
import type { ItemLists } from "../item-lists.js";
import { checkTraining, itemCounts, type LinearScorer, sumScorer, usersOfItems } from "./history-scorer.js";

/** How neighbours are found. */
export interface ItemKnnOptions {
  /** J */
  readonly items: number;
  /** k: how many of its most similar items each item keeps; default all. */
  readonly neighbours?: number;
  /** Added to the denominator of the cosine, so that similarities that rest on few users shrink; default 0. */
  readonly shrinkage?: number;
}

/** Each item's neighbours in compressed sparse rows, best first. */
interface Neighbours {
  readonly indptr: Float64Array;
  readonly items: Int32Array;
  readonly similarities: Float64Array;
}

/**
 * Item-based k-nearest neighbours on binary interactions X [I, J]:
 *
 *     s(i, j) = |users of i and j| / (√(|users of i| · |users of j|) + shrinkage),  s(i, i) = 0
 *     score(j) = Σ over i in the history of s(i, j), where j is one of i's k most similar items
 *
 * which is the cosine of item columns, and Deshpande & Karypis's algorithm without their optional normalisation of each
 * item's neighbourhood. The neighbourhood is that of the history's items (theirs), not of the items to be ranked. Of
 * equally similar items the lower index is the nearer one.
 *
 * Time Σ over users of |history|²; memory for k neighbours an item, at most all pairs of items that share a user.
 * @param training [I] the items of each user
 * @throws {EvaluationError} for training data that do not fit, and options out of range
 */
export function itemKnn(training: ItemLists, options: ItemKnnOptions): LinearScorer {
  const { items, neighbours = Number.POSITIVE_INFINITY, shrinkage = 0 } = options;
  if (neighbours !== Number.POSITIVE_INFINITY && !(Number.isInteger(neighbours) && neighbours >= 1)) {
    throw new EvaluationError(
      `neighbours: found ${neighbours}, expected an integer of at least 1, or Infinity for all.`,
    );
  }
  if (!(shrinkage >= 0 && shrinkage < Number.POSITIVE_INFINITY)) {
    throw new EvaluationError(`shrinkage: found ${shrinkage}, expected a number of at least 0.`);
  }
  checkTraining(training, items);
  const nearest = findNeighbours(training, items, neighbours, shrinkage);
  const settings = [
    ...(neighbours === Number.POSITIVE_INFINITY ? [] : [`${neighbours} neighbours`]),
    ...(shrinkage === 0 ? [] : [`shrinkage ${shrinkage}`]),
  ];
  const name = `item KNN${settings.length > 0 ? ` (${settings.join(", ")})` : ""}`;
  return sumScorer(name, items, (item, row) => {
    for (let q = nearest.indptr[item]!, end = nearest.indptr[item + 1]!; q < end; q++) {
      row[nearest.items[q]!]! += nearest.similarities[q]!;
    }
  });
}

function findNeighbours(training: ItemLists, items: number, k: number, shrinkage: number): Neighbours {
  const users = usersOfItems(training, items);
  const counts = itemCounts(training, items);
  const indptr = new Float64Array(items + 1);
  const found: { readonly items: Int32Array; readonly similarities: Float64Array }[] = [];
  /** How many users each item shares with the one at hand, and which items share any. */
  const together = new Float64Array(items);
  const touched = new Int32Array(items);
  for (let i = 0; i < items; i++) {
    let count = 0;
    for (let p = users.indptr[i]!; p < users.indptr[i + 1]!; p++) {
      const user = users.indices[p]!;
      for (let q = training.indptr[user]!; q < training.indptr[user + 1]!; q++) {
        const j = training.indices[q]!;
        if (j === i) continue;
        if (together[j] === 0) touched[count++] = j;
        together[j]!++;
      }
    }
    for (let t = 0; t < count; t++) {
      const j = touched[t]!;
      together[j] = together[j]! / (Math.sqrt(counts[i]! * counts[j]!) + shrinkage);
    }
    const row = touched.slice(0, count);
    // Without a limit the order is of no use.
    if (count > k) row.sort((a, b) => together[b]! - together[a]! || a - b);
    const kept = row.slice(0, Math.min(k, count));
    found.push({ items: kept, similarities: Float64Array.from(kept, (j) => together[j]!) });
    indptr[i + 1] = indptr[i]! + kept.length;
    for (let t = 0; t < count; t++) together[touched[t]!] = 0;
  }
  const all: Neighbours = {
    indptr,
    items: new Int32Array(indptr[items]!),
    similarities: new Float64Array(indptr[items]!),
  };
  found.forEach((row, i) => {
    all.items.set(row.items, indptr[i]!);
    all.similarities.set(row.similarities, indptr[i]!);
  });
  return all;
}
