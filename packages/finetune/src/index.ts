// @cllm4rec/finetune: the second stage of CLLM4Rec (Eq. 9, 10). What it trains is opened and used with
//   @cllm4rec/recommend.

export { checkFinetune, finetune } from "./finetune.js";
export type { FinetuneOptions, FinetuneResult } from "./options.js";
export { type FinetuneSettings, finetuneSchema, finetuneSection } from "./settings.js";
