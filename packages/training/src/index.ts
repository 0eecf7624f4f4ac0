// @cllm4rec/training: named parameters, tasks and rounds; optimisers, exact checkpoints, events, and what CLLM4Rec's
//   stages share.

// — files —
export {
  type Checkpoint,
  type CheckpointStore,
  checkpointFile,
  type Json,
  type JsonRecord,
  savedUpdates,
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
export type * from "./events/events.js";
export { toAll } from "./events/events.js";
export { type EventLog, jsonLinesLog } from "./events/json-lines.js";
export { tensorBoardLog } from "./events/tensorboard.js";
// — optimiser —
export { clipByGlobalNorm, globalNorm } from "./gradients/row-gradients.js";
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
export { glorotNormal, type Initialiser, normal } from "./parameters/initialisers.js";
export { type Gradient, type ParameterOptions, Parameters } from "./parameters/parameters.js";
export { type TableParameterOptions, tableParameters, tablesOf } from "./parameters/table-parameters.js";
export { type AdamWOptions, weightParameters } from "./parameters/weight-parameters.js";
export { fillNormal } from "./random/normal.js";
export { fillUniform } from "./random/uniform.js";
// — stages —
export {
  describeSettings,
  parseSettings,
  type SettingDescription,
  type SettingsSchema,
} from "./stage/describe-settings.js";
export { dropoutOptions } from "./stage/dropout.js";
export { publishModel, type StageOutput } from "./stage/publish.js";
export { contentDeviationOf, priorDeviationOf, type Rates, ratesOf } from "./stage/scales.js";
export {
  batchSizeOf,
  count,
  positiveInteger,
  runSettings,
  shareBelowOne,
  stageSettings,
  startSettings,
  weight,
} from "./stage/settings.js";
export { type StartingTablesOptions, startingTables } from "./stage/starting-tables.js";
// — tables —
export { checkTables } from "./tables/check-tables.js";
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
// — tasks and rounds —
export type { BatchSource, BatchState, LossBatches } from "./tasks/batch-source.js";
export { indexBatches } from "./tasks/index-batches.js";
export { type MapTaskOptions, mapTask } from "./tasks/map-task.js";
export {
  defineTask,
  type PreparedBatch,
  type Task,
  type TaskContext,
  type TaskOptions,
  type TaskResult,
} from "./tasks/task.js";
export { type BestModel, type BestStore, bestCheckpoint, type Validation } from "./trainer/selection.js";
export {
  type Round,
  type RoundContext,
  type TrainOptions,
  type TrainResult,
  train,
  type Values,
} from "./trainer/train.js";
// — full training —
export { type TextLoss, textLoss } from "./weights/held-out-text.js";
export { type InitialWeightsOptions, initialLanguageModel } from "./weights/initial-weights.js";
export { type TokenWindowsOptions, tokenWindows } from "./weights/token-windows.js";
export { trainWeights, type WeightTrainingOptions } from "./weights/train-weights.js";
