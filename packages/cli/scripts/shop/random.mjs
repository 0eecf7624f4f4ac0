// Seeded random numbers from additions, shifts and multiplications alone, so that a seed means the same data on every
// machine.

/**
 * A generator of its own for each name, so that a change in one part of the shop leaves the draws of the others alone.
 */
export class Random {
  #state;

  /**
   * @param {number} seed
   * @param {string} [name]
   */
  constructor(seed, name = "") {
    let state = seed | 0;
    for (const character of name) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193);
    this.#state = state;
  }

  /** Uniform in [0, 1): SplitMix32. */
  unit() {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let z = Math.imul(this.#state ^ (this.#state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  }

  /** @param {number} bound an integer from 0 to bound − 1 */
  below(bound) {
    return Math.floor(this.unit() * bound);
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T}
   */
  pick(list) {
    return /** @type {T} */ (list[this.below(list.length)]);
  }

  /**
   * Different elements.
   * @template T
   * @param {readonly T[]} list
   * @param {number} count
   */
  sample(list, count) {
    const left = [...list];
    return Array.from({ length: count }, () => /** @type {T} */ (left.splice(this.below(left.length), 1)[0]));
  }

  /**
   * An index, each with a probability in proportion to its weight.
   * @param {ArrayLike<number>} weights
   */
  weighted(weights) {
    let total = 0;
    for (let i = 0; i < weights.length; i++) total += weights[i] ?? 0;
    let left = this.unit() * total;
    for (let i = 0; i < weights.length; i++) {
      left -= weights[i] ?? 0;
      if (left < 0) return i;
    }
    return weights.length - 1;
  }

  /**
   * About standard normal: twelve uniform numbers less their mean (no logarithm, whose last bit may differ between
   * engines).
   */
  normal() {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.unit();
    return sum;
  }
}
