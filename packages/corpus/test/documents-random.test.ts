// The counter-based generator: published vectors, exact products, unbiased bounded integers, and independence of what
// was drawn before.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CounterRandom, STREAM } from "../src/documents/random.js";
import { mulhi, philox4x32 } from "../src/random/philox.js";

const words = (hex: string) => hex.split(" ").map((word) => Number.parseInt(word, 16));

/** Pearson's statistic of counts against equal expectations; its mean is k − 1, its standard deviation √(2(k − 1)). */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe("Philox4x32-10", () => {
  // Known answers published with Random123 (kat_vectors), counter ‖ key → block.
  test.each([
    ["00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    ["ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    ["243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ])("counter %s, key %s", (counter, key, block) => {
    const out = new Uint32Array(4);
    const [c0, c1, c2, c3] = words(counter);
    const [k0, k1] = words(key);
    philox4x32(out, c0!, c1!, c2!, c3!, k0!, k1!);
    expect([...out]).toEqual(words(block));
  });

  test("every block is the same in 64-bit integers", () => {
    const word = fc.nat(0xffffffff);
    const words = fc.tuple(word, word, word, word, word, word);
    fc.assert(
      fc.property(words, ([a, b, c, d, k0, k1]) => {
        const block = new Uint32Array(4);
        philox4x32(block, a, b, c, d, k0, k1);
        let x = [a, b, c, d].map(BigInt) as [bigint, bigint, bigint, bigint];
        let [key0, key1] = [BigInt(k0), BigInt(k1)];
        const low = 0xffffffffn;
        for (let round = 0; round < 10; round++) {
          const [p, q] = [0xd2511f53n * x[0], 0xcd9e8d57n * x[2]];
          x = [(q >> 32n) ^ x[1] ^ key0, q & low, (p >> 32n) ^ x[3] ^ key1, p & low];
          [key0, key1] = [(key0 + 0x9e3779b9n) & low, (key1 + 0xbb67ae85n) & low];
        }
        expect([...block].map(BigInt)).toEqual(x);
      }),
      { numRuns: 2000 },
    );
  });

  test("the upper half of a product is exact", () => {
    const word = fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, 1, 0xffff, 0x10000, 0xffffffff));
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(mulhi(a, b)).toBe(Number((BigInt(a) * BigInt(b)) >> 32n));
      }),
      { numRuns: 5000 },
    );
  });
});

describe("CounterRandom", () => {
  test("places seed, epoch, stream and index in key and counter", () => {
    const out = new Uint32Array(4);
    const seed = 0x1_2345_6789; // key words 0x23456789 and 1
    const random = new CounterRandom().start({ seed, epoch: 7 }, STREAM.masking, 11);
    for (const block of [0, 1]) {
      philox4x32(out, block, 11, 7, STREAM.masking, 0x23456789, 1);
      for (const word of out) expect(random.uint32()).toBe(word);
    }
  });

  test("what was drawn before does not matter", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(1000), fc.nat(1e6), fc.nat(9), (seed, epoch, index, before) => {
        const fresh = new CounterRandom().start({ seed, epoch }, STREAM.interactions, index);
        const used = new CounterRandom().start({ seed: 1, epoch: 2 }, STREAM.prompts, 3);
        for (let k = 0; k < before; k++) used.uint32();
        used.start({ seed, epoch }, STREAM.interactions, index);
        for (let k = 0; k < 9; k++) expect(used.uint32()).toBe(fresh.uint32());
      }),
    );
  });

  test("no two streams, epochs, indices or seeds share a first block", () => {
    const seen = new Set<string>();
    let drawn = 0;
    for (const seed of [0, 1, 2 ** 32, 2 ** 53 - 1])
      for (const epoch of [0, 1, 2, 2 ** 32 - 1])
        for (const stream of Object.values(STREAM))
          for (const index of [0, 1, 2, 4_000_000_000]) {
            const random = new CounterRandom().start({ seed, epoch }, stream, index);
            seen.add([0, 0, 0, 0].map(() => random.uint32()).join());
            drawn++;
          }
    expect(seen.size).toBe(drawn);
  });

  test("bounded integers are uniform, also for bounds that do not divide 2³²", () => {
    for (const bound of [1, 2, 3, 7, 100, 3_000_000_000]) {
      const random = new CounterRandom().start({ seed: 5, epoch: 0 }, STREAM.prompts, bound);
      const cells = Math.min(bound, 100);
      const counts = new Array<number>(cells).fill(0);
      for (let k = 0; k < 40_000; k++) {
        const value = random.below(bound);
        expect(value).toBeLessThan(bound);
        counts[Math.floor((value * cells) / bound)]!++;
      }
      const df = cells - 1;
      expect(Math.abs(chiSquare(counts) - df)).toBeLessThanOrEqual(4 * Math.sqrt(2 * df));
    }
  });

  test("the short remainder is rejected: below 3·2³⁰, without it, every third value would come twice as often", () => {
    const random = new CounterRandom().start({ seed: 6, epoch: 0 }, STREAM.prompts, 0);
    const counts = [0, 0, 0];
    for (let k = 0; k < 30_000; k++) counts[random.below(3 * 2 ** 30) % 3]!++;
    expect(chiSquare(counts)).toBeLessThan(2 + 4 * 2);
  });

  test.each([
    [{ seed: -1, epoch: 0 }, /seed is -1/],
    [{ seed: 0.5, epoch: 0 }, /seed is 0.5/],
    [{ seed: 2 ** 53, epoch: 0 }, /seed is 9007199254740992/],
    [{ seed: 0, epoch: -1 }, /epoch is -1/],
    [{ seed: 0, epoch: 2 ** 32 }, /epoch is 4294967296/],
  ])("refuses %j", (moment, message) => {
    expect(() => new CounterRandom().start(moment, STREAM.prompts, 0)).toThrow(message);
  });

  test("a shuffled sample of 3 of 5 is uniform over the 60 ordered samples", () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 24_000; index++) {
      const values = Int32Array.of(0, 1, 2, 3, 4);
      new CounterRandom().start({ seed: 9, epoch: 1 }, STREAM.interactions, index).shuffle(values, 5, 3);
      expect([...values].sort()).toEqual([0, 1, 2, 3, 4]);
      const sample = values.subarray(0, 3).join("");
      counts.set(sample, (counts.get(sample) ?? 0) + 1);
    }
    expect(counts.size).toBe(60);
    expect(Math.abs(chiSquare([...counts.values()]) - 59)).toBeLessThan(4 * Math.sqrt(2 * 59));
  });
});
