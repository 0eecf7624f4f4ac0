// The evaluator's rules one by one: names, who is counted, ties, streaming memory, and one clear error for every wrong
// input.
import {
  EvaluationError,
  type EvaluationResult,
  itemLists,
  type MetricName,
  PAPER_METRICS,
  RankingEvaluator,
  sliceItemLists,
  topK,
} from "@cllm4rec/eval";
import { describe, expect, it } from "vitest";

function evaluate(
  scores: number[][],
  heldOut: number[][],
  metrics: MetricName[],
  masked?: number[][],
): EvaluationResult {
  const evaluator = new RankingEvaluator({ items: scores[0]!.length, metrics });
  evaluator.addScores({
    scores: Float32Array.from(scores.flat()),
    heldOut: itemLists(heldOut),
    ...(masked && { masked: itemLists(masked) }),
  });
  return evaluator.result();
}

describe("rules", () => {
  it("reports the paper's metrics by default", () => {
    const evaluator = new RankingEvaluator({ items: 3 });
    evaluator.addScores({ scores: Float32Array.of(3, 2, 1), heldOut: itemLists([[1]]) });
    expect(evaluator.result().metrics).toEqual({ "recall@20": 1, "recall@40": 1, "ndcg@100": 1 / Math.log2(3) });
    expect(Object.keys(evaluator.result().metrics)).toEqual(PAPER_METRICS);
  });

  it("tells min(K, held-out) from all held-out items", () => {
    const { metrics } = evaluate(
      [[5, 4, 3, 2, 1]],
      [[0, 1, 2, 4]],
      ["recall@2", "recall-all@2", "precision@2", "hit@2"],
    );
    expect(metrics).toEqual({ "recall@2": 1, "recall-all@2": 0.5, "precision@2": 1, "hit@2": 1 });
  });

  it("breaks ties by the lower item index, in lists and in whole rankings", () => {
    const { metrics } = evaluate([[1, 1, 1, 1]], [[2]], ["mrr", "mrr@3", "mrr@2"], [[0]]);
    expect(metrics).toEqual({ mrr: 1 / 2, "mrr@3": 1 / 2, "mrr@2": 1 / 2 });
    expect(evaluate([[1, 1, 1, 1]], [[3]], ["mrr", "mrr@3"]).metrics).toEqual({ mrr: 1 / 4, "mrr@3": 0 });
    expect(evaluate([[0, -0, 0]], [[1]], ["mrr", "mrr@2"]).metrics).toEqual({ mrr: 1 / 2, "mrr@2": 1 / 2 });
  });

  it("looks beyond every cut-off for metrics without one", () => {
    const row = Array.from({ length: 300 }, (_, i) => -i);
    const { metrics } = evaluate([row], [[249, 9]], ["mrr", "map", "ndcg", "mrr@5"]);
    expect(metrics.mrr).toBe(1 / 10);
    expect(metrics.map).toBeCloseTo((1 / 10 + 2 / 250) / 2, 15);
    expect(metrics.ndcg).toBeCloseTo((1 / Math.log2(11) + 1 / Math.log2(251)) / (1 + 1 / Math.log2(3)), 15);
    expect(metrics["mrr@5"]).toBe(0);
  });

  it("leaves users without held-out items out of everything, and counts them", () => {
    const rows = [
      [3, 2, 1],
      [1, 2, 3],
      [1, 3, 2],
    ];
    const result = evaluate(rows, [[0], [], [1]], ["hit@1", "coverage@1", "gini@1"]);
    expect(result.users).toBe(2);
    expect(result.usersWithoutHeldOut).toBe(1);
    expect(Array.from(result.perUser.users)).toEqual([0, 2]);
    // User 1's only recommendation, item 2, does not count.
    expect(result.metrics).toEqual({ "hit@1": 1, "coverage@1": 2 / 3, "gini@1": (0 + 0 + 2) / (3 * 2) });
  });

  it("keeps the caller's user ids", () => {
    const evaluator = new RankingEvaluator({ items: 2, metrics: ["hit@1"] });
    const heldOut = itemLists([[0], [], [1]]);
    evaluator.addScores({ scores: Float32Array.of(1, 0, 1, 0, 1, 0), heldOut, users: [70, 5, 2 ** 40] });
    const { perUser } = evaluator.result();
    expect(Array.from(perUser.users)).toEqual([70, 2 ** 40]);
    expect(Array.from(perUser.values["hit@1"]!)).toEqual([1, 0]);
  });

  it("may go on after a result", () => {
    const evaluator = new RankingEvaluator({ items: 2, metrics: ["hit@1"] });
    evaluator.addScores({ scores: Float32Array.of(1, 0), heldOut: itemLists([[0]]) });
    const first = evaluator.result();
    evaluator.addRankings({ rankings: itemLists([[0, 1]]), heldOut: itemLists([[1]]) });
    expect(first.metrics["hit@1"]).toBe(1);
    expect(evaluator.result().metrics["hit@1"]).toBe(0.5);
  });

  it("streams: memory does not grow with the number of scores", () => {
    const items = 2000;
    const evaluator = new RankingEvaluator({ items });
    const scores = Float32Array.from({ length: 500 * items }, (_, i) => (i * 7919) % 104729);
    const heldOut = itemLists(Array.from({ length: 500 }, (_, b) => [b]));
    evaluator.addScores({ scores, heldOut });
    const before = process.memoryUsage();
    for (let batch = 0; batch < 20; batch++) evaluator.addScores({ scores, heldOut });
    const after = process.memoryUsage();
    // 20 batches hold 80 MB of scores; 10,500 users × 3 metrics need a quarter of a megabyte.
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8e6);
    expect(evaluator.result().users).toBe(10_500);
  });

  it("slices lists without copying", () => {
    const lists = itemLists([[0, 1], [2], [], [3, 4]]);
    const slice = sliceItemLists(lists, 1, 4);
    expect(slice.indices).toBe(lists.indices);
    const evaluator = new RankingEvaluator({ items: 5, metrics: ["recall@2"] });
    const rankings = sliceItemLists(itemLists([[0], [2, 3], [4], [0, 4]]), 1, 4);
    evaluator.addRankings({ rankings, heldOut: slice });
    expect(Array.from(evaluator.result().perUser.values["recall@2"]!)).toEqual([1, 0.5]);
  });
});

