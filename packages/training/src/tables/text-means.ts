// What texts alone say of users and items, as vectors: the mean word embedding of each one's texts, rare words weighing
// more.
import type { EmbeddingTable, SoftTables } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";

// Shape legend: N words, K width, I users, J items.

/**
 * Tokenised texts with the user and item that each belongs to; −1 for none. `TokenCache` of `@cllm4rec/corpus` is one.
 */
export interface TokenisedTexts {
  readonly documents: number;
  user(document: number): number;
  item(document: number): number;
  tokenCount(document: number): number;
  read(document: number, count: number, target: Int32Array): void;
}

/** What {@link textMeans} needs. */
export interface TextMeansOptions {
  readonly texts: readonly TokenisedTexts[];
  /** The frozen vocabulary embeddings, row-major [N, K]: `backbone.wordEmbeddings()`. */
  readonly words: Float32Array;
  /** K */
  readonly width: number;
  /** I */
  readonly users: number;
  /** J */
  readonly items: number;
}

/**
 * For every user and item the sum of the embeddings of its texts' words, each distinct word of a text once and weighted
 * by its inverse document frequency log(D/df) (Spärck Jones 1972); then centred over all rows and scaled to a root mean
 * square of 1. Rows without text are 0.
 *
 * The inner product of two rows is close to the tf-idf similarity of their texts, softened by what the LM knows of
 * words alike.
 * @throws TrainingError where sizes and embeddings do not fit, or a text has a word, user or item outside of them
 */
export function textMeans({ texts, words, width, users, items }: TextMeansOptions): SoftTables {
  const N = words.length / width;
  if (!Number.isInteger(N))
    throw new TrainingError(`words: found ${words.length} numbers, expected rows of width ${width}`);
  const weights = inverseDocumentFrequencies(texts, N);
  const [user, item] = [new RowSums(users, width), new RowSums(items, width)];
  const vector = new Float64Array(width);
  for (const source of texts) {
    for (let document = 0; document < source.documents; document++) {
      vector.fill(0);
      for (const word of distinctWords(source, document, N)) {
        const weight = weights[word]!;
        for (let k = 0; k < width; k++) vector[k]! += weight * words[word * width + k]!;
      }
      user.add(source.user(document), vector);
      item.add(source.item(document), vector);
    }
  }
  return { users: user.table(), items: item.table() };
}

function inverseDocumentFrequencies(texts: readonly TokenisedTexts[], N: number): Float64Array {
  const frequency = new Float64Array(N);
  let documents = 0;
  for (const source of texts) {
    documents += source.documents;
    for (let document = 0; document < source.documents; document++)
      for (const word of distinctWords(source, document, N)) frequency[word]!++;
  }
  return frequency.map((df) => (df === 0 ? 0 : Math.log(documents / df)));
}

function distinctWords(source: TokenisedTexts, document: number, N: number): Set<number> {
  const count = source.tokenCount(document);
  const ids = new Int32Array(count);
  source.read(document, count, ids);
  const outside = ids.find((id) => id < 0 || id >= N);
  if (outside !== undefined)
    throw new TrainingError(
      `text ${document}: found word ${outside}, expected 0 … ${N - 1}, the backbone's vocabulary`,
    );
  return new Set(ids);
}

/** Sums of vectors by row, on the way to a centred and scaled table. */
class RowSums {
  private readonly sums: Float64Array;
  private readonly touched: Uint8Array;

  constructor(
    private readonly rows: number,
    private readonly width: number,
  ) {
    this.sums = new Float64Array(rows * width);
    this.touched = new Uint8Array(rows);
  }

  /** @param row −1: the text belongs to none */
  add(row: number, vector: Float64Array): void {
    if (row === -1) return;
    if (!(row >= 0 && row < this.rows))
      throw new TrainingError(`a text belongs to row ${row}, expected 0 … ${this.rows - 1}`);
    this.touched[row] = 1;
    for (let k = 0; k < this.width; k++) this.sums[row * this.width + k]! += vector[k]!;
  }

  table(): EmbeddingTable {
    const { rows, width, sums, touched } = this;
    this.scaleRows(); // in the mean, rows with many texts count as much as others
    const mean = new Float64Array(width);
    const count = touched.reduce((sum, one) => sum + one, 0);
    for (let at = 0; at < sums.length; at++) mean[at % width]! += sums[at]! / Math.max(1, count);
    for (let row = 0; row < rows; row++)
      if (touched[row]) for (let k = 0; k < width; k++) sums[row * width + k]! -= mean[k]!;
    this.scaleRows();
    return { rows, data: Float32Array.from(sums) };
  }

  /** Every row that is not 0 to a root mean square of 1. */
  private scaleRows(): void {
    const { rows, width, sums } = this;
    for (let row = 0; row < rows; row++) {
      const values = sums.subarray(row * width, (row + 1) * width);
      const square = values.reduce((sum, x) => sum + x * x, 0) / width;
      if (square > 1e-24) for (let k = 0; k < width; k++) values[k]! /= Math.sqrt(square);
    }
  }
}
