// The squared terms of the MAP objective (Eq. 7, 8 and 10): towards the other side's embeddings, and towards 0.
import type { EmbeddingTable, RowGradients } from "@cllm4rec/backbone";
import { withRows } from "../gradients/row-gradients.js";

// Shape legend: K width, R rows that occur in the batch.

/**
 * How the squared terms are weighed against the language model's loss, which is averaged over the batch's targets or
 * documents.
 * - `paper`: λ/2 for each document a token occurs in, beside the *sum* of the document's −log p (Eq. 7, 8, 10); both
 *   divided by the same number. This is minus the log joint of Eq. 6 over the batch, up to a factor.
 * - `released-code`: λ (no ½) for each document a token occurs in, beside the *average* of −log p, as in the authors'
 *   program. That is 2·(targets in the batch) times as strong (documents instead of targets where losses are averaged
 *   over documents), and grows with the batch.
 */
export type RegulariserScaling = "paper" | "released-code";

/** The rows of a table that occur in a batch, and in how many of its documents each does. */
export interface Occurrences {
  /** [R] ascending, without repetition */
  readonly rows: Int32Array;
  /** [R] */
  readonly counts: Int32Array;
}

/**
 * The weight w of a term (w/2)·count·‖z − centre‖² so that it has the scaling's strength beside a loss that was divided
 * by `divisor`.
 * @param divisor targets of the batch where the loss is a mean over targets, documents where it is one over documents
 */
export function penaltyWeight(lambda: number, scaling: RegulariserScaling, divisor: number): number {
  return scaling === "paper" ? lambda / divisor : 2 * lambda;
}

/**
 * (w/2) Σ_r count_r·‖z_r − ẑ_r‖² over the rows that occur, with ẑ fixed; without `centre`, ẑ = 0 (the prior).
 * Adds w·count_r·(z_r − ẑ_r) to the gradient's rows in place (adding rows that it lacks).
 * @returns the value, and the gradient: the one passed in, unless rows had to be added
 */
export function addPenalty(
  gradient: RowGradients,
  { data }: EmbeddingTable,
  centre: EmbeddingTable | undefined,
  { rows, counts }: Occurrences,
  weight: number,
  width: number,
): { readonly value: number; readonly gradient: RowGradients } {
  if (weight === 0 || rows.length === 0) return { value: 0, gradient };
  const sum = withRows(gradient, rows, width);
  let value = 0;
  let g = 0;
  rows.forEach((row, r) => {
    while (sum.rows[g]! < row) g++;
    for (let k = 0; k < width; k++) {
      const difference = data[row * width + k]! - (centre ? centre.data[row * width + k]! : 0);
      value += counts[r]! * difference * difference;
      sum.data[g * width + k]! += weight * counts[r]! * difference;
    }
  });
  return { value: (weight / 2) * value, gradient: sum };
}
