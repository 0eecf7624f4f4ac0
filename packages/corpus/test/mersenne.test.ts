// The Mersenne Twister behind Python's `random` and NumPy's legacy `np.random`, against both (test/oracle/mersenne.py).
import fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Mt19937 } from "../src/random/mt19937.js";
import { NumpyRandomState } from "../src/random/numpy-random-state.js";
import { PythonRandom } from "../src/random/python-random.js";

interface Shuffled {
  readonly length: number;
  readonly values?: readonly number[];
  readonly first?: readonly number[];
  readonly sum?: number;
}
interface Goldens {
  readonly python: readonly {
    readonly seed: number;
    readonly first: readonly number[];
    readonly at624: readonly number[];
    readonly bits: readonly number[];
    readonly shuffles: readonly Shuffled[];
  }[];
  readonly numpy: readonly { readonly seed: number; readonly shuffles: readonly Shuffled[] }[];
}

const goldens: Goldens = JSON.parse(fs.readFileSync(new URL("fixtures/mersenne.json", import.meta.url), "utf8"));

/** Σ position · value mod 2³¹ − 1, as the oracle writes it. */
function checksum(values: Int32Array): number {
  const total = values.reduce((sum, value, position) => sum + BigInt(position) * BigInt(value), 0n);
  return Number(total % (2n ** 31n - 1n));
}

function expectShuffles(shuffle: (values: Int32Array) => void, shuffles: readonly Shuffled[]): void {
  for (const { length, values, first, sum } of shuffles) {
    const own = Int32Array.from({ length }, (_, k) => k);
    shuffle(own);
    if (values) expect(Array.from(own)).toEqual(values);
    else expect([Array.from(own.subarray(0, 8)), checksum(own)]).toEqual([first, sum]);
  }
}

test("the reference code's own first numbers: init_by_array {0x123, 0x234, 0x345, 0x456} (mt19937ar.out)", () => {
  const generator = Mt19937.fromKey([0x123, 0x234, 0x345, 0x456]);
  expect(Array.from({ length: 5 }, () => generator.next())).toEqual([
    1067595299, 955945823, 477289528, 4107218783, 4228976476,
  ]);
});

describe.each(goldens.python)("Python, seed $seed", ({ seed, first, at624, bits, shuffles }) => {
  test("32-bit numbers, past the first twist", () => {
    const random = new PythonRandom(seed);
    const drawn = Array.from({ length: 700 }, () => random.bits(32));
    expect([drawn.slice(0, 4), drawn.slice(622, 628)]).toEqual([first, at624]);
  });

  test("getrandbits of 1 to 32 bits", () => {
    const random = new PythonRandom(seed);
    expect(bits.map((_, k) => random.bits(k + 1))).toEqual(bits);
  });

  test("lists shuffled one after the other", () => {
    const random = new PythonRandom(seed);
    expectShuffles((values) => random.shuffle(values), shuffles);
  });
});

describe.each(goldens.numpy)("NumPy, seed $seed", ({ seed, shuffles }) => {
  test("lists shuffled one after the other", () => {
    const random = new NumpyRandomState(seed);
    expectShuffles((values) => random.shuffle(values), shuffles);
  });
});

test("a shuffle is a permutation, of plain arrays too", () => {
  const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(seed, fc.array(fc.integer(), { maxLength: 300 }), (value, values) => {
      for (const random of [new PythonRandom(value), new NumpyRandomState(value)]) {
        const shuffled = [...values];
        random.shuffle(shuffled);
        expect(shuffled.toSorted((a, b) => a - b)).toEqual(values.toSorted((a, b) => a - b));
      }
    }),
  );
});
