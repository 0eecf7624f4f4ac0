// @cllm4rec/pretrain: the first stage of CLLM4Rec, content warm-up and mutually regularised alternation (Eq. 5, 7, 8).

export type { PretrainOptions, PretrainProgress, PretrainResult, PretrainSettings } from "./options.js";
export { pretrain } from "./pretrain.js";
