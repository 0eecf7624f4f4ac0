// @cllm4rec/backbone: pretrained language models over words, users and items, with losses, gradients and generation.

export { type SupportedModel, supportedModels } from "./architectures/supported-models.js";
// — checkpoints: from a hub id or a directory to checked float32 weights in files —
export { removeLeftovers, writeAtomically } from "./checkpoint/atomic-file.js";
export { type BackboneCheckpoint, openCheckpoint } from "./checkpoint/checkpoint.js";
export { type BackboneConfig, parseConfig } from "./checkpoint/config.js";
export { CheckpointError } from "./checkpoint/errors.js";
export { type Float32Progress, type Float32Weights, openFloat32Weights } from "./checkpoint/float32-cache.js";
export { type HubProgress, type ResolveOptions, resolveModel } from "./checkpoint/hub.js";
export { readSafetensorsHeader, type SafetensorsDtype } from "./checkpoint/safetensors.js";
export { type TensorArray, type TensorData, writeSafetensors } from "./checkpoint/safetensors-writer.js";
// — text encoders: from texts to rows of features —
export type { EncodeOptions, SentenceEncoder } from "./encoder/encoder.js";
export { type BackboneEncoderOptions, openBackboneEncoder } from "./encoder/open-backbone-encoder.js";
export { openSentenceEncoder, type SentenceEncoderOptions } from "./encoder/open-sentence-encoder.js";
export type { Pooling } from "./encoder/sentence-layout.js";
export { cosineSimilarities } from "./encoder/similarity.js";
export type { TextTokenizer } from "./encoder/text-tokenizer.js";
// — generation —
export type { GenerateOptions } from "./generation/generate.js";
// — the language model and the base model over words, users and items —
export { Backbone, type BackboneFingerprint, type OpenBackboneOptions } from "./model/backbone.js";
export { BaseModel } from "./model/base-model.js";
export type { Vocabulary } from "./model/batch.js";
export type {
  EmbeddingTable,
  EncoderDecoderInput,
  EncoderDecoderSequence,
  HeldOutInput,
  LanguageInput,
  Prompt,
  RecommendationInput,
  Reduction,
  RowGradients,
  SoftTables,
  TokenInput,
} from "./model/documents.js";
export type { DropoutOptions } from "./model/dropout.js";
export type { LanguageModel } from "./model/language-model.js";
export type { SequenceLayout } from "./model/layout.js";
export type { LossOptions, LossResult } from "./model/loss.js";
export type { LossGradients } from "./model/loss-gradients.js";
export { portableGraph } from "./model/portable-graph.js";
export { TrainableBackbone, type TrainableBackboneOptions } from "./model/trainable-backbone.js";
