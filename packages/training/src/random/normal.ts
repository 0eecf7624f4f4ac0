// Normally distributed numbers by (seed, stream, row, pair): the same bits on every machine, in any order, for any
// number of rows. Marsaglia's polar method with a logarithm made of +, −, ×, ÷ alone; Math.log and Math.cos may differ
// in the last bit between engines.
import { philox4x32 } from "@cllm4rec/corpus/random";
import { TrainingError } from "../error.js";

const LN2_HIGH = 0.6931471803691238; // 32 significant bits, so that an integer times it is exact
const LN2_LOW = 1.9082149292705877e-10;

/** 1/3, 1/5, … 1/23: the coefficients of artanh(s)/s − 1 in s². */
const RECIPROCALS = Float64Array.from({ length: 11 }, (_, n) => 1 / (2 * n + 3));

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer); // little-endian, as every platform of Node is but one; checked below
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;

/**
 * ln x for positive, normal x: x = 2ᵉ·m with √½ ≤ m < √2, ln m = 2·artanh((m−1)/(m+1)). Within 2 units of the last
 * place.
 */
export function portableLog(x: number): number {
  double[0] = x;
  let exponent = (words[HIGH]! >>> 20) - 1023;
  words[HIGH] = (words[HIGH]! & 0xfffff) | 0x3ff00000;
  let m = double[0];
  if (m > Math.SQRT2) {
    m /= 2;
    exponent++;
  }
  const s = (m - 1) / (m + 1); // |s| < 0.1716
  const s2 = s * s;
  let series = 0;
  for (let n = RECIPROCALS.length - 1; n >= 0; n--) series = (series + RECIPROCALS[n]!) * s2;
  return exponent * LN2_HIGH + (2 * s * (1 + series) + exponent * LN2_LOW);
}

/** Splits a seed into a key of two words. @throws TrainingError unless it is an integer from 0 to 2⁵³ − 1 */
export function keyOf(seed: number): readonly [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new TrainingError(`seed: found ${seed}, expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/**
 * Fills `target` [rows, width] with independent draws from N(0, 1). Row r depends on (seed, stream, r, width position)
 * alone: a table with more rows begins with the same ones.
 * @param stream tells tables apart; an integer below 2³²
 */
export function fillNormal(target: Float32Array, width: number, seed: number, stream: number): void {
  const [key0, key1] = keyOf(seed);
  const block = new Uint32Array(4);
  const rows = target.length / width;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column += 2) {
      // Each attempt is two candidate points of the square; 0.21² = 5% of the attempts need another.
      for (let attempt = 0, found = false; !found; attempt++) {
        philox4x32(block, attempt, column / 2, row, stream, key0, key1);
        for (let half = 0; half < 2 && !found; half++) {
          const u = (block[2 * half]! + 0.5) * 2 ** -31 - 1;
          const v = (block[2 * half + 1]! + 0.5) * 2 ** -31 - 1;
          const s = u * u + v * v;
          if (s >= 1 || s === 0) continue;
          const factor = Math.sqrt((-2 * portableLog(s)) / s);
          target[row * width + column] = u * factor;
          if (column + 1 < width) target[row * width + column + 1] = v * factor;
          found = true;
        }
      }
    }
  }
}
