// tf-idf word features: against scikit-learn, and the options against their definitions.
import { encodeWords, wordFeatures } from "@cllm4rec/corpus";
import fc from "fast-check";
import { expect, test } from "vitest";
import fixture from "./fixtures/word-features.json" with { type: "json" };

type Rows = Record<string, number>[];

function rowsOf({ rows, words, indptr, indices, values }: ReturnType<typeof wordFeatures>): Rows {
  return Array.from({ length: rows }, (_, d) => {
    const places = Array.from({ length: indptr[d + 1]! - indptr[d]! }, (_, k) => indptr[d]! + k);
    return Object.fromEntries(places.map((p) => [words[indices[p]!]!, values[p]!]));
  });
}

test.each([
  ["all words", {}, fixture.all],
  ["words of two texts at least", { minTexts: 2 }, fixture.minTexts2],
])("scikit-learn's TfidfVectorizer: %s", (_, options, expected) => {
  const features = wordFeatures(fixture.texts, options);
  expect([...features.words].sort()).toEqual([...expected.words].sort());
  rowsOf(features).forEach((row, d) => {
    const golden: Record<string, number> = { ...expected.rows[d] };
    expect(Object.keys(row).sort()).toEqual(Object.keys(golden).sort());
    for (const [word, value] of Object.entries(row)) expect(Math.abs(value - golden[word]!)).toBeLessThan(1e-6);
  });
});

test("maxShare and maxWords keep the words that they say", () => {
  const texts = ["a b c", "a b d", "a e", null, ""];
  expect(wordFeatures(texts, { maxShare: 0.7 }).words).toEqual(["b", "c", "d", "e"]);
  expect(wordFeatures(texts, { maxWords: 3 }).words).toEqual(["a", "b", "c"]);
  expect(wordFeatures([null]).columns).toBe(0);
});

test("each row has length 1 or no word, its columns ascend, and every column is used", () => {
  const texts = fc.array(fc.option(fc.stringMatching(/^[abc ]{0,12}$/)), { maxLength: 8 });
  fc.assert(
    fc.property(texts, (given) => {
      const { rows, columns, indptr, indices, values } = wordFeatures(given);
      expect(rows).toBe(given.length);
      for (let d = 0; d < rows; d++) {
        const row = values.subarray(indptr[d], indptr[d + 1]);
        if (row.length > 0) expect(Math.hypot(...row)).toBeCloseTo(1, 5);
        const at = Array.from(indices.subarray(indptr[d], indptr[d + 1]));
        expect(at).toEqual([...new Set(at)].sort((a, b) => a - b));
      }
      expect(new Set(indices).size).toBe(columns);
    }),
  );
});

test.each([
  [{ minTexts: 0 }, "minTexts: found 0"],
  [{ maxShare: 0 }, "maxShare: found 0"],
  [{ maxWords: 0 }, "maxWords: found 0"],
])("%j is refused", (options, message) => {
  expect(() => wordFeatures(["a"], options)).toThrow(message);
});

test("a later text gets the row that it would have had, without the words that nobody knows", () => {
  const texts = fc.array(fc.option(fc.stringMatching(/^[abc ]{0,12}$/)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(texts, (given) => {
      const { words, idf, rows, columns, indptr, indices, values } = wordFeatures(given);
      expect(encodeWords(given, { words, idf })).toEqual({ rows, columns, indptr, indices, values });
      const longer = given.map((text) => text && `${text} unknown`);
      expect(encodeWords(longer, { words, idf })).toEqual({ rows, columns, indptr, indices, values });
    }),
  );
  expect(() => encodeWords(["a"], { words: ["a"], idf: new Float64Array(0) })).toThrow("found 1 words and 0");
});
