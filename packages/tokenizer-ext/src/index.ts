// @cllm4rec/tokenizer-ext: user and item tokens for any Hugging Face tokenizer.
export type { AddedTokenJson, BaseTokenizer, TokenizerConfigJson, TokenizerJson } from "./base-tokenizer.js";
export { type PaddedBatch, type PadOptions, padSequences } from "./batch.js";
export { type ByteLevelBpeOptions, byteLevelBpe } from "./byte-level-bpe.js";
export type { AddedTokenPolicy, EncodeTextOptions } from "./data-encoder.js";
export { type DecodeOptions, ExtendedTokenizer, type ExtendedTokenizerOptions } from "./extended-tokenizer.js";
export { EXTENSION_FILE, type ExtensionJson } from "./extension-json.js";
export {
  type HuggingFaceExportOptions,
  huggingFaceTokenizerConfig,
  huggingFaceTokenizerJson,
  huggingFaceTokenizerJsonChunks,
} from "./huggingface-export.js";
export type { IdSpaceSizes, TokenKind } from "./id-space.js";
export { formatPrompt, type PromptPart, parsePrompt } from "./notation.js";
