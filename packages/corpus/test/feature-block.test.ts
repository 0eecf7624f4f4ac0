// Several kinds of features of the same rows as one weighted sparse matrix.
import { checkFeatureBlocks, combineFeatures, type FeatureBlock, wordFeatures } from "@cllm4rec/corpus";
import { describe, expect, test } from "vitest";

const words: FeatureBlock = { name: "words", weight: 2, ...wordFeatures(["red", null, "blue red"]) };
const dense: FeatureBlock = {
  name: "encoder",
  weight: 0.5,
  rows: 3,
  columns: 2,
  values: Float32Array.of(1, 0, 3, -4, 0, 0),
};

describe("blocks of features", () => {
  test("stand side by side, each times its weight, without zeros", () => {
    const { rows, columns, indptr, indices, values } = combineFeatures([words, dense]);
    expect([rows, columns]).toEqual([3, 4]);
    expect([...indptr]).toEqual([0, 2, 4, 6]);
    expect([...indices]).toEqual([1, 2, 2, 3, 0, 1]);
    const [blue, red] = [words.values[1]!, words.values[2]!];
    expect([...values]).toEqual([2, 0.5, 1.5, -2, Math.fround(2 * blue), Math.fround(2 * red)]);
  });

  test.each<[string, FeatureBlock, RegExp]>([
    ["a second block of the same name", { ...dense, name: "words" }, /"words": found this name twice/],
    ["a negative weight", { ...dense, weight: -1 }, /"encoder": found weight -1, expected a number of 0 or more/],
    ["another number of rows", { ...dense, rows: 2 }, /found 2 rows, expected 3/],
    ["dense values of another size", { ...dense, columns: 3 }, /found 6 values, expected 3 × 3 = 9/],
    ["a value that is no number", { ...dense, values: new Float32Array(6).fill(Number.NaN) }, /found NaN at value 0/],
    ["a column out of range", { ...words, name: "w", columns: 1 }, /found column 1 in row 0, expected .* below 1/],
    ["indices that end early", { ...words, name: "w", indptr: Int32Array.of(0, 1, 1, 2) }, /indptr from 0 to 2, 3/],
  ])("%s is refused", (_, block, message) => {
    expect(() => checkFeatureBlocks([words, block])).toThrow(message);
  });
});
