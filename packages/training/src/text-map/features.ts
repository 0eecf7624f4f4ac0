// What is known of the items (or users) by their texts, as blocks of features side by side.
import { createHash } from "node:crypto";
import { TrainingError } from "../error.js";
import { checkSparse, type SparseRows } from "../kernels/sparse-product.js";

// Shape legend: R rows (items or users), F features of all blocks.

/** One block of features, such as tf-idf weights of the words of titles (`wordFeatures` of `@cllm4rec/corpus`). */
export interface FeatureBlock {
  /** What the features are, e.g. `titles`. */
  readonly name: string;
  /** How much the block counts in inner products of two rows; at least 0. Features are multiplied by its root. */
  readonly weight: number;
  /** [R, columns of the block] */
  readonly features: SparseRows;
}

/**
 * The blocks as one matrix [R, F], each multiplied by the root of its weight: XXᵀ is then the weighted sum of the
 * blocks' own inner products, which is what EASE with side information adds to its Gram matrix.
 * @throws TrainingError for blocks of different rows, malformed ones, or a weight that is negative or not finite
 */
export function joinFeatures(blocks: readonly FeatureBlock[]): SparseRows {
  const [first] = blocks;
  if (!first) throw new TrainingError("text features: found no block, expected at least one");
  const { rows } = first.features;
  for (const { name, weight, features } of blocks) {
    checkSparse(features);
    if (features.rows !== rows)
      throw new TrainingError(
        `text features ${name}: found ${features.rows} rows, expected ${rows} as in ${first.name}`,
      );
    if (!(weight >= 0 && Number.isFinite(weight)))
      throw new TrainingError(`text features ${name}: found the weight ${weight}, expected a number of at least 0`);
  }
  const n = blocks.reduce((sum, { features }) => sum + features.indices.length, 0);
  const joined = {
    rows,
    columns: blocks.reduce((sum, { features }) => sum + features.columns, 0),
    indptr: new Int32Array(rows + 1),
    indices: new Int32Array(n),
    values: new Float32Array(n),
  };
  let p = 0;
  for (let row = 0; row < rows; row++) {
    let offset = 0;
    for (const { weight, features } of blocks) {
      for (let q = features.indptr[row]!; q < features.indptr[row + 1]!; q++, p++) {
        joined.indices[p] = offset + features.indices[q]!;
        joined.values[p] = Math.sqrt(weight) * features.values[q]!;
      }
      offset += features.columns;
    }
    joined.indptr[row + 1] = p;
  }
  return joined;
}

/** SHA-256 (hex) of a matrix: what tells the features of a run from others. */
export function hashFeatures({ rows, columns, indptr, indices, values }: SparseRows): string {
  const digest = createHash("sha256").update(`${rows} ${columns}`);
  for (const { buffer, byteOffset, byteLength } of [indptr, indices, values])
    digest.update(new Uint8Array(buffer, byteOffset, byteLength));
  return digest.digest("hex");
}
