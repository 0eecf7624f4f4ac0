// @cllm4rec/recommend: opens what was trained, and recommends.

// — items that are added after training —
export { ItemFileError } from "./added/item-file.js";
export { ItemError, type ItemProblem, type NewItem } from "./added/new-item.js";
// — blends: `@cllm4rec/recommend/blend` makes them —
export { type BlendMember, Mixer } from "./blend/mixer.js";
// — model directories —
export { type BaseModelOptions, type OpenBaseModel, openBaseModel } from "./directory/base-model.js";
export { datasetHash, openItsDataset, readModelContent } from "./directory/content.js";
export { openPredictor, type Predictor, type PredictorOptions } from "./directory/predictor.js";
export type { Serving } from "./directory/serving.js";
export { type Ensemble, openEnsemble, openTrainedModel, type TrainedModel } from "./directory/trained-model.js";
// — errors —
export { NotAvailableError, RecommendError, type Unavailable, UnknownIdError, WrongPartError } from "./error.js";
export type { Explanation } from "./explain.js";
export type { Known } from "./histories.js";
// — the front door: raw ids in and out —
export { type OpenRecommenderOptions, openRecommender } from "./open-recommender.js";
// — by rows of the tables: evaluation, and models that are not saved yet —
export { type EvaluateOptions, evaluate, evaluateViews, type RankingView } from "./ranking/evaluate.js";
export {
  type IndexRecommendation,
  IndexRecommender,
  type IndexRecommenderOptions,
  type IndexRequest,
  type PreparedRequest,
} from "./ranking/index-recommender.js";
export {
  type ColdProtocol,
  type HeldOutSplit,
  type HistoryChoice,
  openColdProtocol,
  openProtocol,
  type Protocol,
} from "./ranking/protocol.js";
export type {
  Embeddings,
  ExplainRequest,
  Recommendation,
  Recommender,
  RecommendRequest,
  Selection,
  Whom,
} from "./recommender.js";
