// Symbolic dimensions: their arithmetic agrees with numbers, and equal expressions have one text.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addDims,
  canonicalDim,
  type Dim,
  dimTerms,
  divideDims,
  elementCount,
  multiplyDims,
  subtractDims,
} from "../src/graph/dim.js";

const symbols = ["B", "T", "n2"] as const;
type Assignment = Readonly<Record<(typeof symbols)[number], number>>;

function evaluate(dim: Dim, values: Assignment): number {
  return dimTerms(dim).reduce(
    (sum, { coefficient, symbols: factors }) =>
      sum + factors.reduce((product, symbol) => product * values[symbol as keyof Assignment], coefficient),
    0,
  );
}

const dims: fc.Arbitrary<Dim> = fc.letrec<{ dim: Dim }>((tie) => ({
  dim: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Dim>(...symbols, 0, 1, 2, 7),
    fc.tuple(fc.constantFrom(addDims, subtractDims, multiplyDims), tie("dim"), tie("dim")).map(([f, a, b]) => f(a, b)),
  ),
})).dim;
const assignments: fc.Arbitrary<Assignment> = fc.record({ B: fc.nat(9), T: fc.nat(9), n2: fc.nat(9) });

describe("arithmetic", () => {
  test.each([
    ["sum", addDims, (a: number, b: number) => a + b],
    ["difference", subtractDims, (a: number, b: number) => a - b],
    ["product", multiplyDims, (a: number, b: number) => a * b],
  ] as const)("a %s of dimensions is that of their values", (_, symbolic, numeric) => {
    fc.assert(
      fc.property(dims, dims, assignments, (a, b, values) => {
        // + 0: a product of 0 and a negative number is -0
        expect(evaluate(symbolic(a, b), values)).toBe(numeric(evaluate(a, values), evaluate(b, values)) + 0);
      }),
    );
  });

  test("equal expressions have the same text, however they were put together", () => {
    fc.assert(
      fc.property(dims, dims, dims, (a, b, c) => {
        expect(addDims(a, b)).toBe(addDims(b, a));
        expect(multiplyDims(a, addDims(b, c))).toBe(addDims(multiplyDims(a, b), multiplyDims(a, c)));
        expect(subtractDims(addDims(a, b), b)).toBe(typeof a === "number" ? a : canonicalDim(a));
      }),
    );
  });

  test("a quotient times its divisor is the dividend", () => {
    fc.assert(
      fc.property(dims, dims, (a, b) => {
        const quotient = divideDims(a, b);
        if (quotient !== undefined) expect(multiplyDims(quotient, b)).toBe(a);
      }),
    );
    expect(divideDims("6*B*T", "2*T")).toBe("3*B");
    expect(divideDims("B*T+T", "T")).toBe("B+1");
    expect(divideDims("B", "T")).toBeUndefined();
    expect(divideDims(7, 2)).toBeUndefined();
    expect(divideDims(7, 0)).toBeUndefined();
  });
});

describe("text", () => {
  test.each([
    ["T*B + 1", "B*T+1"],
    ["1+B", "B+1"],
    ["2*3*B", "6*B"],
    ["B-B", 0],
    ["B-B+4", 4],
    ["-1+T", "T-1"],
    ["P+T-P", "T"],
  ] as const)("%s is %s", (given, expected) => {
    expect(canonicalDim(given)).toBe(expected);
  });

  test.each(["", "B/2", "2B", "B T", "B+", "(B)", "ä"])("%j is refused", (text) => {
    expect(() => canonicalDim(text)).toThrow(
      `dimension ${JSON.stringify(text)}: sums and products of integers and names are expected`,
    );
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 60])("%d is refused", (number) => {
    expect(() => canonicalDim(number)).toThrow(`dimension ${number}: a non-negative integer or a symbol is expected`);
  });

  test("element counts", () => {
    expect(elementCount([])).toBe(1);
    expect(elementCount([2, "B", 3])).toBe("6*B");
    expect(elementCount([0, "B"])).toBe(0);
  });
});
