// @cllm4rec/finetune: the second stage of CLLM4Rec (Eq. 9, 10). What it trains is opened and used with @cllm4rec/recommend.

export { finetune } from "./finetune.js";
export type { BestModel, FinetuneOptions, FinetuneResult, FinetuneSettings } from "./options.js";
