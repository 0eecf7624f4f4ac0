// NumPy's legacy `np.random.seed(int)` and `np.random.shuffle`, draw for draw. NumPy keeps this stream frozen (NEP 19).
import { Mt19937 } from "./mt19937.js";

/** `numpy.random.RandomState`, as far as it shuffles. */
export class NumpyRandomState {
  readonly #generator: Mt19937;

  /** As `np.random.seed(seed)`. @param seed an integer in [0, 2³²). */
  constructor(seed: number) {
    this.#generator = Mt19937.fromSeed(seed);
  }

  /** As `np.random.shuffle(values)` on a list or an array of one dimension, in place. Up to 2³² values. */
  shuffle(values: { [index: number]: number; readonly length: number }): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.#upTo(i);
      const value = values[i]!;
      values[i] = values[j]!;
      values[j] = value;
    }
  }

  /** `random_interval`: an integer in [0, max], by masking and rejection. */
  #upTo(max: number): number {
    const mask = 0xffffffff >>> Math.clz32(max);
    for (;;) {
      const drawn = (this.#generator.next() & mask) >>> 0;
      if (drawn <= max) return drawn;
    }
  }
}
