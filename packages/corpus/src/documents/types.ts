// The contracts of documents: what a language model is handed, where documents come from, what they need of a
// tokenizer.
// Shapes: P prompt tokens, M tokens of main text, T positions the model computes; N vocabulary rows, I users, J items.
import type { PromptPart } from "@cllm4rec/tokenizer-ext";

/**
 * A soft+hard document for a decoder-only LM (paper §3.3.2 and A.1), [T] with T = S + P + M − 1 (S start tokens,
 * usually none).
 *
 * `ids` = start ++ prompt ++ main[0 … M−2]. The **last main token is never an input**: nothing is predicted after it,
 * so its position would be computed for nothing. `targets[t]` is the extended id predicted from the hidden state at
 * position t, or −1 where nothing is: the last prompt token predicts the first main token (A.1), so all M main tokens
 * are predicted.
 */
export interface TokenDocument {
  readonly ids: Int32Array;
  readonly targets: Int32Array;
}

/** A recommendation prompt for a decoder-only LM: the hidden state at the last position scores all J items (Eq. 9). */
export interface RecommendationDocument {
  /** [T] extended ids. */
  readonly ids: Int32Array;
  /** The items to predict: item indices 0 … J−1 (not extended ids), ascending, without repetition. */
  readonly heldOut: Int32Array;
}

/**
 * A soft+hard document for an encoder–decoder LM such as T5 (A.1): the prompt is the encoder's, the main text the
 * decoder's.
 */
export interface EncoderDecoderDocument {
  /** [P], or [P + 1] with an encoder end token. */
  readonly encoderIds: Int32Array;
  /** [M]: the decoder start token, then main[0 … M−2]. */
  readonly decoderIds: Int32Array;
  /** [M]: `targets[t]` is predicted from the decoder's hidden state at position t; here that is all of main. */
  readonly targets: Int32Array;
}

/**
 * A recommendation prompt for an encoder–decoder LM: the decoder sees only its start token, whose hidden state scores
 * all items.
 */
export interface EncoderDecoderRecommendation {
  readonly encoderIds: Int32Array;
  /** [1]: the decoder start token. */
  readonly decoderIds: Int32Array;
  readonly heldOut: Int32Array;
}

/** A document of either form. */
export type LanguageDocument = TokenDocument | EncoderDecoderDocument;

/** A recommendation prompt of either form. */
export type HeldOutDocument = RecommendationDocument | EncoderDecoderRecommendation;

/**
 * What every random choice is a function of, together with the document's index: nothing else, so nothing has to be
 * replayed.
 */
export interface Moment {
  /** An integer from 0 to 2⁵³ − 1. */
  readonly seed: number;
  /** An integer from 0 to 2³² − 1. */
  readonly epoch: number;
}

/**
 * Documents by index. Every method is a pure function of its arguments: the same (seed, epoch, index) gives the same
 * bits.
 */
export interface DocumentSource<D> {
  /** Number of documents; indices run from 0 to `length − 1`. */
  readonly length: number;
  /** No document computes more positions than this. */
  readonly maxLength: number;
  /** SHA-256 (hex) of everything that decides the documents; compare it before resuming a run. */
  readonly identity: string;
  /** Positions the model computes for the document (encoder and decoder together), without building it. */
  lengthAt(index: number, moment: Moment): number;
  /** Builds the document. The arrays are the caller's to keep. */
  document(index: number, moment: Moment): D;
}

/** Documents of which each belongs to one user. */
export interface UserDocumentSource<D> extends DocumentSource<D> {
  /** [length] the user index of each document. */
  readonly users: Int32Array;
  /** Users without a document, by the rule that the source states. */
  readonly skippedUsers: number;
}

/** What documents need of a tokenizer; `ExtendedTokenizer` of `@cllm4rec/tokenizer-ext` has it. */
export interface PromptTokenizer {
  /** N, the backbone's embedding rows: ids below it are vocabulary, `<user_i>` is N + i, `<item_j>` is N + I + j. */
  readonly rows: number;
  readonly users: number;
  readonly items: number;
  userToken(user: number): number;
  itemToken(item: number): number;
  /** Encodes data. Whatever the text contains, no id token comes out; no special tokens are added. */
  encodeText(text: string): readonly number[];
  /** Encodes a prompt of trusted literals and id tokens; no special tokens are added. */
  encodePrompt(parts: readonly PromptPart[]): readonly number[];
}
