// @cllm4rec/corpus: from raw interaction files to a split dataset on disk, and from there to documents and batches.

// — batches —
export { type BatchOptions, BatchPlan, type BatchState, type DocumentBatch } from "./batches/batch-plan.js";
// — dataset directory —
export { type Csr, csrRow } from "./dataset/csr.js";
export { Dataset, type Split } from "./dataset/dataset.js";
export type { Manifest } from "./dataset/manifest.js";
export { type DatasetContent, writeDataset } from "./dataset/write.js";
// — documents —
export { concatenateSources } from "./documents/concatenate.js";
export { type ItemOrder, uniteHistories } from "./documents/histories.js";
export { type InteractionDocumentOptions, interactionDocuments } from "./documents/interaction-documents.js";
export {
  type DocumentLayout,
  type DocumentLayoutOptions,
  decoderOnly,
  documentLayout,
  encoderDecoder,
} from "./documents/layout.js";
export { type RecommendationDocumentOptions, recommendationDocuments } from "./documents/recommendation-documents.js";
export { type RecommendationRequest, recommendationPrompter } from "./documents/recommendation-prompts.js";
export { definePrompts, type Prompts, paperPrompts } from "./documents/template.js";
export { type TextDocumentOptions, textDocuments } from "./documents/text-documents.js";
export { itemTexts, type TextCorpus, type TextRecord, trainReviewTexts, userTexts } from "./documents/texts.js";
export { hashTokenizer, openTokenCache, type TokenCache, type TokenCacheOptions } from "./documents/token-cache.js";
export type {
  DocumentSource,
  EncoderDecoderDocument,
  HeldOutDocument,
  LanguageDocument,
  Moment,
  PromptTokenizer,
  RecommendationDocument,
  TokenDocument,
  UserDocumentSource,
} from "./documents/types.js";
// — tables —
export { type ConvertJsonLinesOptions, convertJsonLines } from "./duckdb/convert-json-lines.js";
export { CorpusError, CorpusUsageError } from "./errors.js";
// — features —
export {
  checkFeatureBlocks,
  combineFeatures,
  type DenseFeatures,
  type FeatureBlock,
  type SparseFeatures,
} from "./features/feature-block.js";
export {
  type TextEncoderModel,
  type TextFeatures,
  type TextFeaturesOptions,
  textFeatures,
} from "./features/text-features.js";
export {
  applyWhitening,
  fitWhitening,
  type Whitening,
  type WhiteningOptions,
} from "./features/whitening.js";
export {
  encodeWords,
  type WordFeatures,
  type WordFeaturesOptions,
  type WordVocabulary,
  wordFeatures,
} from "./features/word-features.js";
// — readers and preparation —
export {
  type Interaction,
  type SplitInteractions,
  type SplitInteractionsOptions,
  splitInteractions,
} from "./prepare/in-memory.js";
export type { PrepareEvent, PrepareOptions } from "./prepare/options.js";
export { prepare } from "./prepare/prepare.js";
export type { SplitMethod } from "./prepare/split.js";
export { parseColumns, parseMetaColumns } from "./readers/column-mapping.js";
export { QUOTES, type Quote } from "./readers/csv-dialect.js";
export type { ColumnMapping, FormatName, MetaColumns } from "./readers/reader.js";
export { checkFormat, FORMAT_DESCRIPTIONS } from "./readers/registry.js";
export { ENCODINGS, type Encoding } from "./readers/source.js";
