// Where a text map begins: the directions in which texts differ most.
import type { SparseFeatures } from "@cllm4rec/corpus";
import { SparseProduct } from "../kernels/sparse-product.js";
import { fillNormal } from "../random/normal.js";

// Shape legend: R rows, F features, K width, D directions.

/** Streams of random numbers, apart from those of the tables. */
const STREAM = { start: 11, rotation: 12 } as const;
/** Directions that are iterated in addition to those that are kept, so that the last of these converge too. */
const EXTRA = 8;
const ITERATIONS = 6;

/**
 * W [F, K] so that the rows of X·W have inner products close to those of X: the D leading right singular vectors of X,
 * rotated at random into K dimensions (so that no dimension stands out) and scaled to a root mean square of `deviation`
 * over X·W. By subspace iteration (Halko, Martinsson and Tropp 2011). The same bits on every machine.
 * @param directions D; default: K, at most 128
 */
export function principalDirections(
  features: SparseFeatures,
  width: number,
  { seed, deviation, directions = Math.min(width, 128) }: { seed: number; deviation: number; directions?: number },
): Float32Array {
  const { rows, columns } = features;
  const D = Math.min(directions, rows, columns, width);
  const wide = Math.min(D + EXTRA, columns);
  const product = new SparseProduct(features, wide);
  let basis: Float32Array = new Float32Array(columns * wide); // [F, D + extra]
  fillNormal(basis, wide, seed, STREAM.start);
  orthonormalise(basis, columns, wide);
  const zeros = new Float32Array(rows * wide);
  const mapped = new Float32Array(rows * wide);
  for (let i = 0; i < ITERATIONS; i++) {
    product.addTo(zeros, basis, mapped);
    basis = product.transposed(mapped);
    orthonormalise(basis, columns, wide);
  }
  const rotation = new Float32Array(width * D); // [K, D], orthonormal columns
  fillNormal(rotation, D, seed, STREAM.rotation);
  orthonormalise(rotation, width, D);
  const weights = new Float32Array(columns * width);
  for (let f = 0; f < columns; f++) {
    for (let k = 0; k < width; k++) {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += basis[f * wide + d]! * rotation[k * D + d]!;
      weights[f * width + k] = sum;
    }
  }
  return scaled(weights, features, width, deviation);
}

/** So that the embeddings X·W of rows with any feature have the root mean square `deviation`. */
function scaled(weights: Float32Array, features: SparseFeatures, width: number, deviation: number): Float32Array {
  const { rows, indptr } = features;
  const mapped = new Float32Array(rows * width);
  new SparseProduct(features, width).addTo(mapped, weights, mapped);
  const square = mapped.reduce((sum, x) => sum + x * x, 0);
  let described = 0;
  for (let row = 0; row < rows; row++) if (indptr[row + 1]! > indptr[row]!) described++;
  const scale = square > 0 ? deviation / Math.sqrt(square / (described * width)) : 0;
  return weights.map((weight) => scale * weight);
}

/**
 * Modified Gram–Schmidt over the columns of a [rows, columns], twice ("twice is enough", Giraud and others 2005), in
 * place.
 */
function orthonormalise(a: Float32Array, rows: number, columns: number): void {
  // By column, in double precision: the loops run along memory.
  const vectors = Array.from({ length: columns }, (_, c) =>
    Float64Array.from({ length: rows }, (_, r) => a[r * columns + c]!),
  );
  for (const [c, vector] of vectors.entries()) {
    for (let pass = 0; pass < 2; pass++) {
      for (let b = 0; b < c; b++) {
        const other = vectors[b]!;
        let inner = 0;
        for (let r = 0; r < rows; r++) inner += vector[r]! * other[r]!;
        for (let r = 0; r < rows; r++) vector[r] = vector[r]! - inner * other[r]!;
      }
    }
    const length = Math.hypot(1e-300, Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0)));
    const scale = length > 1e-12 ? 1 / length : 0;
    for (let r = 0; r < rows; r++) a[r * columns + c] = vector[r] = vector[r]! * scale;
  }
}
