// Ranking metrics, the full-ranking protocol and significance tests: the whole public interface of the package.
export { type EaseOptions, ease, easeMemory } from "./baselines/ease.js";
export { type EvaluateScorerOptions, evaluateScorer, type HistoryScorer } from "./baselines/history-scorer.js";
export { type ItemKnnOptions, itemKnn } from "./baselines/item-knn.js";
export { mostPopular } from "./baselines/most-popular.js";
export type { SideInformation, SparseRows } from "./baselines/side-information.js";
export type { InverseOptions, Multiply } from "./baselines/symmetric-inverse.js";
export { type EaseTrial, type TunedEase, type TuneEaseOptions, tuneEase } from "./baselines/tune-ease.js";
export { averageRuns, compareRuns, confidenceIntervals, type MetricComparison } from "./compare.js";
export { EvaluationError } from "./error.js";
export {
  type EvaluationBatch,
  type RankingBatch,
  RankingEvaluator,
  type RankingEvaluatorOptions,
  type ScoreBatch,
} from "./evaluator.js";
export { type ItemLists, itemLists, sliceItemLists } from "./item-lists.js";
export type { TrainingPopularity } from "./metrics/beyond-accuracy.js";
export { type CutMetric, type MetricName, PAPER_METRICS, type RankMetric } from "./metrics/names.js";
export { type TopK, type TopKOptions, topK } from "./ranking/top-k.js";
export {
  type EvaluationJson,
  type EvaluationResult,
  formatResult,
  fromJson,
  type JsonOptions,
  toJson,
} from "./result.js";
export { type BootstrapOptions, bootstrapInterval, bootstrapIntervals, type Interval } from "./statistics/bootstrap.js";
export { pairedTTest, type TTestResult } from "./statistics/paired-t-test.js";
export { type WilcoxonMethod, type WilcoxonResult, wilcoxonSignedRank } from "./statistics/wilcoxon.js";
