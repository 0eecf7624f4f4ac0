// A linear scorer in a compact form: of each item's weights the strongest, in compressed sparse rows, for storage and
// quick answers.
// Shapes: J items, n weights an item.
import { EvaluationError } from "../error.js";
import { type LinearScorer, sumScorer } from "./history-scorer.js";
import type { SparseRows } from "./side-information.js";

/**
 * The weights of a scorer, of each row the n that are largest in absolute value; of equal ones, those of lower columns.
 * Single precision.
 * @throws {EvaluationError} for an n below 1
 */
export function strongestWeights(scorer: LinearScorer, n: number): SparseRows {
  if (!(Number.isInteger(n) && n >= 1)) {
    throw new EvaluationError(`weights: found ${n} an item, expected an integer of at least 1.`);
  }
  const { items } = scorer;
  const row = new Float64Array(items);
  const sizes = new Float64Array(items);
  const indptr = new Int32Array(items + 1);
  const rows: { readonly columns: Int32Array; readonly values: Float32Array }[] = [];
  for (let item = 0; item < items; item++) {
    row.fill(0);
    scorer.addWeights(item, row);
    let count = 0;
    for (let j = 0; j < items; j++) if (row[j] !== 0) sizes[count++] = Math.abs(row[j]!);
    const limit = count > n ? sizes.subarray(0, count).sort()[count - n]! : 0;
    let above = 0;
    for (let j = 0; j < items; j++) if (Math.abs(row[j]!) > limit) above++;
    let ties = Math.min(n, count) - above;
    const columns = new Int32Array(Math.min(n, count));
    let at = 0;
    for (let j = 0; j < items; j++) {
      const size = Math.abs(row[j]!);
      if (size > limit || (size > 0 && size === limit && ties-- > 0)) columns[at++] = j;
    }
    rows.push({ columns, values: Float32Array.from(columns, (j) => row[j]!) });
    indptr[item + 1] = indptr[item]! + columns.length;
  }
  const indices = new Int32Array(indptr[items]!);
  const values = new Float32Array(indptr[items]!);
  rows.forEach((kept, item) => {
    indices.set(kept.columns, indptr[item]!);
    values.set(kept.values, indptr[item]!);
  });
  return { rows: items, columns: items, indptr, indices, values };
}

/** The scorer of these weights [J, J]. */
export function sparseScorer(name: string, { rows, indptr, indices, values }: SparseRows): LinearScorer {
  return sumScorer(name, rows, (item, row) => {
    for (let p = indptr[item]!, end = indptr[item + 1]!; p < end; p++) row[indices[p]!]! += values[p]!;
  });
}
