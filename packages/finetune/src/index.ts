// @cllm4rec/finetune: the second stage of CLLM4Rec (Eq. 9, 10), and recommendation in one forward pass.

export { type EvaluateOptions, evaluate } from "./evaluate.js";
export { finetune } from "./finetune.js";
export type { BestModel, FinetuneOptions, FinetuneResult, FinetuneSettings } from "./options.js";
export { type Recommendation, Recommender, type RecommenderOptions, type Request } from "./recommender.js";
