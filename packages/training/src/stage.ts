// @cllm4rec/training/stage: what CLLM4Rec's stages and their command line share. Other models do not need it.

// — the run of a stage —
export { savedUpdates } from "./checkpoint/checkpoint.js";
export { stageCheckpoint } from "./checkpoint/model-directory.js";
// — settings —
export type { RegulariserScaling } from "./objective/regulariser.js";
export { learningRateRecord } from "./optimiser/schedule.js";
// — tables of embeddings —
export { type TableParameterOptions, tableParameters, tablesOf } from "./parameters/table-parameters.js";
export { recordingConfig } from "./stage/backbone-record.js";
export {
  describeSettings,
  parseSettings,
  type SettingDescription,
  type SettingsSchema,
} from "./stage/describe-settings.js";
export { dropoutOptions } from "./stage/dropout.js";
export {
  batchSizesOf,
  checkGivenTables,
  type ResolvedSettings,
  resolveSettings,
  type StagePlans,
  stageRecord,
  startRun,
} from "./stage/prepare-stage.js";
export { publishModel, type StageOutput } from "./stage/publish.js";
export {
  contentDeviationOf,
  lambdaLOf,
  maskedShareOf,
  priorDeviationOf,
  RATE_SHARES,
  type Rates,
  ratesOf,
} from "./stage/scales.js";
export {
  count,
  learningRate,
  positiveInteger,
  runSettings,
  shareBelowOne,
  stageSettings,
  startSettings,
} from "./stage/settings.js";
export { type StartingTablesOptions, startingTables } from "./stage/starting-tables.js";
export { meanCosine, meanTables } from "./tables/mean-tables.js";
export {
  copyTables,
  type InitialTablesOptions,
  initialTables,
  type Side,
  type TokenTables,
} from "./tables/tables.js";
export type { TokenisedTexts } from "./tables/text-means.js";
// — their task: a loss with the regularisers of the MAP objective —
export type { LossBatches } from "./tasks/batch-source.js";
export { type MapTaskOptions, mapTask } from "./tasks/map-task.js";
// — the text map: embeddings as a learned function of texts —
export { hashFeatures } from "./text-map/features.js";
export { TextMap } from "./text-map/text-map.js";
