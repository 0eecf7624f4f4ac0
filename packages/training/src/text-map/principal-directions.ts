// Where a text map begins: the directions in which texts differ most.
import type { SparseFeatures } from "@cllm4rec/corpus";
import type { EngineProduct } from "@cllm4rec/onnx-grad";
import { SparseProduct } from "../kernels/sparse-product.js";
import { fillNormal } from "../random/normal.js";
import { orthonormalised, transposed } from "./orthonormalise.js";

// Shape legend: R rows, F features, K width, D directions.

/** Streams of random numbers, apart from those of the tables. */
const STREAM = { start: 11, rotation: 12 } as const;
/** Directions that are iterated in addition to those that are kept, so that the last of these converge too. */
const EXTRA = 8;
const ITERATIONS = 5;

/** How {@link principalDirections} works. */
export interface PrincipalDirectionsOptions {
  readonly seed: number;
  /** Root mean square of X·W. */
  readonly deviation: number;
  /** For the dense products, which are most of the work. */
  readonly multiply: EngineProduct;
}

/**
 * W [F, K] so that the rows of X·W have inner products close to those of X: the K leading right singular vectors of X
 * (fewer where X has fewer rows or features), rotated at random, so that no dimension stands out, and scaled. By
 * subspace iteration (Halko, Martinsson and Tropp 2011).
 */
export async function principalDirections(
  features: SparseFeatures,
  width: number,
  { seed, deviation, multiply }: PrincipalDirectionsOptions,
): Promise<Float32Array> {
  const { rows, columns } = features;
  const D = Math.min(width, rows, columns);
  const wide = Math.min(D + EXTRA, columns);
  const product = new SparseProduct(features, wide);
  const start = new Float32Array(columns * wide); // [F, D + extra]
  fillNormal(start, wide, seed, STREAM.start);
  let basis = await orthonormalised(start, columns, wide, multiply);
  const zeros = new Float32Array(rows * wide);
  const mapped = new Float32Array(rows * wide);
  for (let i = 0; i < ITERATIONS; i++) {
    product.addTo(zeros, basis, mapped);
    basis = await orthonormalised(product.transposed(mapped), columns, wide, multiply);
  }
  const random = new Float32Array(width * D);
  fillNormal(random, D, seed, STREAM.rotation);
  const rotation = await orthonormalised(random, width, D, multiply); // [K, D], orthonormal columns
  const kept = new Float32Array(columns * D);
  for (let f = 0; f < columns; f++) kept.set(basis.subarray(f * wide, f * wide + D), f * D);
  const weights = await multiply(kept, transposed(rotation, width, D), columns, D, width);
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
