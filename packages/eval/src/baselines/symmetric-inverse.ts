// The inverse of a symmetric positive definite matrix, in place and block by block: Goodnight's sweep operator (1979)
// on blocks.
// Shapes: n the matrix's order, b a block's width, K the rows of the block at hand, R all the others.
import { EvaluationError } from "../error.js";
import { turn } from "./turn.js";

/**
 * A matrix product in single precision: [m, k] · [k, n] → [m, n], all row-major. The result may be overwritten by
 * the next call; the arguments may not be kept.
 */
export type Multiply = (
  a: Float32Array,
  b: Float32Array,
  m: number,
  k: number,
  n: number,
) => Float32Array | Promise<Float32Array>;

/** How to invert. */
export interface InverseOptions {
  /** For the products that are nearly all of the work; default: in this thread, in double precision. */
  readonly multiply?: Multiply;
  readonly signal?: AbortSignal;
  /** The share of the work that is done. */
  readonly onProgress?: (share: number) => void;
}

/** Of a block that is swept, and of a stripe of columns that is updated at once. */
interface Widths {
  readonly block: number;
  readonly stripe: number;
}

/** The fastest of those tried: panels that stay in the caches; products large enough to be worth a call. */
const OWN: Widths = { block: 96, stripe: 96 };
const MULTIPLIED: Widths = { block: 512, stripe: 1024 };

/**
 * Replaces a by its inverse. About n³ additions and multiplications.
 *
 * Sweeping block K turns [A_KK, A_KR; ·, A_RR] into [−A_KK⁻¹, A_KK⁻¹·A_KR; ·, A_RR − A_RK·A_KK⁻¹·A_KR]; when every
 * block has been swept, −A⁻¹ is left. No pivots are chosen: for a positive definite matrix none are needed, and the
 * error grows with its condition.
 *
 * @param a [n, n] row-major; only the upper triangle is read
 * @throws {EvaluationError} where the matrix is not positive definite; the signal's reason when it is aborted
 */
export async function invertSymmetric(
  a: Float64Array,
  n: number,
  { multiply, signal, onProgress }: InverseOptions = {},
  { block, stripe }: Widths = multiply ? MULTIPLIED : OWN,
): Promise<void> {
  for (let from = 0; from < n; from += block) {
    signal?.throwIfAborted();
    const b = Math.min(block, n - from);
    const inverse = invertBlock(a, n, from, b);
    const panel = rowsAgainst(a, n, from, b); // A_RK, [n, b]
    if (multiply) {
      const product = checked(await multiply(Float32Array.from(panel), Float32Array.from(inverse), n, b, b), n, b, b);
      const scaled = product.slice(); // A_RK·A_KK⁻¹, [n, b]; the product is only lent
      await updateBy(multiply, a, n, panel, scaled, b, stripe);
      writeBlock(a, n, from, b, inverse, scaled);
    } else {
      const scaled = new Float64Array(n * b); // A_RK·A_KK⁻¹, [n, b]
      const negative = inverse.map((value) => -value);
      subtractProducts(scaled, b, panel, negative, b, [0, n], [0, b]);
      for (let to = 0; to < n; to += stripe) {
        const end = Math.min(to + stripe, n);
        subtractProducts(a, n, panel, scaled, b, [0, end], [to, end]);
      }
      writeBlock(a, n, from, b, inverse, scaled);
    }
    onProgress?.((from + b) / n);
    await turn();
  }
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      const value = -a[i * n + j]!;
      a[i * n + j] = value;
      a[j * n + i] = value;
    }
  }
}

/** A_KK⁻¹ [b, b], by sweeping its rows one by one. */
function invertBlock(a: Float64Array, n: number, from: number, b: number): Float64Array {
  const block = new Float64Array(b * b);
  for (let i = 0; i < b; i++) {
    for (let j = i; j < b; j++) {
      const value = a[(from + i) * n + from + j]!;
      block[i * b + j] = value;
      block[j * b + i] = value;
    }
  }
  for (let k = 0; k < b; k++) {
    const pivot = block[k * b + k]!;
    if (!(pivot > 0)) {
      throw new EvaluationError(
        `inverse, row ${from + k}: found the pivot ${pivot}, expected one above 0 (a positive definite matrix); ` +
          "choose a larger λ.",
      );
    }
    const row = block.slice(k * b, (k + 1) * b);
    for (let i = 0; i < b; i++) {
      const share = row[i]! / pivot;
      if (i === k || share === 0) continue;
      for (let j = 0; j < b; j++) block[i * b + j]! -= share * row[j]!;
    }
    for (let j = 0; j < b; j++) {
      block[k * b + j] = row[j]! / pivot;
      block[j * b + k] = row[j]! / pivot;
    }
    block[k * b + k] = -1 / pivot;
  }
  return block.map((value) => -value);
}

