// The types of the public surface, checked by the task `typecheck`.
import {
  bootstrapInterval,
  compareRuns,
  confidenceIntervals,
  type EvaluationJson,
  type EvaluationResult,
  ease,
  formatResult,
  fromJson,
  type HistoryScorer,
  type Interval,
  type ItemLists,
  itemKnn,
  itemLists,
  type LinearScorer,
  type MetricComparison,
  type MetricName,
  mostPopular,
  PAPER_METRICS,
  pairedTTest,
  RankingEvaluator,
  type SparseRows,
  type TopK,
  type TTestResult,
  toJson,
  topK,
} from "@cllm4rec/eval";
import { expectTypeOf, test } from "vitest";

test("metrics are named with their cut-off", () => {
  expectTypeOf(PAPER_METRICS).items.toExtend<MetricName>();
  expectTypeOf<"recall@20">().toExtend<MetricName>();
  expectTypeOf<"recall">().not.toExtend<MetricName>();
  new RankingEvaluator({ items: 3, metrics: ["recall@20", "ndcg@100"] });
  // @ts-expect-error there is no such metric
  new RankingEvaluator({ items: 3, metrics: ["accuracy@20"] });
  // @ts-expect-error the number of items is needed
  new RankingEvaluator({});
});

test("evaluation", () => {
  const evaluator = new RankingEvaluator({ items: 3 });
  const heldOut = itemLists([[1], new Set([2])]);
  expectTypeOf(heldOut).toEqualTypeOf<ItemLists>();
  expectTypeOf(evaluator.addScores).toBeCallableWith({ scores: new Float32Array(6), heldOut, masked: [heldOut] });
  expectTypeOf(evaluator.result()).toEqualTypeOf<EvaluationResult>();
  // A matrix of @cllm4rec/corpus is a list of items per user.
  const csr = { rows: 1, columns: 3, indptr: Int32Array.of(0, 1), indices: Int32Array.of(2) };
  expectTypeOf(csr).toExtend<ItemLists>();
  // @ts-expect-error scores are one row-major block
  evaluator.addScores({ scores: [[1, 2, 3]], heldOut });
  // @ts-expect-error held-out items are needed
  evaluator.addScores({ scores: new Float32Array(6) });
  expectTypeOf(topK).returns.toEqualTypeOf<TopK>();
});

test("results as JSON and back, and their statistics", () => {
  const result = {} as EvaluationResult;
  expectTypeOf(toJson(result)).toEqualTypeOf<EvaluationJson>();
  expectTypeOf(fromJson).parameter(0).toBeUnknown();
  expectTypeOf(fromJson).returns.toEqualTypeOf<EvaluationResult>();
  expectTypeOf(formatResult).returns.toEqualTypeOf<string>();
  expectTypeOf(confidenceIntervals(result)).toEqualTypeOf<Record<string, Interval>>();
  expectTypeOf(compareRuns).returns.toEqualTypeOf<Record<string, MetricComparison>>();
  expectTypeOf(bootstrapInterval).returns.toEqualTypeOf<Interval>();
  expectTypeOf(pairedTTest).returns.toEqualTypeOf<TTestResult>();
});

test("baselines score histories", () => {
  const training = {} as ItemLists;
  const features = {} as SparseRows;
  expectTypeOf(
    ease(training, { items: 3, sideInformation: [{ name: "words", weight: 1, features }] }),
  ).resolves.toEqualTypeOf<LinearScorer>();
  expectTypeOf(mostPopular).returns.toExtend<HistoryScorer | Promise<HistoryScorer>>();
  expectTypeOf(itemKnn).returns.toExtend<HistoryScorer | Promise<HistoryScorer>>();
  // @ts-expect-error the number of items is needed
  void ease(training, { lambda: 200 });
});
