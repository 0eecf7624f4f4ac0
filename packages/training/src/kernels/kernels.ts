// The passes over whole tables that every update makes, in WebAssembly: several times as fast as the same loops in
// JavaScript, which has no SIMD. Source: kernels.wat; `node scripts/build-kernels.mjs` assembles it.
import { KERNELS } from "./kernels.wasm.js";

/**
 * Numbers that a pass takes at a time: four arrays of them fill the kernels' memory, 128 KiB, and fit the processor's
 * nearer caches.
 */
const BLOCK = 8192;

/** What is used of an API whose types come with those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer };
  adam(n: number, beta1: number, fresh1: number, beta2: number, fresh2: number, size: number, epsilon: number): void;
  average(n: number, decay: number, fresh: number): void;
  sumOfSquares(n: number): number;
}

const kernels = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(KERNELS, "base64"))).exports as Kernels;
const [current, other, first, second] = [0, 1, 2, 3].map(
  (place) => new Float32Array(kernels.memory.buffer, place * BLOCK * 4, BLOCK),
) as [Float32Array, Float32Array, Float32Array, Float32Array];

/**
 * As many as the kernels take: a multiple of 8. What is behind the end of a block is computed too, and left where it
 * is.
 */
const vectors = (n: number): number => (n + 7) & ~7;

/** Parameters and moments, arrays of one length. */
export interface Moments {
  readonly parameters: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export interface AdamCoefficients {
  readonly beta1: number;
  readonly beta2: number;
  /** What m/(√v + ε) is multiplied by: learning rate and bias corrections. */
  readonly size: number;
  /** ε beside the uncorrected √v. */
  readonly epsilon: number;
}

/**
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − size·m/(√v + ε) for `length` numbers from `at` on, in place and in
 * single precision.
 * @param gradient of those numbers, of that length; absent: 0
 */
export function adamPass(
  { parameters, first: m, second: v }: Moments,
  at: number,
  length: number,
  gradient: Float32Array | undefined,
  { beta1, beta2, size, epsilon }: AdamCoefficients,
): void {
  for (let from = at; from < at + length; from += BLOCK) {
    const to = Math.min(from + BLOCK, at + length);
    const n = to - from;
    current.set(parameters.subarray(from, to));
    if (gradient) other.set(gradient.subarray(from - at, to - at));
    else other.fill(0);
    first.set(m.subarray(from, to));
    second.set(v.subarray(from, to));
    kernels.adam(vectors(n), beta1, 1 - beta1, beta2, 1 - beta2, size, epsilon);
    parameters.set(current.subarray(0, n), from);
    m.set(first.subarray(0, n), from);
    v.set(second.subarray(0, n), from);
  }
}

/** average ← decay·average + (1 − decay)·values for `length` numbers from `at` on, in place and in single precision. */
export function averagePass(
  average: Float32Array,
  values: Float32Array,
  at: number,
  length: number,
  decay: number,
): void {
  for (let from = at; from < at + length; from += BLOCK) {
    const to = Math.min(from + BLOCK, at + length);
    current.set(values.subarray(from, to));
    other.set(average.subarray(from, to));
    kernels.average(vectors(to - from), decay, 1 - decay);
    average.set(other.subarray(0, to - from), from);
  }
}

/** Σ x², in double precision. */
export function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (let from = 0; from < values.length; from += BLOCK) {
    const n = Math.min(BLOCK, values.length - from);
    current.set(values.subarray(from, from + n));
    current.fill(0, n, vectors(n));
    sum += kernels.sumOfSquares(vectors(n));
  }
  return sum;
}
