// Adam against torch.optim.Adam and SparseAdam over 20 steps, schedules against torch's, clipping against torch's.

import { expectClose } from "@cllm4rec/testing";
import { Adam, type RowPolicy, schedule, TrainingError } from "@cllm4rec/training";
import { describe, expect, it } from "vitest";
import { clipByGlobalNorm, globalNorm } from "../src/gradients/row-gradients.js";
import { golden } from "./helpers.js";

interface AdamGolden {
  rows: number;
  width: number;
  learningRate: number;
  start: number[];
  gradients: { rows: number[]; data: number[] }[];
  after: Record<RowPolicy, number[][]>;
}

describe("Adam", () => {
  const { rows, width, learningRate, start, gradients, after } = golden<AdamGolden>("adam.json");

  function trace(policy: RowPolicy): Float32Array[] {
    const table = { rows, data: Float32Array.from(start) };
    const adam = new Adam(rows, width, { rows: policy });
    return gradients.map((gradient) => {
      adam.update(
        table,
        { rows: Int32Array.from(gradient.rows), data: Float32Array.from(gradient.data) },
        learningRate,
      );
      return table.data.slice();
    });
  }

  it.each([
    ["dense", "torch.optim.Adam with zero gradients for absent rows"],
    ["sparse", "torch.optim.SparseAdam"],
    ["lazy", "a torch.optim.Adam of its own for each row"],
  ] as const)("%s is %s, elementwise after each of 20 steps", (policy, _what) => {
    trace(policy).forEach((data, step) => {
      expectClose(data, after[policy][step]!, { rtol: 2e-6, atol: 2e-6, label: `${policy}, step ${step}` });
    });
  });

  it("differs between policies just as documented: absent rows keep their values, and late rows start at the learning rate", () => {
    const [dense, sparse, lazy] = [trace("dense"), trace("sparse"), trace("lazy")];
    const row = (data: Float32Array, r: number) => data.slice(r * width, (r + 1) * width);
    // Row 0 has a gradient in every step: all three agree but for rounding and for where epsilon is added.
    expectClose(row(sparse[19]!, 0), row(dense[19]!, 0), { rtol: 1e-4, atol: 1e-4 });
    expectClose(row(lazy[19]!, 0), row(dense[19]!, 0), { rtol: 1e-6, atol: 1e-6 });
    const absent = gradients.findIndex(({ rows: touched }, step) => step > 5 && !touched.includes(1));
    for (const still of [sparse, lazy]) expect(row(still[absent]!, 1)).toEqual(row(still[absent - 1]!, 1));
    expect(row(dense[absent]!, 1)).not.toEqual(row(dense[absent - 1]!, 1));
    // Row 5 is first touched at step 12. Lazily it moves by the learning rate, as any first step of Adam does; with
    // global correction by (1−β₁)/(1−β₁¹³)·√((1−β₂¹³)/(1−β₂)) of it.
    const moved = (data: Float32Array[]) => Math.abs(data[12]![5 * width]! - start[5 * width]!) / learningRate;
    expect(moved(lazy)).toBeCloseTo(1, 3);
    expect(moved(sparse)).toBeCloseTo((0.1 / (1 - 0.9 ** 13)) * Math.sqrt((1 - 0.999 ** 13) / 0.001), 3);
  });

  it("refuses shapes and settings that do not fit", () => {
    const adam = new Adam(2, 3);
    const table = { rows: 2, data: new Float32Array(6) };
    expect(() => adam.update(table, { rows: Int32Array.of(0), data: new Float32Array(2) }, 1)).toThrow(
      /gradient of 1 rows/,
    );
    expect(() =>
      adam.update({ rows: 3, data: new Float32Array(9) }, { rows: new Int32Array(0), data: new Float32Array(0) }, 1),
    ).toThrow(/table of 3 rows/);
    expect(() => new Adam(1, 1, { beta2: 1 })).toThrow(/beta2 1/);
    expect(() => new Adam(1, 1, { epsilon: 0 })).toThrow(TrainingError);
  });
});

describe("schedule", () => {
  const expected = golden<Record<"cosine" | "linear" | "cosineAlone", number[]>>("schedules.json");
  const rates =
    (...args: Parameters<typeof schedule>) =>
    (n: number) =>
      Array.from({ length: n }, (_, t) => schedule(...args)(t));

  it("equals torch's LinearLR, CosineAnnealingLR and their sequence", () => {
    const exact = { rtol: 1e-12, atol: 1e-12 };
    expectClose(
      rates({ peak: 0.3, warmup: 5, decay: { shape: "cosine", total: 25, floor: 0.03 } })(26),
      expected.cosine,
      exact,
    );
    expectClose(
      rates({ peak: 0.3, warmup: 5, decay: { shape: "linear", total: 25, floor: 0.03 } })(26),
      expected.linear,
      exact,
    );
    expectClose(rates({ peak: 0.3, decay: { shape: "cosine", total: 10 } })(11), expected.cosineAlone, exact);
  });

  it("is constant for a number and stays at the floor after the end", () => {
    expect(rates(0.01)(3)).toEqual([0.01, 0.01, 0.01]);
    expect(schedule({ peak: 1, decay: { shape: "linear", total: 4, floor: 0.25 } })(1000)).toBe(0.25);
  });

  it.each([
    [0, /peak 0/],
    [{ peak: 1, warmup: 1.5 }, /warmup 1.5/],
    [
      { peak: 1, warmup: 5, decay: { shape: "linear", total: 5 } },
      /decay.total 5, expected an integer above the warm-up's 5/,
    ],
    [{ peak: 1, decay: { shape: "cosine", total: 5, floor: 2 } }, /decay.floor 2/],
  ] as const)("refuses %j", (rate, message) => {
    expect(() => schedule(rate)).toThrow(message);
  });
});

describe("clipByGlobalNorm", () => {
  it("equals torch.nn.utils.clip_grad_norm_", () => {
    const { gradients, norm, clipped } = golden<{ gradients: number[][]; norm: number; clipped: number[][] }>(
      "clip.json",
    );
    const rows = gradients.map((data) => ({
      rows: Int32Array.from({ length: data.length / 2 }, (_, r) => r),
      data: Float32Array.from(data),
    }));
    expect(clipByGlobalNorm(rows, 2)).toBeCloseTo(norm, 5);
    rows.forEach(({ data }, i) => {
      expectClose(data, clipped[i]!, { rtol: 1e-6 });
    });
    expect(globalNorm(rows)).toBeCloseTo(2, 5);
  });

  it("leaves a gradient within the norm untouched, bit for bit", () => {
    const gradient = { rows: Int32Array.of(4), data: Float32Array.of(0.1, -0.2) };
    clipByGlobalNorm([gradient], 1);
    expect(gradient.data).toEqual(Float32Array.of(0.1, -0.2));
    expect(() => clipByGlobalNorm([gradient], 0)).toThrow(/norm of 0/);
  });
});
