// @cllm4rec/finetune: the second stage of CLLM4Rec (Eq. 9, 10), and recommendation in one forward pass.

export type { BestModel } from "@cllm4rec/training";
export { type EvaluateOptions, evaluate } from "./evaluate.js";
export { checkFinetune, finetune } from "./finetune.js";
export type { FinetuneOptions, FinetuneResult } from "./options.js";
export { type Recommendation, Recommender, type RecommenderOptions, type Request } from "./recommender.js";
export { type FinetuneSettings, finetuneSchema, finetuneSection } from "./settings.js";
