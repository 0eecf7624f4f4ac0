// Reductions over axes (axes are an input since opset 18), running sums, and the positions of extrema.
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import {
  define,
  flag,
  type GradientContext,
  normaliseAxis,
  type OperatorContext,
  type OperatorDefinition,
  type OperatorSpec,
} from "./definition.js";
import { productsOfOthers } from "./leave-one-out.js";
import type { Operators } from "./operators.js";
import { input, optional } from "./parameters.js";

function reducedAxes(c: OperatorContext): readonly number[] {
  const { rank } = c.input(0);
  const axes = c.constantInts(1, "axes");
  if (!axes || axes.length === 0) {
    return c.flag("noop_with_empty_axes") ? [] : Array.from({ length: rank }, (_, i) => i);
  }
  const normalised = axes.map((axis) => normaliseAxis(axis, rank));
  if (new Set(normalised).size !== axes.length) throw new RangeError(`axes [${axes}] repeat an axis`);
  return normalised;
}

/** Gradient and output of a reduction with the reduced axes kept as 1, ready to broadcast against the input. */
function kept(c: GradientContext, value: Value): Value {
  if (c.flag("keepdims")) return value;
  const axes = reducedAxes(c);
  return axes.length === 0
    ? value
    : c.op.Unsqueeze(
        value,
        [...axes].sort((a, b) => a - b),
      );
}

const reductionShape = (type: string, integers: boolean): OperatorSpec => ({
  type,
  inputs: [input("data"), optional("axes", "ints")],
  attributes: { keepdims: flag(1), noop_with_empty_axes: flag(0) },
  infer: (c) => {
    const axes = new Set(reducedAxes(c));
    const keep = c.flag("keepdims");
    const shape = c.input(0).shape.flatMap((dim, i): Dim[] => (axes.has(i) ? (keep ? [1] : []) : [dim]));
    return [{ dtype: integers ? c.input(0).dtype : c.requireFloat(), shape }];
  },
});

/** `gradient` receives x, and output (where it asks) and gradient in kept form; its result is expanded to x's shape. */
function reduction(
  type: string,
  gradient: (c: GradientContext, x: Value, y: () => Value, dy: Value) => Value,
  { integers = false }: { integers?: boolean } = {},
): OperatorDefinition {
  return define({
    ...reductionShape(type, integers),
    gradient: (c) => {
      const x = c.input(0);
      return [
        c.op.expandLike(
          gradient(c, x, () => kept(c, c.output()), kept(c, c.outputGradient())),
          x,
        ),
      ];
    },
  });
}

/** The gradient goes to the extremum, shared evenly where several elements are equal. */
const extremum = (c: GradientContext, x: Value, y: () => Value, dy: Value): Value => {
  const { op } = c;
  const axes = reducedAxes(c);
  if (axes.length === 0) return dy;
  const chosen = op.Cast(op.Equal(x, y()), x.dtype);
  return op.Mul(chosen, op.Div(dy, op.ReduceSum(chosen, axes, { keepdims: 1 })));
};

/** How many elements each output of a mean is made of: a number, or a computed scalar where dimensions are symbolic. */
export function reducedCount(op: Operators, x: Value, axes: readonly number[]): Value {
  const dims = axes.map((axis) => x.shape[axis]!);
  if (dims.every((dim) => typeof dim === "number")) {
    return op.scalar(
      (dims as number[]).reduce((a, b) => a * b, 1),
      x.dtype,
    );
  }
  const sizes = op.Gather(op.Shape(x), op.ints(axes));
  return op.Cast(op.ReduceProd(sizes, [0], { keepdims: 0 }), x.dtype);
}

function position(type: "ArgMax" | "ArgMin"): OperatorDefinition {
  return define({
    type,
    inputs: [input("data")],
    attributes: {
      axis: { kind: "int", default: 0 },
      keepdims: flag(1),
      select_last_index: flag(0),
    },
    infer: (c) => {
      const { shape, rank } = c.input(0);
      const axis = c.axis("axis", rank);
      return [
        {
          dtype: "int64",
          shape: shape.flatMap((dim, i): Dim[] => (i === axis ? (c.flag("keepdims") ? [1] : []) : [dim])),
        },
      ];
    },
    gradient: "none",
  });
}

export const reductions: readonly OperatorDefinition[] = [
  reduction("ReduceSum", (_c, _x, _y, dy) => dy, { integers: true }),
  reduction("ReduceMean", (c, x, _y, dy) => c.op.Div(dy, reducedCount(c.op, x, reducedAxes(c)))),
  reduction("ReduceMax", extremum),
  reduction("ReduceMin", extremum),
  reduction(
    "ReduceProd",
    (c, x, _y, dy) => {
      const axes = reducedAxes(c);
      return axes.length === 0 ? dy : c.op.Mul(productsOfOthers(c.op, x, axes), dy);
    },
    { integers: true },
  ),
  reduction("ReduceSumSquare", (c, x, _y, dy) => c.op.Mul(c.op.Mul(x, 2), dy)),
  // ‖x‖: the subgradient 0 is taken where the norm is 0.
  reduction("ReduceL2", (c, x, y, dy) => {
    const { op } = c;
    const norm = y();
    const isZero = op.Equal(norm, 0);
    return op.Where(
      isZero,
      op.scalar(0, x.dtype),
      op.Mul(x, op.Div(dy, op.Where(isZero, op.scalar(1, x.dtype), norm))),
    );
  }),
  reduction("ReduceL1", (c, x, _y, dy) => c.op.Mul(c.op.Sign(x), dy)),
  reduction("ReduceLogSumExp", (c, x, y, dy) => c.op.Mul(c.op.Exp(c.op.Sub(x, y())), dy)),
  position("ArgMax"),
  position("ArgMin"),
  define({
    type: "CumSum",
    inputs: [input("x"), input("axis", "index")],
    attributes: { exclusive: flag(0), reverse: flag(0) },
    infer: (c) => {
      const [axis = 0] = c.constantInts(1, "axis") ?? [];
      normaliseAxis(axis, c.input(0).rank);
      return [{ dtype: c.input(0).dtype, shape: c.input(0).shape }];
    },
    gradient: (c) => [
      c.op.CumSum(c.outputGradient(), c.input(1), { exclusive: c.int("exclusive"), reverse: 1 - c.int("reverse") }),
    ],
  }),
  define({
    type: "TopK",
    inputs: [input("X"), input("K", "size")],
    attributes: {
      axis: { kind: "int", default: -1 },
      largest: flag(1),
      sorted: flag(1),
    },
    infer: (c) => {
      const { shape, rank, dtype } = c.input(0);
      const axis = c.axis("axis", rank);
      const [k] = c.constantInts(1, "k") ?? [];
      const size = shape[axis]!;
      if (k === undefined || k < 0 || (typeof size === "number" && k > size))
        throw new RangeError(`k = ${k} of ${size} elements`);
      const result = shape.map((dim, i) => (i === axis ? k : dim));
      return [
        { dtype, shape: result },
        { dtype: "int64", shape: result },
      ];
    },
    gradient: (c) => {
      const dy = c.optionalOutputGradient(0);
      if (!dy) return [];
      return [c.op.ScatterElements(c.op.zerosLike(c.input(0)), c.output(1), dy, { axis: c.int("axis") })];
    },
  }),
];
