// The passes in WebAssembly against the same formulas in JavaScript, rounded to single precision after every operation:
// equal bits.
import fs from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import wabt from "wabt";
import { adamPass, averagePass, sumOfSquares } from "../src/kernels/kernels.js";
import { KERNELS } from "../src/kernels/kernels.wasm.js";

const f = Math.fround;
/** Around the ends of vectors and of blocks. */
const lengths = fc.oneof(fc.integer({ min: 1, max: 25 }), fc.integer({ min: 8182, max: 8203 }), fc.constant(20_000));
const single = (min: number, max: number) => fc.float({ min: f(min), max: f(max), noNaN: true });

/** Numbers of both signs over many magnitudes, the same for a seed. */
function numbers(n: number, seed: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => Math.sin(seed + i) * 10 ** (((i * 7 + seed) % 9) - 5));
}

describe("kernels", () => {
  it("are what the source in the repository assembles to", async () => {
    const source = new URL("../src/kernels/kernels.wat", import.meta.url);
    const assembled = (await wabt()).parseWat("kernels.wat", fs.readFileSync(source, "utf8")).toBinary({}).buffer;
    expect(KERNELS).toBe(Buffer.from(assembled).toString("base64"));
  });

  it("adam: the formula, in place, and nothing outside of the stretch", () => {
    const property = fc.property(
      lengths,
      fc.integer({ min: 0, max: 9 }),
      fc.nat(1000),
      fc.boolean(),
      single(0, 0.999),
      (length, at, seed, hasGradient, beta1) => {
        const total = at + length + 5;
        const beta2 = 0.999;
        const [size, epsilon] = [0.01, 1e-8];
        const before = {
          parameters: numbers(total, seed),
          first: numbers(total, seed + 1),
          second: numbers(total, seed + 2).map(Math.abs),
        };
        const gradient = hasGradient ? numbers(length, seed + 3) : undefined;
        const after = {
          parameters: before.parameters.slice(),
          first: before.first.slice(),
          second: before.second.slice(),
        };
        adamPass(after, at, length, gradient, { beta1, beta2, size, epsilon });
        for (let i = 0; i < total; i++) {
          const inside = i >= at && i < at + length;
          const g = gradient?.[i - at] ?? 0;
          const m = f(f(f(beta1) * before.first[i]!) + f(f(1 - beta1) * g));
          const v = f(f(f(beta2) * before.second[i]!) + f(f(f(1 - beta2) * g) * g));
          const p = f(before.parameters[i]! - f(f(f(size) * m) / f(f(Math.sqrt(v)) + f(epsilon))));
          const expected = inside ? [p, m, v] : [before.parameters[i], before.first[i], before.second[i]];
          const found = [after.parameters[i], after.first[i], after.second[i]];
          if (found.some((x, k) => !Object.is(x, expected[k]))) expect(found, `number ${i}`).toEqual(expected);
        }
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  it("average: the formula, in place, and nothing outside of the stretch", () => {
    const property = fc.property(
      lengths,
      fc.integer({ min: 0, max: 9 }),
      fc.nat(1000),
      single(0, 1),
      (length, at, seed, decay) => {
        const total = at + length + 5;
        const [before, values] = [numbers(total, seed), numbers(total, seed + 1)];
        const after = before.slice();
        averagePass(after, values, at, length, decay);
        for (let i = 0; i < total; i++) {
          const inside = i >= at && i < at + length;
          const expected = inside ? f(f(f(decay) * before[i]!) + f(f(1 - decay) * values[i]!)) : before[i];
          if (!Object.is(after[i], expected)) expect(after[i], `number ${i}`).toBe(expected);
        }
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  it("sum of squares: in double precision, independent of earlier passes", () => {
    const property = fc.property(lengths, fc.nat(1000), (length, seed) => {
      const values = numbers(length, seed);
      const expected = values.reduce((sum, x) => sum + x * x, 0);
      expect(Math.abs(sumOfSquares(values) - expected)).toBeLessThanOrEqual(1e-13 * expected);
    });
    fc.assert(property, { numRuns: 200 });
    expect(sumOfSquares(new Float32Array(0))).toBe(0);
    expect(sumOfSquares(Float32Array.of(1, Number.POSITIVE_INFINITY))).toBe(Number.POSITIVE_INFINITY);
    expect(sumOfSquares(Float32Array.of(Number.NaN))).toBeNaN();
  });
});
