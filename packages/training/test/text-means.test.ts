// Text means against a brute-force twin, what they do to initial tables, and what is refused.
import { initialTables, type TokenisedTexts } from "@cllm4rec/training/stage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TrainingError } from "../src/error.js";
import { textMeans } from "../src/tables/text-means.js";

interface Text {
  readonly user: number;
  readonly item: number;
  readonly words: readonly number[];
}

const source = (texts: readonly Text[]): TokenisedTexts => ({
  documents: texts.length,
  user: (document) => texts[document]!.user,
  item: (document) => texts[document]!.item,
  tokenCount: (document) => texts[document]!.words.length,
  read: (document, count, target) => target.set(texts[document]!.words.slice(0, count)),
});

const sizes = { users: 3, items: 4, width: 5 };
const N = 7;
const words = Float32Array.from({ length: N * sizes.width }, (_, i) => Math.sin(i * i + 1));
const text = fc.record({
  user: fc.integer({ min: -1, max: sizes.users - 1 }),
  item: fc.integer({ min: -1, max: sizes.items - 1 }),
  words: fc.array(fc.nat(N - 1), { minLength: 1, maxLength: 6 }),
});

/** The definition, word by word. */
function twin(texts: readonly Text[], rows: number, rowOf: (text: Text) => number): number[][] {
  const idf = (word: number) => Math.log(texts.length / texts.filter((one) => one.words.includes(word)).length);
  const dimensions = Array.from({ length: sizes.width }, (_, k) => k);
  const scaled = (row: number[]) => {
    const rms = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length);
    return rms > 1e-12 ? row.map((x) => x / rms) : row;
  };
  const present = Array.from({ length: rows }, (_, row) => texts.some((one) => rowOf(one) === row));
  const sums = present.map((_, row) =>
    scaled(
      dimensions.map((k) =>
        texts
          .filter((one) => rowOf(one) === row)
          .flatMap((one) => [...new Set(one.words)])
          .reduce((sum, word) => sum + idf(word) * words[word * sizes.width + k]!, 0),
      ),
    ),
  );
  const count = present.filter(Boolean).length;
  const mean = dimensions.map((k) => sums.reduce((sum, row) => sum + row[k]!, 0) / Math.max(1, count));
  return sums.map((row, r) => (present[r] ? scaled(row.map((x, k) => x - mean[k]!)) : row));
}

describe("textMeans", () => {
  it("is the centred, scaled sum of idf-weighted word embeddings", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 12 }), fc.nat(12), (texts, cut) => {
        const parts = [source(texts.slice(0, cut)), source(texts.slice(cut))];
        const means = textMeans({ texts: parts, words, ...sizes });
        for (const [kind, rows] of [
          ["users", sizes.users],
          ["items", sizes.items],
        ] as const) {
          const expected = twin(texts, rows, (one) => (kind === "users" ? one.user : one.item)).flat();
          for (const [at, x] of means[kind].data.entries()) expect(x).toBeCloseTo(expected[at]!, 4);
        }
      }),
    );
  });

  it("refuses words and rows that there are not", () => {
    const of = (one: Text) => () => textMeans({ texts: [source([one])], words, ...sizes });
    expect(of({ user: 0, item: 0, words: [N] })).toThrow("text 0: found word 7, expected 0 … 6");
    expect(of({ user: 0, item: 4, words: [1] })).toThrow("row 4, expected 0 … 3");
    expect(() => textMeans({ texts: [], words: words.subarray(1), ...sizes })).toThrow(TrainingError);
  });
});

describe("initialTables with texts", () => {
  const options = { ...sizes, seed: 4, priorDeviation: 0.3 };
  const texts = [
    { user: 0, item: 1, words: [1, 2] },
    { user: 2, item: 3, words: [3, 2, 0] },
    { user: 0, item: 0, words: [4] },
  ];
  const means = textMeans({ texts: [source(texts)], words, ...sizes });

  it("blends text and noise by share of variance, and leaves rows without text alone", () => {
    const noise = initialTables(options).collaborative;
    const blended = initialTables({ ...options, texts: { means, share: 0.64 } }).collaborative;
    for (const kind of ["users", "items"] as const) {
      blended[kind].data.forEach((x, at) => {
        const row = Math.floor(at / sizes.width);
        const known = texts.some((one) => (kind === "users" ? one.user : one.item) === row);
        const expected = known
          ? 0.3 * 0.8 * means[kind].data[at]! + 0.6 * noise[kind].data[at]!
          : noise[kind].data[at]!;
        expect(x).toBeCloseTo(expected, 6);
      });
    }
  });

  it("refuses other sizes and shares", () => {
    expect(() => initialTables({ ...options, texts: { means, share: 1.1 } })).toThrow("texts.share: found 1.1");
    expect(() => initialTables({ ...options, users: 4, texts: { means, share: 1 } })).toThrow(
      "texts.means.users: found 3 rows (15 numbers), expected 4 of width 5",
    );
  });
});
