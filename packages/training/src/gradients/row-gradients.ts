// Arithmetic on gradients that have rows for some of a table's rows only: union of rows, global norm, clipping.
import type { RowGradients } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { sumOfSquares } from "../kernels/kernels.js";

/**
 * The gradient with (zero) rows for all of `rows` as well. Returns `gradient` itself where it has them already.
 * @param rows ascending, without repetition
 */
export function withRows(gradient: RowGradients, rows: Int32Array, width: number): RowGradients {
  const missing = missingRows(gradient.rows, rows);
  if (missing.length === 0) return gradient;
  const union = Int32Array.from([...gradient.rows, ...missing]).sort();
  const data = new Float32Array(union.length * width);
  let from = 0;
  union.forEach((row, r) => {
    if (gradient.rows[from] !== row) return;
    data.set(gradient.data.subarray(from * width, (from + 1) * width), r * width);
    from++;
  });
  return { rows: union, data };
}

function missingRows(have: Int32Array, want: Int32Array): number[] {
  const missing: number[] = [];
  let h = 0;
  for (const row of want) {
    while (h < have.length && have[h]! < row) h++;
    if (have[h] !== row) missing.push(row);
  }
  return missing;
}

/** √ Σ g², over all gradients together, in double precision. */
export function globalNorm(gradients: readonly RowGradients[]): number {
  return Math.sqrt(gradients.reduce((sum, { data }) => sum + sumOfSquares(data), 0));
}

/**
 * Scales all gradients in place so that their global norm is at most `maxNorm`, as torch.nn.utils.clip_grad_norm_ does
 * (Pascanu et al. 2013), and returns the norm before.
 * @throws TrainingError where `maxNorm` is not above 0
 */
export function clipByGlobalNorm(gradients: readonly RowGradients[], maxNorm: number): number {
  if (!(maxNorm > 0))
    throw new TrainingError(`gradient clipping: found a norm of ${maxNorm}, expected a number above 0`);
  const norm = globalNorm(gradients);
  const scale = maxNorm / (norm + 1e-6);
  if (scale < 1) for (const { data } of gradients) for (let i = 0; i < data.length; i++) data[i] = data[i]! * scale;
  return norm;
}