/** Column K of every other row, [n, b]; rows of K are zero, so that nothing is added to them. */
function rowsAgainst(a: Float64Array, n: number, from: number, b: number): Float64Array {
  const panel = new Float64Array(n * b);
  for (let j = 0; j < from; j++) panel.set(a.subarray(j * n + from, j * n + from + b), j * b);
  for (let p = 0; p < b; p++) {
    const row = (from + p) * n;
    for (let j = from + b; j < n; j++) panel[j * b + p] = a[row + j]!;
  }
  return panel;
}

/** Puts A_KK⁻¹·A_KR and −A_KK⁻¹ into their places in the upper triangle. */
function writeBlock(
  a: Float64Array,
  n: number,
  from: number,
  b: number,
  inverse: Float64Array,
  scaled: Float64Array | Float32Array,
): void {
  for (let j = 0; j < from; j++) a.set(scaled.subarray(j * b, (j + 1) * b), j * n + from);
  for (let p = 0; p < b; p++) {
    const row = (from + p) * n;
    for (let q = p; q < b; q++) a[row + from + q] = -inverse[p * b + q]!;
    for (let j = from + b; j < n; j++) a[row + j] = scaled[j * b + p]!;
  }
}

/** A_RR − A_RK·(A_RK·A_KK⁻¹)ᵀ in the upper triangle, stripe of columns by stripe, with somebody else's product. */
async function updateBy(
  multiply: Multiply,
  a: Float64Array,
  n: number,
  panel: Float64Array,
  scaled: Float32Array,
  b: number,
  stripe: number,
): Promise<void> {
  const rows = Float32Array.from(panel); // [n, b]
  for (let from = 0; from < n; from += stripe) {
    const to = Math.min(from + stripe, n);
    const m = to - from;
    const columns = new Float32Array(b * m); // [b, m]
    for (let j = 0; j < m; j++) for (let p = 0; p < b; p++) columns[p * m + j] = scaled[(from + j) * b + p]!;
    const product = checked(await multiply(rows.subarray(0, to * b), columns, to, b, m), to, b, m);
    for (let i = 0; i < to; i++) {
      const [row, start] = [i * n, i * m - from];
      for (let j = Math.max(from, i); j < to; j++) a[row + j]! -= product[start + j]!;
    }
  }
}

/** A caller's product, if it has the size that it was asked for. */
function checked(product: Float32Array, m: number, k: number, n: number): Float32Array {
  if (product.length === m * n) return product;
  throw new EvaluationError(
    `multiply: found ${product.length} values, expected ${m * n} for [${m}, ${k}] · [${k}, ${n}].`,
  );
}

/**
 * out[i, j] −= x[i] · y[j] for rows i and columns j in the ranges, where x[i] and y[j] are rows of `k` values. Tiles of
 * 4 × 2, whose eight sums stay in registers.
 */
function subtractProducts(
  out: Float64Array,
  stride: number,
  x: Float64Array,
  y: Float64Array,
  k: number,
  [i0, i1]: readonly [number, number],
  [j0, j1]: readonly [number, number],
): void {
  const iTiles = i0 + ((i1 - i0) & ~3);
  const jTiles = j0 + ((j1 - j0) & ~1);
  for (let i = i0; i < iTiles; i += 4) {
    const x0 = i * k;
    const x1 = x0 + k;
    const x2 = x1 + k;
    const x3 = x2 + k;
    for (let j = j0; j < jTiles; j += 2) {
      const y0 = j * k;
      const y1 = y0 + k;
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      let s20 = 0;
      let s21 = 0;
      let s30 = 0;
      let s31 = 0;
      for (let p = 0; p < k; p++) {
        const u = y[y0 + p]!;
        const v = y[y1 + p]!;
        const a = x[x0 + p]!;
        const b = x[x1 + p]!;
        const c = x[x2 + p]!;
        const d = x[x3 + p]!;
        s00 += a * u;
        s01 += a * v;
        s10 += b * u;
        s11 += b * v;
        s20 += c * u;
        s21 += c * v;
        s30 += d * u;
        s31 += d * v;
      }
      const at = i * stride + j;
      out[at]! -= s00;
      out[at + 1]! -= s01;
      out[at + stride]! -= s10;
      out[at + stride + 1]! -= s11;
      out[at + 2 * stride]! -= s20;
      out[at + 2 * stride + 1]! -= s21;
      out[at + 3 * stride]! -= s30;
      out[at + 3 * stride + 1]! -= s31;
    }
  }
  const rest = (i: number, j: number): void => {
    let sum = 0;
    for (let p = 0; p < k; p++) sum += x[i * k + p]! * y[j * k + p]!;
    out[i * stride + j]! -= sum;
  };
  for (let i = i0; i < iTiles; i++) for (let j = jTiles; j < j1; j++) rest(i, j);
  for (let i = iTiles; i < i1; i++) for (let j = j0; j < j1; j++) rest(i, j);
}
