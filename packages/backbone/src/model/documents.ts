// What the base model is given: soft+hard token sequences with their targets, and tables of soft rows.

/** A soft+hard document for a decoder-only LM. */
export interface TokenDocument {
  /** Extended token ids, [T]: below N a vocabulary token, N + i user i, N + I + j item j. */
  readonly ids: ArrayLike<number>;
  /** [T]: the extended id that position t predicts, or −1 where it predicts nothing. */
  readonly targets: ArrayLike<number>;
}

/** A recommendation prompt: its last position scores all items at once. */
export interface RecommendationDocument {
  readonly ids: ArrayLike<number>;
  /** Items to predict, by index 0 … J−1 (multi-hot, Eq. 9). */
  readonly heldOut: ArrayLike<number>;
}

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
}

/** Gradient rows of one table: `data` row r is ∂loss/∂(table row `rows[r]`); rows that are not listed have gradient 0. */
export interface RowGradients {
  /** Ascending, without repetition. */
  readonly rows: Int32Array;
  /** [rows.length, K] */
  readonly data: Float32Array;
}

/** How target losses −log p are combined: added up, averaged over targets, or averaged over documents. */
export type Reduction = "sum" | "target-mean" | "document-mean";
