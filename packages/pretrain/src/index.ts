// @cllm4rec/pretrain: the first stage of CLLM4Rec, content warm-up and mutually regularised alternation (Eq. 5, 7, 8).

export type { PretrainOptions, PretrainProgress, PretrainResult } from "./options.js";
export { checkPretrain, pretrain } from "./pretrain.js";
export { type PretrainSettings, pretrainSchema, pretrainSection } from "./settings.js";
