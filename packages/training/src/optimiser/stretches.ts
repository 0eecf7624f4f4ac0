// Rows of a gradient that can be updated in one pass.

/** Rows that are adjacent in table and gradient and have had the same number of updates. */
export interface Stretch {
  /** The first row in the table. */
  readonly row: number;
  readonly count: number;
  /** Updates of each of the rows. */
  readonly steps: number;
  /** The first row in the gradient. */
  readonly from: number;
}

/**
 * Divides a gradient's rows into stretches, in order.
 * @param rows ascending, without repetition
 * @param rowSteps updates of each row of the table
 */
export function* stretches(rows: Int32Array, rowSteps: Int32Array): Generator<Stretch> {
  for (let from = 0, to = 1; from < rows.length; from = to++) {
    const row = rows[from]!;
    const steps = rowSteps[row]!;
    while (rows[to] === row + to - from && rowSteps[rows[to]!] === steps) to++;
    yield { row, count: to - from, steps, from };
  }
}
