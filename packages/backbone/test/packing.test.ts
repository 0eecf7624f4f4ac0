// Packing: every sequence in a place of its own, the same places for the same lengths, and next to no padding on
// realistic lengths.
import fs from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { sharedPath } from "@cllm4rec/testing";
import { Tokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packSequences } from "../src/packing/pack.js";

const lengthsOf = (most: number, longest: number) =>
  fc.array(fc.integer({ min: 1, max: longest }), { minLength: 1, maxLength: most });
const width = fc.integer({ min: 1, max: 2048 });
const headSize = fc.integer({ min: 8, max: 128 });
const multiple = fc.constantFrom(1, 2, 4);

/** A generator of uniform numbers (mulberry32), so that the length mixes below are the same everywhere. */
function uniformNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Log-normal lengths with this median, kept within 8 and 256. */
function logNormalLengths(count: number, median: number, sigma: number, uniform: () => number): number[] {
  return Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return Math.min(256, Math.max(8, Math.round(median * Math.exp(sigma * normal))));
  });
}

/** Padding as a share of the tokens computed: over all batches, and in the worst. */
function paddingOf(batches: readonly number[][], width: number): { share: number; worst: number } {
  let [useful, computed, worst] = [0, 0, 0];
  for (const lengths of batches) {
    // As the base model packs: rows in two blocks of queries where a sequence has 256 tokens
    const { rows, rowLength } = packSequences(lengths, {
      width,
      headSize: width === 128 ? 16 : 64, // of tinystories-656k, and of SmolLM2 and GPT-2
      multiple: Math.max(...lengths) < 256 ? 1 : 2,
    });
    const total = lengths.reduce((a, b) => a + b, 0);
    useful += total;
    computed += rows * rowLength;
    worst = Math.max(worst, 1 - total / (rows * rowLength));
  }
  return { share: 1 - useful / computed, worst };
}

describe("packSequences", () => {
  it("gives every sequence a place inside its row that no other has", () => {
    fc.assert(
      fc.property(lengthsOf(80, 300), width, headSize, multiple, (lengths, width, headSize, multiple) => {
        const { rows, rowLength, placements } = packSequences(lengths, { width, headSize, multiple });
        expect(placements).toHaveLength(lengths.length);
        expect(rowLength % multiple).toBe(0);
        const taken = new Uint8Array(rows * rowLength);
        placements.forEach(({ row, offset }, i) => {
          expect(row >= 0 && row < rows && offset >= 0 && offset + lengths[i]! <= rowLength).toBe(true);
          for (let t = 0; t < lengths[i]!; t++) taken[row * rowLength + offset + t]! += 1;
        });
        expect(taken.every((count) => count <= 1)).toBe(true);
        expect(taken.reduce((a, b) => a + b, 0)).toBe(lengths.reduce((a, b) => a + b, 0));
        // No row is empty, none longer than it need be but for the multiple.
        expect(new Set(placements.map(({ row }) => row)).size).toBe(rows);
      }),
      { numRuns: 500 },
    );
  });

  it("depends on the lengths alone", () => {
    fc.assert(
      fc.property(lengthsOf(60, 200), width, headSize, multiple, (lengths, width, headSize, multiple) => {
        const packing = packSequences(lengths, { width, headSize, multiple });
        expect(packSequences([...lengths], { width, headSize, multiple })).toEqual(packing);
        // In another order the rows are the same size: places follow the lengths, not where they stand in the list.
        const { rows, rowLength } = packSequences([...lengths].reverse(), { width, headSize, multiple });
        expect([rows, rowLength]).toEqual([packing.rows, packing.rowLength]);
      }),
    );
  });

  it("costs no more than a row for each sequence", () => {
    fc.assert(
      fc.property(lengthsOf(60, 200), width, headSize, (lengths, width, headSize) => {
        const { rows, rowLength } = packSequences(lengths, { width, headSize });
        const longest = Math.max(...lengths);
        // The documented cost: a score takes as long as 256 operations of a product beside its own.
        const cost = (rows: number, length: number) =>
          rows * length * (6 * width + length * (1 + 256 / (4 * headSize)));
        expect(cost(rows, rowLength)).toBeLessThanOrEqual(cost(lengths.length, longest));
      }),
    );
  });

  it("makes rows the shorter, the smaller the heads: more scores for the same width", () => {
    const lengths = logNormalLengths(128, 26, 0.25, uniformNumbers(7));
    const rowLength = (headSize: number) => packSequences(lengths, { width: 128, headSize, reserved: 12 }).rowLength;
    expect(rowLength(16)).toBeLessThan(rowLength(128));
  });

  it("packs one sequence as it is, and equal ones without padding", () => {
    expect(packSequences([7], { width: 64, headSize: 16 })).toEqual({
      rows: 1,
      rowLength: 7,
      placements: [{ row: 0, offset: 0 }],
    });
    const { rows, rowLength } = packSequences(new Array<number>(32).fill(20), { width: 64, headSize: 16 });
    expect(rows * rowLength).toBe(640);
  });

  it("computes less than 3% padding over log-normal lengths of 8 to 256 in batches of 32 to 64, and under 8% in every batch (12% with small heads)", () => {
    const uniform = uniformNumbers(20261121);
    for (const width of [128, 576, 768]) {
      const batches = Array.from({ length: 300 }, () => {
        const count = 32 + Math.floor(uniform() * 33);
        return logNormalLengths(count, 24 + 60 * uniform(), 0.3 + 0.7 * uniform(), uniform);
      });
      const { share, worst } = paddingOf(batches, width);
      expect(share, `width ${width}`).toBeLessThan(0.03);
      // where tighter rows would be longer, and cost more than the padding
      expect(worst, `width ${width}`).toBeLessThan(width === 128 ? 0.12 : 0.08);
    }
  });

  const reviews = sharedPath("data/amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz");
  const tokenizerFolder = sharedPath("models/tinystories-656k");

  it.skipIf(!reviews || !tokenizerFolder)(
    "computes less than 3% padding over real reviews, in the order of the file",
    () => {
      const json = (name: string): unknown => JSON.parse(fs.readFileSync(path.join(tokenizerFolder!, name), "utf8"));
      const tokenizer = new Tokenizer(json("tokenizer.json") as object, json("tokenizer_config.json") as object);
      const lines = gunzipSync(fs.readFileSync(reviews!)).toString("utf8").split("\n").slice(0, 2_048);
      const lengths = lines.map((line) => {
        const { reviewText } = JSON.parse(line) as { reviewText: string };
        return Math.min(256, Math.max(1, tokenizer.encode(reviewText).ids.length)); // as long as documents are cut to
      });
      expect(new Set(lengths).size).toBeGreaterThan(100);
      const batches = Array.from({ length: 32 }, (_, b) => lengths.slice(b * 64, (b + 1) * 64));
      for (const width of [128, 576, 768]) {
        const { share, worst } = paddingOf(batches, width);
        expect(share, `width ${width}`).toBeLessThan(0.03);
        expect(worst, `width ${width}`).toBeLessThan(width === 128 ? 0.12 : 0.08);
      }
    },
  );

  it("refuses an empty list and lengths that are none", () => {
    expect(() => packSequences([], { width: 8, headSize: 8 })).toThrow(
      new RangeError("there are no sequences to pack"),
    );
    expect(() => packSequences([3, 0], { width: 8, headSize: 8 })).toThrow(
      new RangeError("sequence 1 has length 0, expected at least 1"),
    );
    expect(() => packSequences([2.5], { width: 8, headSize: 8 })).toThrow(
      new RangeError("sequence 0 has length 2.5, expected at least 1"),
    );
  });
});
