// Counter-based normal numbers: known answers, an independent Python twin, and the shape of the distribution.

import { expectClose } from "@cllm4rec/testing";
import { TrainingError } from "@cllm4rec/training";
import { initialTables } from "@cllm4rec/training/stage";
import { describe, expect, it } from "vitest";
import { fillNormal, portableLog } from "../src/random/normal.js";
import { golden } from "./helpers.js";

describe("portableLog", () => {
  it("is within 2 units of the last place of Math.log over 2⁻⁶² … 2⁶²", () => {
    for (let i = 0; i < 200_000; i++) {
      const x = 2 ** ((i / 200_000) * 124 - 62);
      expectWithin(portableLog(x), Math.log(x), 2);
    }
    for (let i = 1; i < 2000; i++) expectWithin(portableLog(1 - i * 2 ** -40), Math.log1p(-i * 2 ** -40), 2);
    expect(portableLog(1)).toBe(0);
  });
});

function expectWithin(actual: number, expected: number, units: number): void {
  const unit = Math.max(Math.abs(expected) * 2 ** -52, Number.MIN_VALUE);
  if (!(Math.abs(actual - expected) <= units * unit)) throw new Error(`found ${actual}, expected ${expected}`);
}

describe("normal numbers", () => {
  it("equal those of the Python twin", () => {
    const { seed, stream, rows, width, values } = golden<{
      seed: number;
      stream: number;
      rows: number;
      width: number;
      values: number[];
    }>("normal.json");
    const found = new Float32Array(rows * width);
    fillNormal(found, width, seed, stream);
    expectClose(found, values, { rtol: 1e-7, atol: 1e-9 });
  });

  it("follow the normal distribution (Kolmogorov–Smirnov, 60,000 numbers) without correlation along rows or columns", () => {
    const [rows, width] = [1000, 60];
    const values = new Float32Array(rows * width);
    fillNormal(values, width, 5, 1);
    const sorted = Float64Array.from(values).sort();
    const largest = sorted.reduce(
      (worst, x, i) => Math.max(worst, Math.abs((i + 0.5) / sorted.length - normalCdf(x))),
      0,
    );
    expect(largest).toBeLessThan(1.95 / Math.sqrt(sorted.length)); // exceeded with probability 0.001; the seed is fixed
    for (const lag of [1, 2, width]) {
      let sum = 0;
      for (let i = lag; i < values.length; i++) sum += values[i]! * values[i - lag]!;
      expect(Math.abs(sum) / Math.sqrt(values.length)).toBeLessThan(4);
    }
  });
});

/** Φ by Simpson's rule over the density from 0. */
function normalCdf(x: number): number {
  const n = 200;
  const h = x / n;
  let sum = 0;
  for (let i = 0; i <= n; i++) sum += (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp(-((i * h) ** 2) / 2);
  return 0.5 + (sum * h) / 3 / Math.sqrt(2 * Math.PI);
}

describe("initialTables", () => {
  const options = { users: 300, items: 200, width: 24, seed: 9, priorDeviation: 0.5, contentDeviation: 0.1 };
  const deviation = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

  it("draws z^l around 0 (Eq. 1) and z^c around z^l (Eq. 2), each with its deviation", () => {
    const { collaborative, content } = initialTables(options);
    for (const kind of ["users", "items"] as const) {
      expect(deviation(collaborative[kind].data)).toBeCloseTo(0.5, 1);
      const around = content![kind].data.map((x, i) => x - collaborative[kind].data[i]!);
      expect(deviation(around)).toBeGreaterThan(0.095);
      expect(deviation(around)).toBeLessThan(0.105);
      expect(collaborative[kind].data.length).toBe(options[kind] * options.width);
    }
    expect(collaborative.users.data.slice(0, 24)).not.toEqual(collaborative.items.data.slice(0, 24));
  });

  it("gives a row the same bits however many rows there are, and other bits for another seed", () => {
    const few = initialTables({ ...options, users: 7, items: 3 });
    const many = initialTables(options);
    expect(few.content!.users.data).toEqual(many.content!.users.data.slice(0, 7 * 24));
    expect(few.collaborative.items.data).toEqual(many.collaborative.items.data.slice(0, 3 * 24));
    expect(initialTables({ ...options, seed: 10 }).collaborative.users.data).not.toEqual(many.collaborative.users.data);
  });

  it("makes no content tables unless asked to", () => {
    const { contentDeviation, ...rest } = options;
    expect(contentDeviation).toBe(0.1);
    expect(initialTables(rest)).not.toHaveProperty("content");
  });

  it.each([
    [{ seed: -1 }, /seed: found -1/],
    [{ seed: 0.5 }, /seed: found 0.5/],
    [{ users: 0 }, /users: found 0/],
    [{ priorDeviation: -1 }, /deviation of collaborative.users: found -1/],
    [{ contentDeviation: Number.NaN }, /deviation of content.users: found NaN/],
  ])("refuses %j", (change, message) => {
    expect(() => initialTables({ ...options, ...change })).toThrow(TrainingError);
    expect(() => initialTables({ ...options, ...change })).toThrow(message);
  });
});
