// @cllm4rec/corpus/prompts: what prediction needs of documents and texts, without readers and DuckDB. Importing it
//   takes a few milliseconds.

export { type Csr, csrRow } from "./dataset/csr.js";
export { type CompiledPrompt, compilePrompt, type PromptFilling } from "./documents/compiled-prompt.js";
export { type ItemOrder, uniteHistories } from "./documents/histories.js";
export { type DocumentLayout, documentLayout } from "./documents/layout.js";
export type { RecommendationOptions } from "./documents/recommendation-documents.js";
export { type RecommendationRequest, recommendationPrompter } from "./documents/recommendation-prompts.js";
export { definePrompts, type PromptName, type Prompts, paperPrompts } from "./documents/template.js";
export { hashTokenizer } from "./documents/token-cache.js";
export type { HeldOutDocument, Moment, PromptTokenizer } from "./documents/types.js";
export { CorpusError, CorpusUsageError } from "./errors.js";
export {
  checkFeatureBlocks,
  combineFeatures,
  type FeatureBlock,
  type SparseFeatures,
} from "./features/feature-block.js";
export { encodeWords, type WordVocabulary } from "./features/word-features.js";
