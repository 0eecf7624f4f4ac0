// Random choices as a pure function of (seed, stream, epoch, index): skipping, resuming or dividing the work never
// changes them. The key of Philox is the seed; its counter is (block, index, epoch, stream), one stream for each kind
// of choice.

import { mulhi, philox4x32 } from "../random/philox.js";
import { checkMoment } from "./checks.js";
import type { Moment } from "./types.js";

/**
 * One number for each kind of choice, so that no two kinds ever share random bits. Part of the reproducibility
 * contract.
 */
export const STREAM = { documentOrder: 1, batchOrder: 2, interactions: 3, masking: 4, prompts: 5 } as const;

/** A cursor into the counter space. `start` places it; it holds no other state. */
export class CounterRandom {
  readonly #block = new Uint32Array(4);
  #used = 4;
  #counter = 0;
  #index = 0;
  #epoch = 0;
  #stream = 0;
  #key0 = 0;
  #key1 = 0;

  /** Places the cursor at the first word of (moment, stream, index). Returns itself. */
  start(moment: Moment, stream: number, index: number): this {
    checkMoment(moment);
    this.#key0 = moment.seed >>> 0;
    this.#key1 = Math.floor(moment.seed / 0x100000000) >>> 0;
    this.#epoch = moment.epoch;
    this.#stream = stream;
    this.#index = index;
    this.#counter = 0;
    this.#used = 4;
    return this;
  }

  /** 32 random bits, as an unsigned integer. */
  uint32(): number {
    if (this.#used === 4) {
      philox4x32(this.#block, this.#counter++, this.#index, this.#epoch, this.#stream, this.#key0, this.#key1);
      this.#used = 0;
    }
    return this.#block[this.#used++]!;
  }

  /** Uniform in [0, 1), in steps of 2⁻³². */
  unit(): number {
    return this.uint32() / 0x100000000;
  }

  /** An exactly uniform integer in [0, bound), 1 ≤ bound < 2³² (Lemire 2019: multiply, reject the short remainder). */
  below(bound: number): number {
    let word = this.uint32();
    let low = Math.imul(word, bound) >>> 0;
    if (low < bound) {
      const rejected = (0x100000000 - bound) % bound;
      while (low < rejected) {
        word = this.uint32();
        low = Math.imul(word, bound) >>> 0;
      }
    }
    return mulhi(word, bound);
  }

  /**
   * Moves a uniformly random ordered sample of `count` of the first `length` values to the front (Fisher–Yates, stopped
   * early).
   */
  shuffle(values: Int32Array, length: number, count: number = length): void {
    const last = Math.min(count, length - 1);
    for (let i = 0; i < last; i++) {
      const j = i + this.below(length - i);
      const value = values[i]!;
      values[i] = values[j]!;
      values[j] = value;
    }
  }
}