describe("wrong input", () => {
  const two = () => new RankingEvaluator({ items: 2, metrics: ["hit@1"] });
  const scores = Float32Array.of(1, 0);
  const cases: [string, () => unknown, RegExp][] = [
    ["no items", () => new RankingEvaluator({ items: 0 }), /items: found 0, expected an integer of at least 1/],
    ["no metric", () => new RankingEvaluator({ items: 2, metrics: [] }), /metrics: found none/],
    [
      "an unknown metric",
      () => new RankingEvaluator({ items: 2, metrics: ["f1@3" as MetricName] }),
      /found "f1@3", expected NAME@K/,
    ],
    [
      "a recall without K",
      () => new RankingEvaluator({ items: 2, metrics: ["recall" as MetricName] }),
      /found "recall"/,
    ],
    ["K = 0", () => new RankingEvaluator({ items: 2, metrics: ["recall@0"] }), /found "recall@0"/],
    ["a fractional K", () => new RankingEvaluator({ items: 2, metrics: ["recall@1.5"] }), /found "recall@1.5"/],
    ["a metric twice", () => new RankingEvaluator({ items: 2, metrics: ["mrr", "mrr"] }), /"mrr" twice/],
    [
      "novelty without popularity",
      () => new RankingEvaluator({ items: 2, metrics: ["novelty@1"] }),
      /novelty@1 without `training`/,
    ],
    [
      "popularity of other items",
      () => new RankingEvaluator({ items: 2, training: { itemCounts: [1], users: 1 } }),
      /itemCounts: found 1 counts, expected 2/,
    ],
    [
      "more interactions than users",
      () => new RankingEvaluator({ items: 2, training: { itemCounts: [1, 4], users: 3 } }),
      /item 1: found 4, expected an integer from 0 to 3/,
    ],
    [
      "no training users",
      () => new RankingEvaluator({ items: 2, training: { itemCounts: [0, 0], users: 0 } }),
      /training.users: found 0/,
    ],
    [
      "half a row",
      () => two().addScores({ scores: Float32Array.of(1, 2, 3), heldOut: itemLists([[0]]) }),
      /found 3 values, expected a multiple of 2/,
    ],
    [
      "too few held-out rows",
      () => two().addScores({ scores, heldOut: itemLists([]) }),
      /heldOut: found 0 rows, expected 1/,
    ],
    [
      "too few masks",
      () => two().addScores({ scores, heldOut: itemLists([[0]]), masked: [itemLists([])] }),
      /masked: found 0 rows/,
    ],
    [
      "too few user ids",
      () => two().addScores({ scores, heldOut: itemLists([[0]]), users: [] }),
      /users: found 0 ids, expected 1/,
    ],
    [
      "a user id that is no integer",
      () => two().addScores({ scores, heldOut: itemLists([[0]]), users: [0.5] }),
      /found 0.5, expected an integer/,
    ],
    [
      "an item out of range",
      () => two().addScores({ scores, heldOut: itemLists([[2]]) }),
      /heldOut, row 0: found item 2, expected 0 to 1/,
    ],
    [
      "a held-out item twice",
      () => two().addScores({ scores, heldOut: itemLists([[0, 0]]) }),
      /heldOut, user 0: found item 0 twice/,
    ],
    [
      "a held-out item that is masked",
      () => two().addScores({ scores, heldOut: itemLists([[1]]), masked: itemLists([[1]]) }),
      /heldOut, user 0: found item 1, which is masked/,
    ],
    [
      "an item twice in a list",
      () => two().addRankings({ rankings: itemLists([[1, 1]]), heldOut: itemLists([[0]]) }),
      /rankings, user 0: found item 1 twice/,
    ],
    [
      "a masked item in a list",
      () => two().addRankings({ rankings: itemLists([[1]]), heldOut: itemLists([[0]]), masked: itemLists([[1]]) }),
      /rankings, user 0: found item 1 which is masked/,
    ],
    [
      "row offsets that decrease",
      () => two().addScores({ scores, heldOut: { indptr: Int32Array.of(1, 0), indices: Int32Array.of(0) } }),
      /heldOut.indptr: found 1 then 0 at row 0/,
    ],
    [
      "row offsets past the end",
      () => two().addScores({ scores, heldOut: { indptr: Int32Array.of(0, 2), indices: Int32Array.of(0) } }),
      /range 0 to 2, expected one inside 0 to 1/,
    ],
    ["nobody to evaluate", () => two().result(), /found no user with held-out items/],
    ["an item id that is no integer", () => itemLists([[0], [1.5]]), /row 1: found item id 1.5/],
    ["a negative item id", () => itemLists([[-1]]), /found item id -1/],
    ["a slice out of range", () => sliceItemLists(itemLists([[0]]), 0, 2), /found rows 0 to 2/],
    ["k = 0", () => topK(scores, { items: 2, k: 0 }), /k: found 0/],
  ];
  it.each(cases)("%s", (_, act, message) => {
    expect(act).toThrowError(EvaluationError);
    expect(act).toThrowError(message);
  });

  it.each([Number.NaN, Infinity, -Infinity])("a score of %s, wherever it stands and whatever is asked for", (bad) => {
    for (let position = 0; position < 60; position++) {
      const row = Float32Array.from({ length: 60 }, (_, i) => (i * 17) % 23);
      row[position] = bad;
      const message = `scores, user 1, item ${position}: found ${bad}, expected a finite number`;
      const block = Float32Array.of(...new Float32Array(60), ...row);
      for (const metrics of [["recall@3"], ["mrr"], ["map", "coverage@50"]] satisfies MetricName[][]) {
        const evaluator = new RankingEvaluator({ items: 60, metrics });
        expect(() => evaluator.addScores({ scores: block, heldOut: itemLists([[0], [59 - position]]) })).toThrowError(
          message,
        );
        expect(() => evaluator.result()).toThrowError(/batch refused before/);
      }
      expect(() => topK(block, { items: 60, k: 3 })).toThrowError(message);
    }
  });

  it("the novelty of an empty list", () => {
    const evaluator = new RankingEvaluator({
      items: 2,
      metrics: ["novelty@1"],
      training: { itemCounts: [1, 1], users: 2 },
    });
    const batch = { rankings: itemLists([[]]), heldOut: itemLists([[0]]) };
    expect(() => evaluator.addRankings(batch)).toThrowError(/user 0: found an empty list/);
  });

  it("the Gini index of empty lists, which otherwise count as finding nothing", () => {
    const evaluator = new RankingEvaluator({ items: 2, metrics: ["gini@1", "ndcg@1", "coverage@1"] });
    evaluator.addRankings({ rankings: itemLists([[]]), heldOut: itemLists([[0]]) });
    expect(() => evaluator.result()).toThrowError(/gini: found only empty lists/);
    evaluator.addRankings({ rankings: itemLists([[1]]), heldOut: itemLists([[1]]) });
    expect(evaluator.result().metrics).toEqual({ "gini@1": 0.5, "ndcg@1": 0.5, "coverage@1": 0.5 });
  });

  it("a user twice", () => {
    const evaluator = two();
    evaluator.addScores({ scores, heldOut: itemLists([[0]]), users: [3] });
    evaluator.addScores({ scores, heldOut: itemLists([[0]]), users: [3] });
    expect(() => evaluator.result()).toThrowError(/found user 3 twice/);
  });

  it("a batch refused before anything of it was counted leaves the evaluator usable", () => {
    const evaluator = two();
    evaluator.addScores({ scores, heldOut: itemLists([[0]]) });
    expect(() => evaluator.addScores({ scores, heldOut: itemLists([[0], [1]]) })).toThrowError(/found 2 rows/);
    expect(evaluator.result().users).toBe(1);
  });
});
