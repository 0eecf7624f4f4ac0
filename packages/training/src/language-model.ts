// @cllm4rec/training/language-model: trains all weights of a language model, and the tables of soft tokens with them.

export type { LossBatches } from "./tasks/batch-source.js";
export { type TextLoss, textLoss } from "./weights/held-out-text.js";
export { type InitialWeightsOptions, initialLanguageModel } from "./weights/initial-weights.js";
export { type TokenWindowsOptions, tokenWindows } from "./weights/token-windows.js";
export { trainWeights, type WeightTrainingOptions } from "./weights/train-weights.js";
