// Per-user accuracy metrics, each a pure function of the ranks of the held-out items.
// Notation: M held-out items of the user, K cut-off, ranks 1-based and ascending.
import type { CutMetric, RankMetric } from "./names.js";

/** The metrics that have a value per user from the hits' ranks alone. */
export type AccuracyKind = Exclude<CutMetric, "coverage" | "novelty" | "gini"> | RankMetric;

// discounts[i] = 1 / log2(i + 1) of rank i; gains[n] = their sum over ranks 1 … n, the ideal DCG of n relevant items.
let discounts = Float64Array.of(0, 1);
let gains = Float64Array.of(0, 1);

function growTables(rank: number): void {
  const size = Math.max(rank + 1, 2 * discounts.length);
  const grown = new Float64Array(size);
  const sums = new Float64Array(size);
  for (let i = 1; i < size; i++) {
    grown[i] = 1 / Math.log2(i + 1);
    sums[i] = sums[i - 1]! + grown[i]!;
  }
  discounts = grown;
  gains = sums;
}

function discount(rank: number): number {
  if (rank >= discounts.length) growTables(rank);
  return discounts[rank]!;
}

function idealGain(relevant: number): number {
  if (relevant >= gains.length) growTables(relevant);
  return gains[relevant]!;
}

/**
 * One user's value of one metric.
 *
 * | kind | value |
 * | --- | --- |
 * | recall | hits / min(K, M): Liang et al. 2018 (Multi-VAE), §4.2, and CLLM4Rec |
 * | recall-all | hits / M: RecBole and most libraries |
 * | precision | hits / K, however short the list is |
 * | hit | 1 if there is a hit, else 0 |
 * | mrr | 1 / rank of the first hit, 0 without one |
 * | map | mean over min(K, M) of the precision at each hit's rank (RecBole's MAP) |
 * | ndcg | Σ 1/log₂(rank + 1) over the hits, divided by the same sum for ranks 1 … min(K, M) |
 *
 * @param ranks 1-based ranks, ascending, of the held-out items that were found; only those ≤ K count.
 * @param found how many entries of `ranks` are valid.
 * @param heldOut M ≥ 1.
 * @param cutoff K, or Infinity for the whole ranking.
 */
export function accuracy(
  kind: AccuracyKind,
  cutoff: number,
  ranks: ArrayLike<number>,
  found: number,
  heldOut: number,
): number {
  let hits = 0;
  while (hits < found && ranks[hits]! <= cutoff) hits++;
  const relevant = Math.min(cutoff, heldOut);
  switch (kind) {
    case "recall":
      return hits / relevant;
    case "recall-all":
      return hits / heldOut;
    case "precision":
      return hits / cutoff;
    case "hit":
      return hits > 0 ? 1 : 0;
    case "mrr":
      return hits > 0 ? 1 / ranks[0]! : 0;
    case "map": {
      let sum = 0;
      for (let i = 0; i < hits; i++) sum += (i + 1) / ranks[i]!;
      return sum / relevant;
    }
    case "ndcg": {
      let gain = 0;
      for (let i = 0; i < hits; i++) gain += discount(ranks[i]!);
      return gain / idealGain(relevant);
    }
  }
}
