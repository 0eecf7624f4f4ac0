// The paper's own AM-Beauty split, whole: popularity and item-cosine KNN against figures computed in Python on the same files.
import path from "node:path";
import {
  compareRuns,
  confidenceIntervals,
  type EvaluationResult,
  type ItemLists,
  RankingEvaluator,
  sliceItemLists,
} from "@cllm4rec/eval";
import { sharedPath } from "@cllm4rec/testing";
import { describe, expect, it } from "vitest";
import { readNpz } from "./npz.js";

const directory = sharedPath("data/amazon-beauty-cllm4rec");
const items = 6086;
const users = 10_553;
const block = 256;

function popularity(train: ItemLists): Float32Array {
  const counts = new Float32Array(items);
  for (const item of train.indices) counts[item]!++;
  return counts;
}

/** Per item, the cosine of its column with every other that shares a user. */
function itemCosines(train: ItemLists): Map<number, number>[] {
  const neighbours = Array.from({ length: items }, () => new Map<number, number>());
  for (let u = 0; u < users; u++) {
    const history = train.indices.subarray(train.indptr[u]!, train.indptr[u + 1]!);
    for (const i of history)
      for (const j of history) if (i !== j) neighbours[i]!.set(j, (neighbours[i]!.get(j) ?? 0) + 1);
  }
  const counts = popularity(train);
  neighbours.forEach((row, i) => {
    for (const [j, both] of row) row.set(j, both / Math.sqrt(counts[i]! * counts[j]!));
  });
  return neighbours;
}

/** Cosines summed over each user's history: one block of score rows. */
function knnScores(train: ItemLists, cosines: readonly Map<number, number>[], from: number, to: number): Float32Array {
  const scores = new Float64Array((to - from) * items);
  for (let u = from; u < to; u++) {
    for (let p = train.indptr[u]!; p < train.indptr[u + 1]!; p++) {
      for (const [j, cosine] of cosines[train.indices[p]!]!) scores[(u - from) * items + j]! += cosine;
    }
  }
  return Float32Array.from(scores);
}

describe.skipIf(!directory)("AM-Beauty, the authors' split", () => {
  const matrix = (name: string) => readNpz(path.join(directory!, `${name}_matrix.npz`));

  function run(
    train: ItemLists,
    test: ItemLists,
    scoresOf: (from: number, to: number) => Float32Array,
  ): EvaluationResult {
    const evaluator = new RankingEvaluator({ items });
    for (let from = 0; from < users; from += block) {
      const to = Math.min(from + block, users);
      const masked = sliceItemLists(train, from, to);
      evaluator.addScores({ scores: scoresOf(from, to), heldOut: sliceItemLists(test, from, to), masked });
    }
    return evaluator.result();
  }

  it("gives popularity and item KNN the figures of an independent computation, and tells them apart", () => {
    const [train, test] = [matrix("train"), matrix("test")];
    const counts = popularity(train);
    const mostPopular = run(train, test, (from, to) => {
      const scores = new Float32Array((to - from) * items);
      for (let b = 0; b < to - from; b++) scores.set(counts, b * items);
      return scores;
    });
    expect(mostPopular.users).toBe(users);
    // NumPy, ties to the lower item index. With ties to the higher one it is 0.07130 at 40: popularity is full of ties.
    expect(mostPopular.metrics["recall@20"]).toBeCloseTo(0.040700417695111145, 12);
    expect(mostPopular.metrics["recall@40"]).toBeCloseTo(0.06989899058268242, 12);
    expect(mostPopular.metrics["ndcg@100"]).toBeCloseTo(0.0301544117945641, 12);

    const cosines = itemCosines(train);
    const knn = run(train, test, (from, to) => knnScores(train, cosines, from, to));
    expect(knn.metrics["recall@20"]).toBeCloseTo(0.13792589744925574, 5);
    expect(knn.metrics["recall@40"]).toBeCloseTo(0.1852860454348183, 5);
    expect(knn.metrics["ndcg@100"]).toBeCloseTo(0.09415120955295139, 5);

    const { difference, tTest, wilcoxon } = compareRuns(knn, mostPopular, { resamples: 200 })["ndcg@100"]!;
    expect(difference.low).toBeGreaterThan(0.05);
    expect(tTest.pValue).toBeLessThan(1e-100);
    expect(wilcoxon.pValue).toBeLessThan(1e-100);
    const { low, high } = confidenceIntervals(knn, { resamples: 200 })["recall@20"]!;
    expect(high - low).toBeLessThan(0.02);
  });
});
