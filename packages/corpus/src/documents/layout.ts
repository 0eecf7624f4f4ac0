// How a prompt and a main text become a document: in one sequence for a decoder-only LM, in two for an encoder–decoder
// (A.1). P prompt tokens, M main tokens, S start tokens.
import type {
  EncoderDecoderDocument,
  EncoderDecoderRecommendation,
  HeldOutDocument,
  LanguageDocument,
  RecommendationDocument,
  TokenDocument,
} from "./types.js";

/** The arrangement of documents `D` and recommendation prompts `R` for one family of language models. */
export interface DocumentLayout<D, R> {
  /** What decides the arrangement, for hashing. */
  readonly identity: string;
  /** Positions computed for a document. */
  documentLength(promptLength: number, mainLength: number): number;
  /** Positions computed for a recommendation prompt. */
  recommendationLength(promptLength: number): number;
  /** The longest main text beside such a prompt, below 1 if the prompt leaves no room. */
  mainLimit(promptLength: number, maxLength: number): number;
  /** The longest recommendation prompt. */
  promptLimit(maxLength: number): number;
  document(prompt: Int32Array, main: Int32Array): D;
  recommendation(prompt: Int32Array, heldOut: Int32Array): R;
}

/** Special tokens of a decoder-only LM. */
export interface DecoderOnlyOptions {
  /** Put before every prompt, e.g. Llama's `<s>`. Default: none, as for GPT-2. */
  readonly startTokens?: readonly number[];
}

/** Prompt and main text in one causal sequence. `maxLength` limits its positions, S + P + M − 1. */
export function decoderOnly({
  startTokens = [],
}: DecoderOnlyOptions = {}): DocumentLayout<TokenDocument, RecommendationDocument> {
  const start = Int32Array.from(startTokens);
  const S = start.length;
  return {
    identity: JSON.stringify(["decoder-only", ...start]),
    documentLength: (P, M) => S + P + M - 1,
    recommendationLength: (P) => S + P,
    mainLimit: (P, maxLength) => maxLength - S - P + 1,
    promptLimit: (maxLength) => maxLength - S,
    document(prompt, main) {
      const first = S + prompt.length - 1; // the position whose hidden state predicts main[0]
      const T = first + main.length;
      const ids = new Int32Array(T);
      const targets = new Int32Array(T).fill(-1, 0, first);
      ids.set(start);
      ids.set(prompt, S);
      ids.set(main.subarray(0, main.length - 1), first + 1);
      targets.set(main, first);
      return { ids, targets };
    },
    recommendation(prompt, heldOut) {
      const ids = new Int32Array(S + prompt.length);
      ids.set(start);
      ids.set(prompt, S);
      return { ids, heldOut };
    },
  };
}

/** Special tokens of an encoder–decoder LM. */
export interface EncoderDecoderOptions {
  /** What the decoder starts with; T5: 0, its padding token. */
  readonly decoderStart: number;
  /** Put after every prompt; T5 was trained with 1, `</s>`. Default: nothing. */
  readonly encoderEnd?: number;
}

/** Prompt in the encoder, main text in the decoder. `maxLength` limits each of the two sequences. */
export function encoderDecoder({
  decoderStart,
  encoderEnd,
}: EncoderDecoderOptions): DocumentLayout<EncoderDecoderDocument, EncoderDecoderRecommendation> {
  const E = encoderEnd === undefined ? 0 : 1;
  const encode = (prompt: Int32Array) => {
    const ids = new Int32Array(prompt.length + E);
    ids.set(prompt);
    if (encoderEnd !== undefined) ids[prompt.length] = encoderEnd;
    return ids;
  };
  return {
    identity: JSON.stringify(["encoder-decoder", decoderStart, encoderEnd ?? null]),
    documentLength: (P, M) => P + E + M,
    recommendationLength: (P) => P + E + 1,
    mainLimit: (P, maxLength) => (P + E > maxLength ? 0 : maxLength),
    promptLimit: (maxLength) => maxLength - E,
    document(prompt, main) {
      const decoderIds = new Int32Array(main.length);
      decoderIds[0] = decoderStart;
      decoderIds.set(main.subarray(0, main.length - 1), 1);
      return { encoderIds: encode(prompt), decoderIds, targets: main.slice() };
    },
    recommendation: (prompt, heldOut) => ({
      encoderIds: encode(prompt),
      decoderIds: Int32Array.of(decoderStart),
      heldOut,
    }),
  };
}

/** Which of the two layouts, with its special tokens. `BaseModel.layout` of `@cllm4rec/backbone` is of this form. */
export type DocumentLayoutOptions =
  | ({ readonly kind: "decoder-only" } & DecoderOnlyOptions)
  | ({ readonly kind: "encoder-decoder" } & EncoderDecoderOptions);

/**
 * The layout that a language model asks for.
 * @example
 * const layout = documentLayout(model.layout);
 * const documents = interactionDocuments({ tokenizer, interactions, layout, maxLength: 512 });
 */
export function documentLayout(layout: DocumentLayoutOptions): DocumentLayout<LanguageDocument, HeldOutDocument> {
  return layout.kind === "decoder-only" ? decoderOnly(layout) : encoderDecoder(layout);
}
