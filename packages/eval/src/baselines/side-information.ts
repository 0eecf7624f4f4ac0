// What is known of items besides who has them: blocks of sparse features, and their share of a matrix of all pairs of
// items.
// Shapes: J items, F features of a block.
import { EvaluationError } from "../error.js";

/** A sparse matrix: row `j` holds `values[p]` in column `indices[p]` for p from `indptr[j]` to `indptr[j + 1]` − 1. */
export interface SparseRows {
  /** J */
  readonly rows: number;
  /** F */
  readonly columns: number;
  /** [J + 1] */
  readonly indptr: Int32Array;
  /** Columns, no column twice in a row. */
  readonly indices: Int32Array;
  readonly values: Float32Array;
}

/**
 * One block of features of the items, such as tf-idf weights of the words of their titles (`wordFeatures` of
 * `@cllm4rec/corpus`).
 */
export interface SideInformation {
  /** What the features are, for names of scorers. */
  readonly name: string;
  /** How much a feature counts, against one user of the interactions; at least 0. */
  readonly weight: number;
  /** [J, F] */
  readonly features: SparseRows;
}

/** @throws {EvaluationError} for features that do not fit the items, or a weight out of range */
export function checkSideInformation({ name, weight, features }: SideInformation, items: number): void {
  if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
    throw new EvaluationError(`side information ${name}: found the weight ${weight}, expected a number of at least 0.`);
  }
  const { rows, columns, indptr, indices, values } = features;
  if (rows !== items || indptr.length !== items + 1) {
    throw new EvaluationError(`side information ${name}: found ${rows} rows, expected ${items} (one per item).`);
  }
  if (indices.length !== values.length || indptr[items] !== indices.length) {
    throw new EvaluationError(
      `side information ${name}: found ${indices.length} indices, ${values.length} values and the end ` +
        `${indptr[items]}, expected equal numbers.`,
    );
  }
  const seenIn = new Int32Array(columns).fill(-1);
  for (let item = 0; item < items; item++) {
    for (let p = indptr[item]!; p < indptr[item + 1]!; p++) {
      const [column, value] = [indices[p]!, values[p]!];
      if (!(column >= 0 && column < columns) || seenIn[column] === item || !Number.isFinite(value)) {
        throw new EvaluationError(
          `side information ${name}, item ${item}: found ${value} in column ${column}, expected finite values in ` +
            `0 to ${columns - 1}, each column once.`,
        );
      }
      seenIn[column] = item;
    }
  }
}

/**
 * Adds weight · T·Tᵀ to the upper triangle of `gram` [J, J]. Takes time with the squares of how many items each feature
 * has.
 */
export function addFeatureGram(gram: Float64Array, items: number, { weight, features }: SideInformation): void {
  if (weight === 0) return;
  const { columns, indptr, indices, values } = features;
  const starts = new Int32Array(columns + 1);
  for (const column of indices) starts[column + 1]!++;
  for (let f = 0; f < columns; f++) starts[f + 1]! += starts[f]!;
  const next = starts.slice(0, columns);
  const owners = new Int32Array(indices.length); // items of each feature, ascending
  const shares = new Float64Array(indices.length);
  for (let item = 0; item < items; item++) {
    for (let p = indptr[item]!; p < indptr[item + 1]!; p++) {
      const at = next[indices[p]!]!++;
      owners[at] = item;
      shares[at] = values[p]!;
    }
  }
  for (let f = 0; f < columns; f++) {
    const end = starts[f + 1]!;
    for (let a = starts[f]!; a < end; a++) {
      const row = owners[a]! * items;
      const share = weight * shares[a]!;
      for (let b = a; b < end; b++) gram[row + owners[b]!]! += share * shares[b]!;
    }
  }
}
