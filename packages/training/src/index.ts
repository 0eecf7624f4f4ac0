// @cllm4rec/training: the trainer. Named parameters, tasks and rounds; optimisers, exact checkpoints, events.
//   /model reads and writes model directories, /stage is what CLLM4Rec's stages share, /language-model trains all
//   weights, /search looks for settings.

// — checkpoints —
export {
  type Checkpoint,
  type CheckpointStore,
  checkpointFile,
  type Json,
  type JsonRecord,
} from "./checkpoint/checkpoint.js";
export { DivergedError, TrainingError } from "./error.js";
// — events —
export type * from "./events/events.js";
export { toAll } from "./events/events.js";
export { type EventLog, jsonLinesLog } from "./events/json-lines.js";
export { tensorBoardLog } from "./events/tensorboard.js";
// — optimisers —
export { Adam, type AdamOptions, type RowPolicy } from "./optimiser/adam.js";
export { type LearningRate, type Schedule, schedule } from "./optimiser/schedule.js";
// — parameters —
export { glorotNormal, type Initialiser, normal } from "./parameters/initialisers.js";
export { type Gradient, type ParameterOptions, Parameters } from "./parameters/parameters.js";
export { type AdamWOptions, weightParameters } from "./parameters/weight-parameters.js";
export { fillNormal } from "./random/normal.js";
export { fillUniform } from "./random/uniform.js";
// — tasks —
export type { BatchSource } from "./tasks/batch-source.js";
export { indexBatches } from "./tasks/index-batches.js";
export {
  defineTask,
  type PreparedBatch,
  type Task,
  type TaskContext,
  type TaskOptions,
  type TaskResult,
} from "./tasks/task.js";
// — training —
export type { Round, RoundContext, Values } from "./trainer/round.js";
export { type BestModel, type BestStore, bestCheckpoint, type Validation } from "./trainer/selection.js";
export { type TrainOptions, type TrainResult, train } from "./trainer/train.js";
