// Centring and whitening: from features that crowd together along few directions to columns of mean 0, variance 1 and
// no correlation.
// Shape legend: D rows, F columns that come in, C components that come out.
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { CorpusUsageError } from "../errors.js";
import type { DenseFeatures } from "./feature-block.js";

/**
 * Components with less than this share of the first one's variance are rounding errors; whitening would blow them up.
 */
const LEAST_SHARE = 1e-9;

/**
 * What {@link fitWhitening} found, as plain data: enough to treat later rows, such as those of new items, in the same
 * way.
 */
export interface Whitening {
  /** F */
  readonly columns: number;
  /** C */
  readonly components: number;
  /** [F] */
  readonly mean: Float64Array;
  /** [C, F], row-major: the principal directions, each divided by the standard deviation along it. */
  readonly projection: Float64Array;
  /** [C] the variances along the directions before whitening, descending. */
  readonly variances: Float64Array;
}

export interface WhiteningOptions {
  /** How many components are wanted at most; all by default. Directions without variance are never kept. */
  readonly components?: number;
}

/**
 * The principal components of dense features (Hotelling 1933) with the scales that whiten them: scikit-learn's
 * `PCA(n_components, whiten=True)`. A row of zeros stands for an absent text and does not take part. Deterministic: the
 * entry of largest absolute value of each direction is positive. Takes D·F²/2 multiplications and an eigendecomposition
 * of an F × F matrix: about a second for 6,000 rows of 384.
 * @throws CorpusUsageError where fewer than two rows are not all zeros, or all of them are equal, or a value is not
 *   finite; for `components` that is no positive integer
 */
export function fitWhitening(
  features: DenseFeatures,
  { components = features.columns }: WhiteningOptions = {},
): Whitening {
  if (!Number.isInteger(components) || components < 1)
    throw new CorpusUsageError(`components: found ${components}, expected a positive integer`);
  checkSize(features);
  const { columns: F, values } = features;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const place = `row ${Math.floor(bad / F)}, column ${bad % F}`;
    throw new CorpusUsageError(`features: found ${values[bad]} in ${place}, expected finite values`);
  }
  const rows = presentRows(features);
  if (rows.length < 2)
    throw new CorpusUsageError(`features: found ${rows.length} rows that are not all zeros, expected at least 2`);
  const mean = new Float64Array(F);
  for (const d of rows) for (let f = 0; f < F; f++) mean[f]! += values[d * F + f]! / rows.length;
  const covariance = covarianceOf(values, rows, mean);
  const decomposition = new EigenvalueDecomposition(Matrix.from1DArray(F, F, covariance), { assumeSymmetric: true });
  const variance = decomposition.realEigenvalues;
  const order = Array.from(variance.keys()).sort((a, b) => variance[b]! - variance[a]! || a - b);
  const largest = variance[order[0]!]!;
  const kept = order
    .filter((i) => variance[i]! > LEAST_SHARE * largest)
    .slice(0, Math.min(components, rows.length - 1));
  if (kept.length === 0 || !(largest > 0))
    throw new CorpusUsageError("features: all rows are equal, expected rows that differ");
  const projection = new Float64Array(kept.length * F);
  kept.forEach((i, c) => {
    const direction = decomposition.eigenvectorMatrix.getColumn(i);
    const sign = Math.sign(direction.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most)));
    projection.set(
      direction.map((x) => (sign * x) / Math.sqrt(variance[i]!)),
      c * F,
    );
  });
  const variances = Float64Array.from(kept, (i) => variance[i]!);
  return { columns: F, components: kept.length, mean, projection, variances };
}

/**
 * Rows centred and whitened: (x − mean)·projectionᵀ. Over the rows of the fit every column has mean 0 and variance 1,
 * so a row's length is about √C: a block weight of 1/√C brings it to that of a tf-idf row. A row of zeros, an absent
 * text, stays zeros.
 * @returns [D, C]
 * @throws CorpusUsageError where the features do not have the columns of the fit
 */
export function applyWhitening(whitening: Whitening, features: DenseFeatures): DenseFeatures {
  checkSize(features);
  const { columns: F, components: C, mean, projection } = whitening;
  if (features.columns !== F)
    throw new CorpusUsageError(`features: found ${features.columns} columns, expected ${F} as in the fit`);
  const values = new Float32Array(features.rows * C);
  const centred = new Float64Array(F);
  for (const d of presentRows(features)) {
    for (let f = 0; f < F; f++) centred[f] = features.values[d * F + f]! - mean[f]!;
    for (let c = 0; c < C; c++) {
      let sum = 0;
      for (let f = 0; f < F; f++) sum += centred[f]! * projection[c * F + f]!;
      values[d * C + c] = sum;
    }
  }
  return { rows: features.rows, columns: C, values };
}

function checkSize({ rows, columns, values }: DenseFeatures): void {
  if (values.length !== rows * columns)
    throw new CorpusUsageError(`features: found ${values.length} values, expected ${rows} × ${columns}`);
}

/** The rows that are not all zeros. */
function presentRows({ rows, columns, values }: DenseFeatures): number[] {
  return Array.from({ length: rows }, (_, d) => d).filter((d) =>
    values.subarray(d * columns, (d + 1) * columns).some((value) => value !== 0),
  );
}

/** Σ (x − mean)(x − mean)ᵀ / (rows − 1), [F, F]. */
function covarianceOf(values: Float32Array, rows: readonly number[], mean: Float64Array): Float64Array {
  const F = mean.length;
  const sums = new Float64Array(F * F);
  const centred = new Float64Array(F);
  for (const d of rows) {
    for (let f = 0; f < F; f++) centred[f] = values[d * F + f]! - mean[f]!;
    for (let f = 0; f < F; f++) {
      const x = centred[f]!;
      for (let g = f; g < F; g++) sums[f * F + g]! += x * centred[g]!;
    }
  }
  for (let f = 0; f < F; f++) {
    for (let g = f; g < F; g++) {
      sums[f * F + g]! /= rows.length - 1;
      sums[g * F + f] = sums[f * F + g]!;
    }
  }
  return sums;
}
