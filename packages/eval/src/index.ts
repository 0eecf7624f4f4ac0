// @cllm4rec/eval: ranking metrics, the full-ranking protocol, significance tests, linear baselines and blends.

export { type ContentKnnOptions, contentKnn } from "./baselines/content-knn.js";
export { type EaseOptions, ease, easeMemory } from "./baselines/ease.js";
export {
  type EvaluateScorerOptions,
  evaluateScorer,
  type HistoryScorer,
  type LinearScorer,
} from "./baselines/history-scorer.js";
export { type HeldOutItems, type HoldOutItemsOptions, holdOutItems } from "./baselines/hold-out-items.js";
export { type ItemKnnOptions, itemKnn } from "./baselines/item-knn.js";
export { mostPopular } from "./baselines/most-popular.js";
export type { SideInformation, SparseRows } from "./baselines/side-information.js";
export { sparseScorer, strongestWeights } from "./baselines/sparse-scorer.js";
export type { Multiply } from "./baselines/symmetric-inverse.js";
export { type TuneColdEaseOptions, type TunedColdEase, tuneColdEase } from "./baselines/tune-cold-ease.js";
export { type TuneContentKnnOptions, tuneContentKnn } from "./baselines/tune-content-knn.js";
export { type TunedEase, tuneEase } from "./baselines/tune-ease.js";
export {
  type BlendBatch,
  type BlendMetrics,
  BlendTrials,
  type BlendTrialsOptions,
  selectionOf,
} from "./blend/blend-trials.js";
export {
  type LearnedMember,
  type LearnedWeights,
  type LearnWeightsOptions,
  learnWeights,
} from "./blend/learn-weights.js";
export { mixScores, standardise } from "./blend/standardise.js";
export { averageRuns, compareRuns, confidenceIntervals, type MetricComparison } from "./compare.js";
export { EvaluationError } from "./error.js";
export { type RankingBatch, RankingEvaluator, type RankingEvaluatorOptions, type ScoreBatch } from "./evaluator.js";
export { type ItemLists, itemLists, sliceItemLists } from "./item-lists.js";
export { type MetricName, PAPER_METRICS } from "./metrics/names.js";
export { type TopK, type TopKOptions, topK } from "./ranking/top-k.js";
export { type EvaluationJson, type EvaluationResult, formatResult, fromJson, toJson } from "./result.js";
export { bootstrapInterval, bootstrapIntervals, type Interval } from "./statistics/bootstrap.js";
export { pairedTTest, type TTestResult } from "./statistics/paired-t-test.js";
export { type WilcoxonResult, wilcoxonSignedRank } from "./statistics/wilcoxon.js";
