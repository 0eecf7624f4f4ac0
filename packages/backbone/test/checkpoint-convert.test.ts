// F16 and BF16 to F32: all 65,536 patterns against IEEE 754's definition, and against torch.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { describeNonFinite, firstNonFinite, float16ToFloat32Bits, widen } from "../src/checkpoint/convert.js";
import { goldens } from "./checkpoint-helpers.js";

const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);

/** All patterns widened by the product. */
function widened(dtype: "F16" | "BF16"): Uint32Array {
  const target = new Uint32Array(65_536);
  widen(dtype, all, target);
  return target;
}

/**
 * The value of a pattern by the definition of the interchange formats (IEEE 754-2019, §3.4), in double arithmetic,
 * which is exact
 * here: (−1)^s · 2^(e−bias) · (1 + f/2^p), or (−1)^s · 2^(1−bias) · f/2^p for e = 0.
 */
function valueOfPattern(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = bits & (2 ** fractionBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * 2 ** (1 - bias) * (fraction / 2 ** fractionBits);
  return sign * 2 ** (exponent - bias) * (1 + fraction / 2 ** fractionBits);
}

describe.each([
  ["F16" as const, 5, 10],
  ["BF16" as const, 8, 7],
])("%s", (dtype, exponentBits, fractionBits) => {
  it("has the value that the standard defines, for every pattern", () => {
    const values = new Float32Array(widened(dtype).buffer);
    for (let bits = 0; bits < 65_536; bits++) {
      const expected = valueOfPattern(bits, exponentBits, fractionBits);
      if (!Object.is(values[bits], expected)) throw new Error(`pattern ${bits}: ${values[bits]}, expected ${expected}`);
    }
  });

  it("keeps the sign and payload of every NaN", () => {
    const bits = widened(dtype);
    const fraction = 2 ** fractionBits - 1;
    for (let pattern = 0; pattern < 65_536; pattern++) {
      if (!Number.isNaN(valueOfPattern(pattern, exponentBits, fractionBits))) continue;
      const found = bits[pattern]!;
      const expected = (pattern >> 15) * 2 ** 31 + 0x7f800000 + (pattern & fraction) * 2 ** (23 - fractionBits);
      if (found !== expected)
        throw new Error(`NaN ${pattern.toString(16)}: ${found.toString(16)}, expected ${expected.toString(16)}`);
    }
  });

  it("agrees with torch on every value that is not NaN", () => {
    const bits = widened(dtype);
    const numbers = new Float32Array(bits.buffer);
    const kept = bits.filter((_, i) => !Number.isNaN(numbers[i]));
    expect(kept.length).toBe(goldens[dtype].count);
    expect(createHash("sha256").update(new Uint8Array(kept.buffer)).digest("hex")).toBe(goldens[dtype].sha256);
  });

  it("knows every infinity and NaN, and nothing else, as not finite", () => {
    for (let pattern = 0; pattern < 65_536; pattern++) {
      const value = valueOfPattern(pattern, exponentBits, fractionBits);
      const found = firstNonFinite(dtype, Uint16Array.of(0, pattern));
      if (found !== (Number.isFinite(value) ? -1 : 1)) throw new Error(`pattern ${pattern} (${value}): ${found}`);
      if (!Number.isFinite(value)) expect(describeNonFinite(dtype, pattern)).toBe(String(value));
    }
  });
});

describe("F32", () => {
  it("is copied bit for bit, signalling NaNs included", () => {
    const source = Uint32Array.of(0, 0x80000000, 1, 0x7fa00001, 0xff800000, 0x3f800000);
    const target = new Uint32Array(source.length);
    widen("F32", source, target);
    expect(target).toEqual(source);
  });

  it("is finite unless all exponent bits are set", () => {
    const values = [0, -0, 1, 3.4e38, -3.4e38, 1e-45, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const value of values) {
      const bits = new Uint32Array(Float32Array.of(1, value).buffer);
      expect(firstNonFinite("F32", bits), String(value)).toBe(Number.isFinite(value) ? -1 : 1);
      if (!Number.isFinite(value)) expect(describeNonFinite("F32", bits[1]!)).toBe(String(value));
    }
  });
});

it("gives the patterns that everybody knows", () => {
  expect(float16ToFloat32Bits(0x3c00)).toBe(0x3f800000); // 1
  expect(float16ToFloat32Bits(0x0001)).toBe(0x33800000); // 2⁻²⁴
  expect(float16ToFloat32Bits(0x7bff)).toBe(0x477fe000); // 65,504
  expect(float16ToFloat32Bits(0x8000)).toBe(0x80000000); // −0
});
