// What text encoders have in common: the contract, and a run over many texts in batches of similar length.

// Shape legend: n texts, K width, B texts of a batch.

export interface EncodeOptions {
  /** Texts in a batch; default 32. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of texts that are done. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/**
 * Turns texts into rows of numbers. The encoder is frozen: the same text always has the same row (to rounding, see
 * `batch`).
 */
export interface SentenceEncoder {
  /** K: numbers a text. */
  readonly width: number;
  /** Tokens of a text that are read, special tokens included; longer texts are cut. */
  readonly maxTokens: number;
  /**
   * SHA-256 of everything that decides the rows: weights, config, tokenizer, pooling and settings. Caches use it as a
   * key.
   */
  readonly fingerprint: string;
  /**
   * The rows of the texts, in their order. Batches are made of texts of similar length; which texts share a batch
   * changes a row by rounding only.
   * @returns [n, K], row-major
   * @throws RangeError for a `batch` that is no positive integer; TypeError naming the first text that is no string. An
   *   abort rejects with the signal's reason
   */
  encode(texts: readonly string[], options?: EncodeOptions): Promise<Float32Array>;
  /** Frees the model; `encode` is rejected afterwards. */
  dispose(): Promise<void>;
}

/** Texts that are tokenised before other work of the process gets its turn. */
const TURN = 256;

/**
 * Tokenises all texts, sorts them by length and computes them batch by batch, longest first, so that a batch that does
 * not fit into memory fails at once.
 * @param tokenise the ids of a text, cut to what the model reads; a text without a token gets a row of zeros
 * @param compute [B, K] of the token ids of B texts, none of which is empty
 */
export async function encodeByLength(
  texts: readonly string[],
  width: number,
  tokenise: (text: string, index: number) => readonly number[],
  compute: (ids: readonly (readonly number[])[], signal?: AbortSignal) => Promise<Float32Array>,
  { batch = 32, signal, onProgress }: EncodeOptions = {},
): Promise<Float32Array> {
  if (!Number.isInteger(batch) || batch < 1) throw new RangeError(`batch: found ${batch}, expected a positive integer`);
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong >= 0) {
    const found = texts[wrong] === null ? "null" : typeof texts[wrong];
    throw new TypeError(`text ${wrong}: found ${found}, expected a string; pass "" for a text that is absent`);
  }
  const tokens: (readonly number[])[] = [];
  for (const [i, text] of texts.entries()) {
    if (i % TURN === 0) {
      signal?.throwIfAborted();
      await new Promise(setImmediate);
    }
    tokens.push(tokenise(text, i));
  }
  const order = tokens.flatMap(({ length }, i) => (length > 0 ? [i] : [])).sort(longestFirst(tokens));
  const rows = new Float32Array(texts.length * width);
  const total = texts.length;
  let done = total - order.length;
  for (let at = 0; at < order.length; at += batch) {
    signal?.throwIfAborted();
    const members = order.slice(at, at + batch);
    const computed = await compute(
      members.map((i) => tokens[i]!),
      signal,
    );
    members.forEach((i, b) => {
      rows.set(computed.subarray(b * width, (b + 1) * width), i * width);
    });
    done += members.length;
    onProgress?.({ done, total });
  }
  return rows;
}

const longestFirst = (tokens: readonly (readonly number[])[]) => (a: number, b: number) =>
  tokens[b]!.length - tokens[a]!.length || a - b;
