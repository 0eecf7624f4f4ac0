// Centred and whitened features: against scikit-learn, absent rows, and what is refused.
import { applyWhitening, type DenseFeatures, fitWhitening } from "@cllm4rec/corpus";
import { describe, expect, test } from "vitest";
import fixture from "./fixtures/whitening.json" with { type: "json" };

const dense = (values: readonly number[], columns = fixture.columns): DenseFeatures => ({
  rows: values.length / columns,
  columns,
  values: Float32Array.from(values),
});

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(actual[i]! - value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)));
  });
}

describe("whitening", () => {
  test.each([
    ["all components", 6, fixture.all],
    ["the first three", 3, fixture.three],
  ])("scikit-learn's PCA with whiten=True: %s", (_, components, golden) => {
    const whitening = fitWhitening(dense(fixture.rows), { components });
    expect(whitening.components).toBe(components);
    expectClose(whitening.variances, golden.variances);
    expectClose(applyWhitening(whitening, dense(fixture.rows)).values, golden.rows);
    expectClose(applyWhitening(whitening, dense(fixture.later)).values, golden.later);
  });

  test("absent texts do not take part and stay zeros", () => {
    const zeros = Array.from({ length: 6 }, () => 0);
    const whitening = fitWhitening(dense([...zeros, ...fixture.rows, ...zeros]));
    const { values } = applyWhitening(whitening, dense([...fixture.rows, ...zeros]));
    expectClose(values, [...fixture.all.rows, ...zeros]);
  });

  test("directions without variance are left out", () => {
    const doubled = fixture.rows.flatMap((value) => [value, 2 * value]);
    expect(fitWhitening(dense(doubled, 12)).components).toBe(6);
    expect(fitWhitening(dense(fixture.rows.slice(0, 18))).components).toBe(2); // three rows span two directions
  });

  test.each<[string, () => unknown, RegExp]>([
    ["no component", () => fitWhitening(dense(fixture.rows), { components: 0 }), /components: found 0/],
    ["a single row", () => fitWhitening(dense(fixture.rows.slice(0, 6))), /found 1 rows .* expected at least 2/],
    ["equal rows", () => fitWhitening(dense([1, 2, 1, 2], 2)), /all rows are equal/],
    ["a value that is no number", () => fitWhitening(dense([1, 2, 3, Number.NaN], 2)), /found NaN in row 1, column 1/],
    ["other columns", () => applyWhitening(fitWhitening(dense(fixture.rows)), dense([1, 2], 2)), /found 2 columns/],
  ])("%s is refused", (_, call, message) => {
    expect(call).toThrow(message);
  });
});
