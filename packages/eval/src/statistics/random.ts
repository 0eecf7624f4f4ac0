// A small seeded generator for resampling: the same numbers on every machine, in integer arithmetic alone.
import { EvaluationError } from "../error.js";

/**
 * xoshiro128** 1.1 (Blackman & Vigna 2018, "Scrambled linear pseudorandom number generators"), its 128 bits of state
 * filled by two outputs of SplitMix64, as its authors advise.
 */
export class Xoshiro128 {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** The generator in the state of four 32-bit words, not all zero. */
  constructor(state: readonly [number, number, number, number]) {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /** @throws {EvaluationError} unless the seed is an integer in 0 … 2⁵³ − 1. */
  static fromSeed(seed: number): Xoshiro128 {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new EvaluationError(`seed: found ${seed}, expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}.`);
    }
    const words: number[] = [];
    for (let i = 1n; i <= 2n; i++) {
      let z = BigInt.asUintN(64, BigInt(seed) + i * 0x9e3779b97f4a7c15n);
      z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
      z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
      z ^= z >> 31n;
      words.push(Number(z & 0xffffffffn), Number(z >> 32n));
    }
    return new Xoshiro128([words[0]!, words[1]!, words[2]!, words[3]!]);
  }

  /** The next 32 bits, as an integer in 0 … 2³² − 1. */
  next(): number {
    const b = this.#b;
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const c = this.#c ^ this.#a;
    const d = this.#d ^ b;
    this.#b = b ^ c;
    this.#a ^= d;
    this.#c = c ^ (b << 9);
    this.#d = (d << 11) | (d >>> 21);
    return result;
  }

  /**
   * Adds 1 to `counts[i]` for `draws` uniform draws of i in 0 … counts.length − 1, without bias (draws past the last
   * whole multiple are repeated).
   */
  countDraws(counts: Int32Array, draws: number): void {
    const width = Math.floor(2 ** 32 / counts.length);
    const limit = width * counts.length;
    for (let drawn = 0; drawn < draws; ) {
      const bits = this.next();
      if (bits >= limit) continue;
      counts[Math.floor(bits / width)]!++;
      drawn++;
    }
  }
}
