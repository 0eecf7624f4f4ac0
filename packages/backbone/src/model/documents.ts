// Inputs of the base model: soft+hard token sequences with their targets, and tables of soft rows. Any numeric array
// will do; the documents that `@cllm4rec/corpus` makes are such inputs.
// Decoder-only LMs take one sequence a document, encoder–decoder LMs two (A.1): the prompt in the encoder, the main
// text in the decoder.

/** A soft+hard document for a decoder-only LM; corpus' `TokenDocument` is one. */
export interface TokenInput {
  /** Extended token ids, [T]: below N a vocabulary token, N + i user i, N + I + j item j. */
  readonly ids: ArrayLike<number>;
  /** [T]: the extended id that position t predicts, or −1 where it predicts nothing. */
  readonly targets: ArrayLike<number>;
}

/** A recommendation prompt: its last position scores all items at once. */
export interface RecommendationInput {
  readonly ids: ArrayLike<number>;
  /** Items to predict, by index 0 … J−1 (multi-hot, Eq. 9). */
  readonly heldOut: ArrayLike<number>;
}

/** The two sequences of an encoder–decoder LM, of extended token ids. */
export interface EncoderDecoderSequence {
  /** [E] what the encoder reads. */
  readonly encoderIds: ArrayLike<number>;
  /** [T] what the decoder reads, beginning with its start token. */
  readonly decoderIds: ArrayLike<number>;
}

/** A soft+hard document for an encoder–decoder LM. */
export interface EncoderDecoderInput extends EncoderDecoderSequence {
  /** [T]: the extended id that the decoder's position t predicts, or −1 where it predicts nothing. */
  readonly targets: ArrayLike<number>;
}

/** A recommendation prompt for an encoder–decoder LM: the decoder's last position scores all items at once. */
export interface EncoderDecoderHeldOut extends EncoderDecoderSequence {
  /** Items to predict, by index 0 … J−1 (multi-hot, Eq. 9). */
  readonly heldOut: ArrayLike<number>;
}

/** What the next-item and next-word losses take; the backbone's `layout` says which of the two forms. */
export type LanguageInput = TokenInput | EncoderDecoderInput;

/** What the held-out loss takes; the backbone's `layout` says which of the two forms. */
export type HeldOutInput = RecommendationInput | EncoderDecoderHeldOut;

/**
 * A sequence of extended ids for a decoder-only LM. An encoder–decoder LM takes its two sequences, or one of ids: then
 * the encoder reads that, and the decoder its start token.
 */
export type Prompt = ArrayLike<number> | EncoderDecoderSequence;

/** A matrix of soft-token embeddings, row-major [rows, K]. */
export interface EmbeddingTable {
  readonly rows: number;
  readonly data: Float32Array;
}

/** The tables that soft tokens are read from: collaborative or content, as the caller chooses. */
export interface SoftTables {
  /** [I, K] */
  readonly users: EmbeddingTable;
  /** [J, K] */
  readonly items: EmbeddingTable;
  /**
   * [K], g: the gain of a skip path around the LM, from a prompt's items to its scores. A prompt with items z_1 … z_n
   * scores by h + g ∘ Σz/√n in place of the LM's hidden state h. Absent: no such path, as in the paper.
   */
  readonly skipGain?: Float32Array;
}

/**
 * Gradient rows of one table: `data` row r is ∂loss/∂(table row `rows[r]`); rows that are not listed have gradient 0.
 */
export interface RowGradients {
  /** Ascending, without repetition. */
  readonly rows: Int32Array;
  /** [rows.length, K] */
  readonly data: Float32Array;
}

/** How target losses −log p are combined: added up, averaged over targets, or averaged over documents. */
export type Reduction = "sum" | "target-mean" | "document-mean";
