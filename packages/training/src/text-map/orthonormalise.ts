// Orthonormal columns of a tall matrix, nearly all of it in matrix products.
import type { EngineProduct } from "@cllm4rec/onnx-grad";

// Shape legend: n rows, c columns, c of at most some hundreds.

/** The first pass's shift keeps an ill-conditioned Gram matrix positive; the others mend what it leaves. */
const SHIFTS = [1e-5, 1e-7, 0];
/** A column with less of its own than this share of the largest is a combination of those before it. */
const DEPENDENT = 1e-12;

/**
 * The columns of A [n, c], each without its part along those before it, at length 1: Q of A = Q·R. Columns that depend
 * on others may come out as zeros. By shifted Cholesky QR, three times (Fukaya and others 2020).
 */
export async function orthonormalised(
  a: Float32Array,
  n: number,
  c: number,
  multiply: EngineProduct,
): Promise<Float32Array> {
  let q = a;
  for (const shift of SHIFTS) {
    const gram = await multiply(transposed(q, n, c), q, c, n, c);
    q = (await multiply(q, inverseFactor(gram, c, shift), n, c, c)).slice();
  }
  return q;
}

/** A [n, c] turned, [c, n]. */
export function transposed(a: Float32Array, n: number, c: number): Float32Array {
  const turned = new Float32Array(n * c);
  for (let i = 0; i < n; i++) for (let j = 0; j < c; j++) turned[j * n + i] = a[i * c + j]!;
  return turned;
}

/** R⁻¹ of G + shift·max(diagonal)·I = RᵀR with R upper triangular, in double precision. */
function inverseFactor(gram: Float32Array, c: number, shift: number): Float32Array {
  let largest = 0;
  for (let i = 0; i < c; i++) largest = Math.max(largest, gram[i * c + i]!);
  // L = Rᵀ and its inverse, row by row.
  const L = new Float64Array(c * c);
  const inverse = new Float64Array(c * c);
  for (let i = 0; i < c; i++) {
    const row = i * c;
    for (let j = 0; j <= i; j++) {
      let sum = gram[row + j]! + (i === j ? shift * largest : 0);
      for (let k = 0; k < j; k++) sum -= L[row + k]! * L[j * c + k]!;
      if (i === j) L[row + i] = sum > DEPENDENT * largest ? Math.sqrt(sum) : 0;
      else L[row + j] = L[j * c + j]! > 0 ? sum / L[j * c + j]! : 0;
    }
    const pivot = L[row + i]!;
    if (pivot === 0) continue;
    for (let k = 0; k < i; k++) {
      const factor = L[row + k]!;
      if (factor === 0) continue;
      for (let j = 0; j <= k; j++) inverse[row + j]! -= factor * inverse[k * c + j]!;
    }
    for (let j = 0; j < i; j++) inverse[row + j]! /= pivot;
    inverse[row + i] = 1 / pivot;
  }
  const upper = new Float32Array(c * c); // R⁻¹ = (L⁻¹)ᵀ
  for (let i = 0; i < c; i++) for (let j = 0; j <= i; j++) upper[j * c + i] = inverse[i * c + j]!;
  return upper;
}
