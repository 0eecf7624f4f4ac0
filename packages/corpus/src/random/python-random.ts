// CPython's `random.seed(int)` and `random.shuffle`, draw for draw: Lib/random.py and Modules/_randommodule.c,
// unchanged since Python 3.2.
import { Mt19937 } from "./mt19937.js";

/** The generator behind Python's module `random`. */
export class PythonRandom {
  readonly #generator: Mt19937;

  /** As `random.seed(seed)`. @param seed an integer in [0, 2⁵³). */
  constructor(seed: number) {
    const high = Math.floor(seed / 2 ** 32);
    this.#generator = Mt19937.fromKey(high === 0 ? [seed] : [seed % 2 ** 32, high]);
  }

  /** As `random.getrandbits(bits)`. @param bits an integer in [1, 32]. */
  bits(bits: number): number {
    return this.#generator.next() >>> (32 - bits);
  }

  /** As `random.shuffle(values)`, in place. Up to 2³² − 1 values. */
  shuffle(values: { [index: number]: number; readonly length: number }): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.#below(i + 1);
      const value = values[i]!;
      values[i] = values[j]!;
      values[j] = value;
    }
  }

  /** An integer in [0, n): numbers of as many bits as n has, until one is below n. */
  #below(n: number): number {
    const bits = 32 - Math.clz32(n);
    for (;;) {
      const drawn = this.bits(bits);
      if (drawn < n) return drawn;
    }
  }
}
