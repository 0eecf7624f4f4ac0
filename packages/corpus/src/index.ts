// @cllm4rec/corpus: from raw interaction files to a split dataset on disk, and from there to documents and batches.

// — batches —
export {
  type Batch,
  type BatchOptions,
  BatchPlan,
  type BatchState,
  type DocumentCount,
  type TokenBudget,
} from "./batches/batch-plan.js";
export { type PackedRows, type PaddedRows, packRows, paddingShare, padRows } from "./batches/rows.js";
// — dataset directory —
export { type Csr, csrRow } from "./dataset/csr.js";
export { Dataset, type OpenOptions, type Split, type TrainReview } from "./dataset/dataset.js";
export type { Manifest, Preparation, RecordCounts, Statistics } from "./dataset/manifest.js";
export { type DatasetContent, writeDataset } from "./dataset/write.js";
// — documents —
export { concatenateSources } from "./documents/concatenate.js";
export { type ItemOrder, uniteHistories } from "./documents/histories.js";
export { type InteractionDocumentOptions, interactionDocuments } from "./documents/interaction-documents.js";
export {
  type DecoderOnlyOptions,
  type DocumentLayout,
  decoderOnly,
  documentLayout,
  type EncoderDecoderOptions,
  encoderDecoder,
  type SequenceLayout,
} from "./documents/layout.js";
export {
  type RecommendationDocumentOptions,
  type RecommendationOptions,
  recommendationDocuments,
} from "./documents/recommendation-documents.js";
export {
  type RecommendationPromptOptions,
  type RecommendationRequest,
  recommendationPrompter,
  recommendationPrompts,
} from "./documents/recommendation-prompts.js";
export { softPositions } from "./documents/soft-positions.js";
export { definePrompts, type PromptName, type Prompts, paperPrompts } from "./documents/template.js";
export { type TextDocumentOptions, textDocuments } from "./documents/text-documents.js";
export {
  itemTexts,
  type TextCorpus,
  type TextDataset,
  type TextRecord,
  trainReviewTexts,
  userTexts,
} from "./documents/texts.js";
export { hashTokenizer, openTokenCache, type TokenCache, type TokenCacheOptions } from "./documents/token-cache.js";
export type {
  DocumentSource,
  EncoderDecoderDocument,
  EncoderDecoderRecommendation,
  HeldOutDocument,
  LanguageDocument,
  Moment,
  PromptTokenizer,
  RecommendationDocument,
  TokenDocument,
  UserDocumentSource,
} from "./documents/types.js";
export { CorpusError, CorpusUsageError } from "./errors.js";
// — readers and preparation —
export type { PrepareEvent, PrepareOptions } from "./prepare/options.js";
export { prepare } from "./prepare/prepare.js";
export type { SplitMethod } from "./prepare/split.js";
export { parseColumns, parseMetaColumns } from "./readers/column-mapping.js";
export { QUOTES, type Quote } from "./readers/csv-dialect.js";
export { type ColumnMapping, FORMATS, type FormatName, type MetaColumns } from "./readers/reader.js";
export { checkFormat, FORMAT_DESCRIPTIONS } from "./readers/registry.js";
export { ENCODINGS, type Encoding } from "./readers/source.js";
