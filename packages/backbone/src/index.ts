// The package's public API.
export { type SupportedModel, supportedModels } from "./architectures/supported-models.js";
// Checkpoints: from a hub id or a directory to checked weights as F32 in files.

export { removeLeftovers, writeAtomically } from "./checkpoint/atomic-file.js";
export { Checkpoint, openCheckpoint } from "./checkpoint/checkpoint.js";
export { type BackboneConfig, parseConfig } from "./checkpoint/config.js";
export type { CommonConfig } from "./checkpoint/config-common.js";
export type { Gemma3Config } from "./checkpoint/config-gemma3.js";
export type { GptNeoxConfig } from "./checkpoint/config-gpt-neox.js";
export type { Gpt2Config } from "./checkpoint/config-gpt2.js";
export type { LlamaConfig } from "./checkpoint/config-llama.js";
export type { OptConfig } from "./checkpoint/config-opt.js";
export type { Rope, RopeScaling } from "./checkpoint/config-rope.js";
export type { T5Config } from "./checkpoint/config-t5.js";
export { CheckpointError } from "./checkpoint/errors.js";
export {
  type Derivation,
  externalDataFolder,
  type Float32Options,
  type Float32Progress,
  type Float32Weights,
  openFloat32Weights,
} from "./checkpoint/float32-cache.js";
export { type HubProgress, type ResolvedModel, type ResolveOptions, resolveModel } from "./checkpoint/hub.js";
export type { JsonObject } from "./checkpoint/json.js";
export {
  readSafetensorsHeader,
  type SafetensorsDtype,
  type SafetensorsHeader,
  type TensorLocation,
} from "./checkpoint/safetensors.js";
export { type TensorArray, type TensorData, writeSafetensors } from "./checkpoint/safetensors-writer.js";
export { type ClaimedWeights, claimWeights, type ExpectedWeight } from "./checkpoint/weights.js";

export type { GenerateOptions } from "./generation/generate.js";
export type { SamplingOptions } from "./generation/sampling.js";
// The frozen LM and the base model over words, users and items.
export { Backbone, type BackboneFingerprint, type OpenBackboneOptions } from "./model/backbone.js";
export { BaseModel, type LossOptions, type LossResult } from "./model/base-model.js";
export type { Vocabulary } from "./model/batch.js";
export type {
  EmbeddingTable,
  EncoderDecoderDocument,
  EncoderDecoderRecommendation,
  EncoderDecoderSequence,
  HeldOutDocument,
  LanguageDocument,
  Prompt,
  RecommendationDocument,
  Reduction,
  RowGradients,
  SoftTables,
  TokenDocument,
} from "./model/documents.js";
export type { DropoutOptions } from "./model/dropout.js";
export type { HeadKind } from "./model/graphs.js";
export type { LanguageModel } from "./model/language-model.js";
export type { SequenceLayout } from "./model/layout.js";
export type { LossGradients } from "./model/loss-gradients.js";
export { TrainableBackbone, type TrainableBackboneOptions } from "./model/trainable-backbone.js";
export { type Packing, type PackingOptions, type Placement, packSequences } from "./packing/pack.js";
export { type PairLengths, type PairPacking, type PairPlacement, packPairs } from "./packing/pack-pairs.js";
