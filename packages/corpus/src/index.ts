// @cllm4rec/corpus: from raw interaction files to a split dataset on disk, and from there to documents and batches.

// — batches —
export * from "./batches/batch-plan.js";
export * from "./batches/rows.js";
// — dataset directory —
export { type Csr, csrRow } from "./dataset/csr.js";
export { Dataset, type OpenOptions, type Split, type TrainReview } from "./dataset/dataset.js";
export type { Manifest, Preparation, RecordCounts, Statistics } from "./dataset/manifest.js";
export { type DatasetContent, writeDataset } from "./dataset/write.js";
// — documents —
export { concatenateSources } from "./documents/concatenate.js";
export { type ItemOrder, uniteHistories } from "./documents/histories.js";
export { type InteractionDocumentOptions, interactionDocuments } from "./documents/interaction-documents.js";
export * from "./documents/layout.js";
export {
  type RecommendationDocumentOptions,
  type RecommendationOptions,
  recommendationDocuments,
} from "./documents/recommendation-documents.js";
export * from "./documents/recommendation-prompts.js";
export { softPositions } from "./documents/soft-positions.js";
export { definePrompts, type PromptName, type Prompts, paperPrompts } from "./documents/template.js";
export { type TextDocumentOptions, textDocuments } from "./documents/text-documents.js";
export * from "./documents/texts.js";
export { hashTokenizer, openTokenCache, type TokenCache, type TokenCacheOptions } from "./documents/token-cache.js";
export type * from "./documents/types.js";
export { CorpusError, CorpusUsageError } from "./errors.js";
