// The text map: sparse products against plain loops, gradients against finite differences, and where it begins.
import type { SparseFeatures } from "@cllm4rec/corpus";
import { type EngineProduct, engineProduct, onnxRuntime } from "@cllm4rec/onnx-grad";
import { TrainingError } from "@cllm4rec/training";
import { TextMap } from "@cllm4rec/training/stage";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { principalDirections } from "../src/text-map/principal-directions.js";

/** A matrix in compressed rows, of what is not 0. */
function sparse(dense: readonly (readonly number[])[], columns: number): SparseFeatures {
  const entries = dense.map((row) => row.flatMap((value, c) => (value === 0 ? [] : [[c, value] as const])));
  return {
    rows: dense.length,
    columns,
    indptr: Int32Array.from([0, ...entries.map((_, r) => entries.slice(0, r + 1).flat().length)]),
    indices: Int32Array.from(entries.flat(), ([c]) => c),
    values: Float32Array.from(entries.flat(), ([, value]) => value),
  };
}

const small = fc.integer({ min: -4, max: 4 });
/** Integers, so that sums have no rounding to compare. */
const cases = fc
  .record({
    rows: fc.integer({ min: 1, max: 6 }),
    columns: fc.integer({ min: 1, max: 7 }),
    width: fc.integer({ min: 1, max: 9 }),
  })
  .chain((sizes) => {
    const matrix = (r: number, c: number) =>
      fc.array(fc.array(small, { minLength: c, maxLength: c }), { minLength: r, maxLength: r });
    const { rows, columns, width } = sizes;
    return fc.record({
      sizes: fc.constant(sizes),
      x: matrix(rows, columns),
      w: matrix(columns, width),
      deltas: matrix(rows, width),
    });
  });

describe("embeddings and gradients", () => {
  it("are δ + XW and XᵀG, for every width", () => {
    fc.assert(
      fc.property(cases, ({ sizes: { rows, columns, width }, x, w, deltas }) => {
        const map = new TextMap(sparse(x, columns), Float32Array.from(w.flat()), width);
        const items = { rows, data: Float32Array.from(deltas.flat()) };
        const users = { rows: 0, data: new Float32Array() };
        const expected = deltas.map((row, r) =>
          row.map((d, k) => d + x[r]!.reduce((sum, v, f) => sum + v * w[f]![k]!, 0)),
        );
        expect([...map.embeddings({ users, items }).items.data]).toEqual(expected.flat());
        expect([
          ...map.split({ collaborative: { users, items: { rows, data: Float32Array.from(expected.flat()) } } })
            .collaborative.items.data,
        ]).toEqual(deltas.flat().map((d) => d + 0));
        const some = Int32Array.from({ length: rows }, (_, r) => r).filter((r) => r % 2 === 0);
        const gradient = map.gradient({
          rows: some,
          data: Float32Array.from(some.length === 0 ? [] : [...some].flatMap((r) => deltas[r]!)),
        });
        const back = w.map((row, f) =>
          row.map((_, k) => [...some].reduce((sum, r) => sum + x[r]![f]! * deltas[r]![k]!, 0)),
        );
        expect([...gradient].map((g) => g + 0)).toEqual(back.flat().map((g) => g + 0));
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ["a column outside", { indices: Int32Array.of(0, 9) }, "text features: found column 9, expected 0 … 1"],
    ["a value that is not finite", { values: Float32Array.of(1, Number.NaN) }, "text features: found NaN in column 1"],
    [
      "rows that do not add up",
      { indptr: Int32Array.of(0, 1, 1) },
      "text features: found 2 columns and 2 values, expected 1",
    ],
  ])("refuses %s", (_, change, message) => {
    const features = {
      ...sparse(
        [
          [1, 0],
          [0, 1],
        ],
        2,
      ),
      ...change,
    };
    expect(() => new TextMap(features, new Float32Array(6), 3)).toThrow(message);
  });

  it("refuses weights of another size", () => {
    expect(() => new TextMap(sparse([[1]], 1), new Float32Array(2), 3)).toThrow(
      new TrainingError("text map: found 2 weights, expected 1 features of width 3"),
    );
  });
});

describe("principalDirections", () => {
  /** Three groups of rows that share words within the group alone. */
  const rows: number[][] = Array.from({ length: 12 }, (_, r) =>
    Array.from({ length: 9 }, (_, f) => (f % 3 === r % 3 && (r + f) % 4 < 3 ? 1 : 0)),
  );
  const features = sparse(rows, 9);
  const engine = onnxRuntime({ threads: 1 });
  let multiply: EngineProduct;
  beforeAll(async () => {
    ({ multiply } = await engineProduct(engine));
  });
  afterAll(() => engine.dispose());

  it("gives embeddings the scale asked for, and inner products close to the features' own", async () => {
    const width = 16;
    const weights = await principalDirections(features, width, { seed: 1, deviation: 0.1, multiply });
    const map = new TextMap(features, weights, width);
    const zeros = { rows: 12, data: new Float32Array(12 * width) };
    const { data } = map.embeddings({ users: { rows: 0, data: new Float32Array() }, items: zeros }).items;
    expect(Math.sqrt(data.reduce((sum, z) => sum + z * z, 0) / data.length)).toBeCloseTo(0.1, 5);
    const inner = (a: number, b: number) =>
      data.subarray(a * width, (a + 1) * width).reduce((sum, z, k) => sum + z * data[b * width + k]!, 0);
    const own = (a: number, b: number) => rows[a]!.reduce((sum, z, f) => sum + z * rows[b]![f]!, 0);
    const ratio = inner(0, 0) / own(0, 0);
    for (let a = 0; a < 12; a++) for (let b = 0; b < 12; b++) expect(inner(a, b)).toBeCloseTo(ratio * own(a, b), 4);
  });

  it("depends on the seed alone", async () => {
    const at = (seed: number) => principalDirections(features, 4, { seed, deviation: 1, multiply });
    expect(await at(1)).toEqual(await at(1));
    expect(await at(1)).not.toEqual(await at(2));
  });
});
