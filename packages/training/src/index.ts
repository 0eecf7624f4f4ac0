// @cllm4rec/training: what CLLM4Rec's trainers share. Tables, optimiser, objective, checkpoints, events, and the loop that uses them.

// — files —
export {
  type Checkpoint,
  type CheckpointStore,
  checkpointFile,
  type Json,
  type JsonRecord,
} from "./checkpoint/checkpoint.js";
export {
  contentOf,
  type Histories,
  type ModelContent,
  type RawIds,
  type UserItems,
} from "./checkpoint/model-content.js";
export {
  type ModelDescription,
  readModel,
  type SavedModel,
  stageCheckpoint,
  writeModel,
} from "./checkpoint/model-directory.js";
export { TrainingError } from "./error.js";
// — events —
export {
  type CheckpointSaved,
  type EventListener,
  type Notice,
  type RoundDone,
  type RunEnded,
  type RunStarted,
  type StepDone,
  type StopReason,
  type TrainingEvent,
  toAll,
  type ValidationDone,
} from "./events/events.js";
export { type EventLog, jsonLinesLog } from "./events/json-lines.js";
export { tensorBoardLog } from "./events/tensorboard.js";
// — optimiser —
export { clipByGlobalNorm, globalNorm } from "./gradients/row-gradients.js";
// — loop —
export type { BatchSource, LossBatches } from "./loop/batch-source.js";
export { type LoopOptions, type Round, type RoundContext, runLoop, type Task } from "./loop/loop.js";
export { TableOptimiser, type TableOptimiserOptions } from "./loop/table-optimiser.js";
// — objective —
export {
  type LossBatch,
  type MapObjectiveOptions,
  type MapObjectiveResult,
  mapObjective,
} from "./objective/map-objective.js";
export { countOccurrences } from "./objective/occurrences.js";
export { addPenalty, type Occurrences, penaltyWeight, type RegulariserScaling } from "./objective/regulariser.js";
export { Adam, type AdamOptions, type RowPolicy } from "./optimiser/adam.js";
export { type LearningRate, learningRateRecord, type Schedule, schedule } from "./optimiser/schedule.js";
// — parameters —
export { meanCosine, meanTables } from "./tables/mean-tables.js";
export {
  copyTables,
  hashTables,
  type InitialTablesOptions,
  initialTables,
  type Side,
  type TokenTables,
} from "./tables/tables.js";
export { type TextMeansOptions, type TokenisedTexts, textMeans } from "./tables/text-means.js";
// — full training —
export { type TextLoss, textLoss } from "./weights/held-out-text.js";
export { type InitialWeightsOptions, initialLanguageModel } from "./weights/initial-weights.js";
export { type TokenWindowsOptions, tokenWindows } from "./weights/token-windows.js";
export { trainWeights, type WeightTask, type WeightTrainingOptions } from "./weights/train-weights.js";
export { type AdamWOptions, WeightOptimiser } from "./weights/weight-optimiser.js";
