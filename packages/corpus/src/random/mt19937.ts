// The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), as CPython's `random` and NumPy's legacy `RandomState`
// use it. The two seed it and draw from it in different ways: python-random.ts and numpy-random-state.ts.

const N = 624;
const M = 397;

/** A stream of 32-bit numbers. State: 624 words and a position. */
export class Mt19937 {
  readonly #words: Uint32Array;
  #at = N;

  private constructor(words: Uint32Array) {
    this.#words = words;
  }

  /** `init_genrand` of the authors' reference code. @param seed an integer in [0, 2³²). */
  static fromSeed(seed: number): Mt19937 {
    const words = new Uint32Array(N);
    words[0] = seed;
    for (let i = 1; i < N; i++) {
      const previous = words[i - 1]!;
      words[i] = Math.imul(previous ^ (previous >>> 30), 1812433253) + i;
    }
    return new Mt19937(words);
  }

  /** `init_by_array` of the authors' reference code. @param key at least one word of 32 bits. */
  static fromKey(key: readonly number[]): Mt19937 {
    const generator = Mt19937.fromSeed(19650218);
    const words = generator.#words;
    let i = 1;
    const mixed = (factor: number) => {
      const previous = words[i - 1]!;
      return words[i]! ^ Math.imul(previous ^ (previous >>> 30), factor);
    };
    const advance = () => {
      if (++i < N) return;
      words[0] = words[N - 1]!;
      i = 1;
    };
    for (let k = 0, j = 0; k < Math.max(N, key.length); k++) {
      words[i] = mixed(1664525) + key[j]! + j;
      advance();
      j = (j + 1) % key.length;
    }
    for (let k = 1; k < N; k++) {
      words[i] = mixed(1566083941) - i;
      advance();
    }
    words[0] = 0x80000000;
    return generator;
  }

  /** The next number: an integer in [0, 2³²). */
  next(): number {
    if (this.#at === N) this.#twist();
    let y = this.#words[this.#at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const words = this.#words;
    for (let k = 0; k < N; k++) {
      const y = (words[k]! & 0x80000000) | (words[(k + 1) % N]! & 0x7fffffff);
      words[k] = words[(k + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }
}
