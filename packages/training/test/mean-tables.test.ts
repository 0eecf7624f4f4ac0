// The mean of several models' tables, and how alike the rows of two tables are.
import { TrainingError } from "@cllm4rec/training";
import { initialTables, meanCosine, meanTables, type TokenTables } from "@cllm4rec/training/stage";
import { describe, expect, it } from "vitest";

const drawn = (seed: number, contentDeviation?: number): TokenTables =>
  initialTables({
    ...{ users: 5, items: 40, width: 6, seed, priorDeviation: 1 },
    ...(contentDeviation !== undefined && { contentDeviation }),
  });
const itemsOf = ({ collaborative }: TokenTables) => collaborative.items;

describe("meanTables", () => {
  it("is the mean, number by number, of all tables that there are", () => {
    const models = [drawn(1, 0.1), drawn(2, 0.1), drawn(3, 0.1)];
    const mean = meanTables(models);
    for (const side of ["collaborative", "content"] as const) {
      for (const kind of ["users", "items"] as const) {
        const tables = models.map((model) => model[side]![kind]);
        expect(mean[side]![kind].rows).toBe(tables[0]!.rows);
        const expected = tables[0]!.data.map(
          (_, at) => (tables[0]!.data[at]! + tables[1]!.data[at]! + tables[2]!.data[at]!) / 3,
        );
        expect(mean[side]![kind].data).toEqual(expected);
      }
    }
    expect(meanTables([drawn(1)])).toEqual(drawn(1));
    expect(meanTables([drawn(1), drawn(2)])).not.toHaveProperty("content");
  });

  it("refuses none, tables of other sizes, and content in some of them", () => {
    expect(() => meanTables([])).toThrow(/found none/);
    expect(() => meanTables([drawn(1), drawn(2, 0.1)])).toThrow(
      "found content tables in 1 of 2 models, expected all or none",
    );
    const larger = initialTables({ users: 5, items: 41, width: 6, seed: 1, priorDeviation: 1 });
    expect(() => meanTables([drawn(1), larger])).toThrow(TrainingError);
  });
});

describe("meanCosine", () => {
  it("is 1 for rows in the same direction, −1 for opposite ones, near 0 for unrelated ones", () => {
    const items = itemsOf(drawn(1));
    const scaled = (factor: number) => ({ rows: items.rows, data: items.data.map((x) => factor * x) });
    expect(meanCosine(items, scaled(3))).toBeCloseTo(1, 6);
    expect(meanCosine(items, scaled(-0.1))).toBeCloseTo(-1, 6);
    expect(Math.abs(meanCosine(items, itemsOf(drawn(2))))).toBeLessThan(0.2);
  });

  it("leaves rows of zeros out", () => {
    const [a, b] = [itemsOf(drawn(1)), itemsOf(drawn(1))];
    a.data.fill(0, 0, 6 * 20);
    expect(meanCosine(a, b)).toBeCloseTo(1, 6);
    expect(meanCosine({ rows: 2, data: new Float32Array(4) }, { rows: 2, data: new Float32Array(4) })).toBe(0);
    expect(() => meanCosine(a, { rows: 1, data: new Float32Array(6) })).toThrow(TrainingError);
  });
});
