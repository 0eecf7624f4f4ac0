// Named parameters: initial numbers, own rates, regularisers, averages, and what is refused.
import { expectClose } from "@cllm4rec/testing";
import { Adam, glorotNormal, normal, Parameters } from "@cllm4rec/training";
import { initialTables, tableParameters } from "@cllm4rec/training/stage";
import { describe, expect, it } from "vitest";

const rowsOf = (rows: number[], data: number[]) => ({ rows: Int32Array.from(rows), data: Float32Array.from(data) });

describe("initial numbers", () => {
  it("depend on the seed and the name alone", () => {
    const of = (seed: number, names: string[]) =>
      new Parameters(Object.fromEntries(names.map((name) => [name, { shape: [300, 20], initial: normal(0.5) }])), {
        seed,
      }).values;
    const [one, more, other] = [of(1, ["a", "b"]), of(1, ["c", "b"]), of(2, ["b"])];
    expect(more.b).toEqual(one.b);
    expect(other.b).not.toEqual(one.b);
    expect(one.a!.data).not.toEqual(one.b!.data);
    const deviation = Math.sqrt(one.a!.data.reduce((sum, x) => sum + x * x, 0) / 6000);
    expect(deviation).toBeCloseTo(0.5, 1);
    const glorot = new Parameters({ w: { shape: [300, 100], initial: glorotNormal() } }).values.w!.data;
    const square = glorot.reduce((sum, x) => sum + x * x, 0) / glorot.length;
    expect(square / (2 / 400)).toBeCloseTo(1, 1);
    expect([...new Parameters({ w: { shape: [2] } }).values.w!.data]).toEqual([0, 0]);
  });
});

describe("an update", () => {
  it("takes a parameter's own rate where it has one, by the task's count of updates", () => {
    const two = new Parameters({
      own: { shape: [1], learningRate: (update) => (update + 1) / 10, adam: { beta1: 0, beta2: 0 } },
      common: { shape: [1], adam: { beta1: 0, beta2: 0 } },
    });
    const gradients = () => ({ own: Float32Array.of(1), common: Float32Array.of(1) });
    two.update(gradients(), 0.5, 0);
    expectClose(two.values.own!.data, [-0.1]);
    expectClose(two.values.common!.data, [-0.5]);
    two.update(gradients(), 0.5, 1);
    expectClose(two.values.own!.data, [-0.3]);
  });

  it("draws towards a centre with l2: the rows of the gradient only, and says how much that is", () => {
    const towards = Float32Array.of(1, 1, 1, 1);
    const parameters = new Parameters({
      z: { shape: [2, 2], data: Float32Array.of(3, 1, 5, 5), update: "rows", l2: { lambda: 0.5, towards } },
    });
    const gradient = rowsOf([0], [0, 1]);
    expect(parameters.regularise({ z: gradient })).toBeCloseTo(0.25 * 4, 6);
    expectClose(gradient.data, [1, 1]);
  });

  it("refuses shapes, gradients and rates that do not fit", () => {
    expect(() => new Parameters({ w: { shape: [2, 2], data: new Float32Array(3) } })).toThrow(
      "parameter w: found 3 numbers, expected 4 for [2, 2]",
    );
    expect(() => new Parameters({ w: { shape: [1], l2: { lambda: -1 } } })).toThrow("l2.lambda: found -1");
    expect(() => new Parameters({ a: { shape: [1], place: "x" }, x: { shape: [1] } })).toThrow(/two with one place/);
    const parameters = new Parameters({ w: { shape: [2, 2], update: "rows" } });
    expect(() => parameters.update({ w: rowsOf([0, 1], [1, 2, 3]) }, 0.1)).toThrow("found 3 numbers, expected 4");
  });
});

it("averages every row that moves, also those that a dense Adam moves by their momentum", () => {
  const tables = initialTables({ users: 3, items: 1, width: 1, seed: 0, priorDeviation: 1 });
  const adam = { rows: "dense" as const };
  const parameters = new Parameters(tableParameters(tables, 1, { adam, averageDecay: 0.5 }));
  const gradient = (row: number) => ({ "collaborative.users": rowsOf([row], [1]) });
  const [current, mean] = [parameters.values, parameters.averaged].map((values) => values["collaborative.users"]!.data);
  const untouched = mean![2]!;
  parameters.update(gradient(0), 0.1);
  // From here on only user 1 has gradients; user 0 keeps moving, and its average follows.
  for (let update = 0; update < 200; update++) parameters.update(gradient(1), 0.1);
  const rest = current![0]!;
  expect(Math.abs(rest - tables.collaborative.items.data[0]!)).toBeGreaterThan(0);
  expect(mean![0]!).toBeCloseTo(rest, 4);
  expect(mean![2]).toBe(untouched);
  expect(new Adam(3, 1, adam).movedRows(Int32Array.of(1))).toEqual(Int32Array.of());
});

it("says where a number is that is not finite", () => {
  const tables = initialTables({ users: 3, items: 2, width: 2, seed: 0, priorDeviation: 1, contentDeviation: 1 });
  const parameters = new Parameters({ ...tableParameters(tables, 2), bias: { shape: [3] } });
  expect(parameters.firstNotFinite()).toBeUndefined();
  parameters.values.bias!.data[1] = Number.POSITIVE_INFINITY;
  expect(parameters.firstNotFinite()).toBe("bias holds Infinity at place 1");
  tables.content!.items.data[3] = Number.NaN;
  expect(parameters.firstNotFinite()).toBe("content.items, row 1, holds NaN");
});
