// The whole MAP objective over a tiny GPT-2: values and gradients against PyTorch's autograd and against finite
// differences.
import { Backbone, BaseModel, type SoftTables } from "@cllm4rec/backbone";
import { expectClose } from "@cllm4rec/testing";
import type { RegulariserScaling } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withRows } from "../src/gradients/row-gradients.js";
import { type LossBatch, mapObjective } from "../src/objective/map-objective.js";
import { countOccurrences } from "../src/objective/occurrences.js";
import { addPenalty, penaltyWeight } from "../src/objective/regulariser.js";
import { golden, tinyGpt2 } from "./helpers.js";

interface ObjectiveGolden {
  sizes: { users: number; items: number; width: number; words: number };
  tables: { users: number[]; items: number[] };
  towards: { users: number[]; items: number[] };
  cases: (LossBatch & {
    scaling: RegulariserScaling;
    lambdaC: number;
    lambdaL: number;
    objective: number;
    languageModel: number;
    users: number[];
    items: number[];
  })[];
}

const { sizes, cases, ...numbers } = golden<ObjectiveGolden>("objective.json");
const soft = ({ users, items }: { users: number[]; items: number[] }): SoftTables => ({
  users: { rows: sizes.users, data: Float32Array.from(users) },
  items: { rows: sizes.items, data: Float32Array.from(items) },
});
const tables = soft(numbers.tables);
const towards = soft(numbers.towards);

let backbone: Backbone;
let model: BaseModel;
beforeAll(async () => {
  backbone = await Backbone.open(tinyGpt2);
  model = new BaseModel(backbone, sizes);
});
afterAll(async () => {
  await model.dispose();
  await backbone.dispose();
});

/** All rows of a gradient, zeros included. */
function dense({ rows, data }: { rows: Int32Array; data: Float32Array }, size: number): Float32Array {
  const all = new Float32Array(size * sizes.width);
  rows.forEach((row, r) => {
    all.set(data.subarray(r * sizes.width, (r + 1) * sizes.width), row * sizes.width);
  });
  return all;
}

describe.each(cases)("$loss, scaled as $scaling", (case_) => {
  const { scaling, lambdaC, lambdaL } = case_;

  it("has PyTorch's value and gradients", async () => {
    const result = await mapObjective(model, case_, { tables, towards, lambdaC, lambdaL, scaling });
    expectClose([result.objective, result.languageModel], [case_.objective, case_.languageModel], { rtol: 1e-5 });
    expect(result.mutual).toBeGreaterThan(0);
    expect(result.languageModel + result.mutual + result.prior).toBe(result.objective);
    expectClose(dense(result.gradients.users, sizes.users), case_.users, { rtol: 1e-4, atol: 1e-5, label: "users" });
    expectClose(dense(result.gradients.items, sizes.items), case_.items, { rtol: 1e-4, atol: 1e-5, label: "items" });
  });

  it("has the gradient that finite differences have, in every direction of two rows", async () => {
    const options = { towards, lambdaC, lambdaL, scaling };
    const { gradients } = await mapObjective(model, case_, { ...options, tables });
    const epsilon = 1e-2;
    for (const kind of ["users", "items"] as const) {
      const analytic = dense(gradients[kind], sizes[kind]);
      const row = gradients[kind].rows[0]!;
      for (let k = 0; k < sizes.width; k++) {
        const at = row * sizes.width + k;
        const shifted = async (by: number) => {
          const copy = soft(numbers.tables);
          copy[kind].data[at]! += by;
          return (await mapObjective(model, case_, { ...options, tables: copy })).objective;
        };
        const difference = ((await shifted(epsilon)) - (await shifted(-epsilon))) / (2 * epsilon);
        expect(Math.abs(difference - analytic[at]!)).toBeLessThan(2e-3 * (1 + Math.abs(difference)));
      }
    }
  });
});

describe("scalings", () => {
  const [batch] = cases;

  it("differ by twice the number of targets, as REFERENCE.md says", async () => {
    const mutual = async (scaling: RegulariserScaling) =>
      mapObjective(model, batch!, { tables, towards, lambdaC: 1, scaling });
    const [paper, released] = [await mutual("paper"), await mutual("released-code")];
    expect(released.mutual / paper.mutual).toBeCloseTo(2 * paper.targets, 6);
    expect(penaltyWeight(3, "paper", 6)).toBe(0.5);
    expect(penaltyWeight(3, "released-code", 6)).toBe(6);
  });

  it("leave the language model's gradient alone where λ is 0", async () => {
    const with_ = await mapObjective(model, batch!, { tables, towards, lambdaC: 0 });
    const without = await mapObjective(model, batch!, { tables });
    expect(with_.gradients).toEqual(without.gradients);
    expect(without.mutual).toBe(0);
  });

  it("refuse a λ that is negative, or λ_c without anything to be drawn towards", async () => {
    await expect(mapObjective(model, batch!, { tables, lambdaC: -1 })).rejects.toThrow(/lambdaC: found -1/);
    await expect(mapObjective(model, batch!, { tables, lambdaC: 1 })).rejects.toThrow(/without tables/);
    await expect(mapObjective(model, batch!, { tables, lambdaL: Number.NaN })).rejects.toThrow(/lambdaL: found NaN/);
  });
});

describe("occurrences and penalties", () => {
  it("count documents, not positions, and held-out items too", () => {
    const found = countOccurrences(
      [
        { ids: [3, 10, 14, 14], heldOut: [0] },
        { ids: [10, 15], targets: [-1, 14] },
        { ids: [2], targets: [14] },
      ],
      { words: 10, users: 4, items: 5 },
    );
    expect(found.users).toEqual({ rows: Int32Array.of(0), counts: Int32Array.of(2) });
    expect(found.items).toEqual({ rows: Int32Array.of(0, 1), counts: Int32Array.of(3, 1) });
  });

  it("count what occurs in the encoder, in the decoder and among the targets, once a document", () => {
    const found = countOccurrences(
      [
        { encoderIds: [10, 3, 14, 1], decoderIds: [0, 14, 16], targets: [14, 16, 17] },
        { encoderIds: [11, 14], decoderIds: [0], heldOut: [2, 0] },
        { encoderIds: [5], decoderIds: [0, 10], targets: [-1, 4] },
      ],
      { words: 10, users: 4, items: 5 },
    );
    expect(found.users).toEqual({ rows: Int32Array.of(0, 1), counts: Int32Array.of(2, 1) });
    expect(found.items).toEqual({ rows: Int32Array.of(0, 2, 3), counts: Int32Array.of(2, 2, 1) });
  });

  it("add rows that the gradient does not have, in order", () => {
    const gradient = { rows: Int32Array.of(2), data: Float32Array.of(5) };
    const table = { rows: 4, data: Float32Array.of(1, 2, 3, 4) };
    const { value, gradient: sum } = addPenalty(
      gradient,
      table,
      { rows: 4, data: Float32Array.of(0, 0, 1, 1) },
      { rows: Int32Array.of(0, 2, 3), counts: Int32Array.of(1, 2, 1) },
      0.5,
      1,
    );
    expect(value).toBeCloseTo(0.25 * (1 + 2 * 4 + 9), 12);
    expect(sum).toEqual({ rows: Int32Array.of(0, 2, 3), data: Float32Array.of(0.5, 5 + 2, 1.5) });
    expect(gradient.data).toEqual(Float32Array.of(5));
    expect(withRows(sum, Int32Array.of(0, 3), 1)).toBe(sum);
  });
});
