// @cllm4rec/training/model: reading and writing model directories, and nothing that trains. What serves a model imports
//   this.

export type { Json, JsonRecord } from "./checkpoint/checkpoint.js";
export {
  type DescribedTensors,
  modelChecksum,
  readDescribedTensors,
  removeDescribedTensors,
  writeDescribedTensors,
} from "./checkpoint/described-tensors.js";
export {
  contentOf,
  HISTORY_SPLITS,
  type Histories,
  type HistorySplit,
  type ModelContent,
  type RawIds,
  type UserItems,
} from "./checkpoint/model-content.js";
export { type ModelDescription, readModel, type SavedModel, writeModel } from "./checkpoint/model-directory.js";
export { type TextBlock, type TextBlocks, textBlocksOf } from "./checkpoint/text-features.js";
export { TrainingError } from "./error.js";
export type { Side, TokenTables } from "./tables/tables.js";
