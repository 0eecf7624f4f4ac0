// The paper's own AM-Beauty split, whole: popularity and item-cosine KNN against figures computed in Python on the same
// files.
import path from "node:path";
import { compareRuns, confidenceIntervals, evaluateScorer, itemKnn, mostPopular } from "@cllm4rec/eval";
import { sharedPath } from "@cllm4rec/testing";
import { describe, expect, it } from "vitest";
import { readNpz } from "./npz.js";

const directory = sharedPath("data/amazon-beauty-cllm4rec");
const items = 6086;
const users = 10_553;

describe.skipIf(!directory)("AM-Beauty, the authors' split", () => {
  const matrix = (name: string) => readNpz(path.join(directory!, `${name}_matrix.npz`));

  it("gives popularity and item KNN the figures of an independent computation, and tells them apart", async () => {
    const [train, test] = [matrix("train"), matrix("test")];
    const options = { history: train, heldOut: test };
    const popular = await evaluateScorer(mostPopular(train, { items }), options);
    expect(popular.users).toBe(users);
    // NumPy, ties to the lower item index. With ties to the higher one it is 0.07130 at 40: popularity is full of ties.
    expect(popular.metrics["recall@20"]).toBeCloseTo(0.040700417695111145, 12);
    expect(popular.metrics["recall@40"]).toBeCloseTo(0.06989899058268242, 12);
    expect(popular.metrics["ndcg@100"]).toBeCloseTo(0.0301544117945641, 12);

    const knn = await evaluateScorer(itemKnn(train, { items }), options);
    expect(knn.metrics["recall@20"]).toBeCloseTo(0.13792589744925574, 5);
    expect(knn.metrics["recall@40"]).toBeCloseTo(0.1852860454348183, 5);
    expect(knn.metrics["ndcg@100"]).toBeCloseTo(0.09415120955295139, 5);

    const { difference, tTest, wilcoxon } = compareRuns(knn, popular, { resamples: 200 })["ndcg@100"]!;
    expect(difference.low).toBeGreaterThan(0.05);
    expect(tTest.pValue).toBeLessThan(1e-100);
    expect(wilcoxon.pValue).toBeLessThan(1e-100);
    const { low, high } = confidenceIntervals(knn, { resamples: 200 })["recall@20"]!;
    expect(high - low).toBeLessThan(0.02);
  });
});
