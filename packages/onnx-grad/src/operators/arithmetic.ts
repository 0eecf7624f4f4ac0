// Elementwise operators of two or more operands, with broadcasting.
import { addDims, divideDims, multiplyDims, type Shape, subtractDims } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import {
  broadcastShapes,
  define,
  type GradientContext,
  type OperatorContext,
  type OperatorDefinition,
} from "./definition.js";
import { input, many } from "./parameters.js";
import { reduceTo } from "./reduce-to.js";

const broadcastAll = (c: OperatorContext) => c.inputs.map((_, i) => c.input(i).shape).reduce(broadcastShapes);

/** Sums, differences, products and exact quotients of known dimensions stay known. */
function contentOf(type: string, c: OperatorContext): Shape | undefined {
  const combine = { Add: addDims, Sub: subtractDims, Mul: multiplyDims, Div: divideDims }[type];
  const [a, b] = [c.input(0).content, c.input(1).content];
  if (!combine || !a || !b || a.length !== b.length) return undefined;
  const content = a.map((dim, i) => combine(dim, b[i]!));
  return content.every((dim) => dim !== undefined) ? content : undefined;
}

/** Whether a value is an embedded constant in which no element is 0. */
function isConstantWithoutZero({ constant }: Value): boolean {
  return constant !== undefined && "data" in constant && Array.from(constant.data, Number).every((x) => x !== 0);
}

type Partial = (c: GradientContext, dy: Value) => Value;

/**
 * A binary operator with its two partial derivatives (already multiplied by the output's gradient, before reduction).
 */
function binary(type: string, partialA: Partial, partialB: Partial): OperatorDefinition {
  return define({
    type,
    inputs: [input("A", "operand"), input("B", "operand")],
    infer: (c) => [{ dtype: c.sameDType(), shape: broadcastAll(c), content: contentOf(type, c) }],
    gradient: (c) => {
      const dy = c.outputGradient();
      return [
        c.needs(0) ? reduceTo(c.op, partialA(c, dy), c.input(0).shape) : undefined,
        c.needs(1) ? reduceTo(c.op, partialB(c, dy), c.input(1).shape) : undefined,
      ];
    },
  });
}

/** Min and Max: the gradient goes to the operand that was chosen and is shared evenly where several are equal. */
function extremum(type: "Min" | "Max"): OperatorDefinition {
  return define({
    type,
    inputs: [many("data")],
    infer: (c) => [{ dtype: c.sameDType(), shape: broadcastAll(c) }],
    gradient: (c) => {
      const { op } = c;
      const y = c.output();
      const chosen = c.inputs.map((_, i) => op.Cast(op.Equal(c.input(i), y), y.dtype));
      const share = op.Div(
        c.outputGradient(),
        chosen.reduce((a, b) => op.Add(a, b)),
      );
      return c.inputs.map((_, i) =>
        c.needs(i) ? reduceTo(op, op.Mul(share, chosen[i]!), c.input(i).shape) : undefined,
      );
    },
  });
}

/** Sum and Mean over operands. */
function accumulation(type: "Sum" | "Mean"): OperatorDefinition {
  return define({
    type,
    float32Only: type === "Mean",
    inputs: [many("data")],
    infer: (c) => {
      c.requireFloat();
      return [{ dtype: c.sameDType(), shape: broadcastAll(c) }];
    },
    gradient: (c) => {
      const dy = type === "Sum" ? c.outputGradient() : c.op.Div(c.outputGradient(), c.inputs.length);
      return c.inputs.map((_, i) => (c.needs(i) ? reduceTo(c.op, dy, c.input(i).shape) : undefined));
    },
  });
}

export const arithmetic: readonly OperatorDefinition[] = [
  binary(
    "Add",
    (_, dy) => dy,
    (_, dy) => dy,
  ),
  binary(
    "Sub",
    (_, dy) => dy,
    ({ op }, dy) => op.Neg(dy),
  ),
  binary(
    "Mul",
    (c, dy) => c.op.Mul(dy, c.input(1)),
    (c, dy) => c.op.Mul(dy, c.input(0)),
  ),
  binary(
    "Div",
    (c, dy) => c.op.Div(dy, c.input(1)),
    (c, dy) => c.op.Neg(c.op.Div(c.op.Mul(dy, c.output()), c.input(1))),
  ),
  // d(a^b)/da = b·a^(b−1), 0 where b = 0; d(a^b)/db = a^b·ln a, taken as 0 where a = 0 (PyTorch does the same). For a <
  // 0 the latter is NaN.
  binary(
    "Pow",
    (c, dy) => {
      const { op } = c;
      const [base, exponent] = [c.input(0), c.input(1)];
      const slope = op.Mul(exponent, op.Pow(base, op.Sub(exponent, 1)));
      const mayBeZero = !isConstantWithoutZero(exponent);
      return op.Mul(dy, mayBeZero ? op.Where(op.Equal(exponent, 0), op.scalar(0, base.dtype), slope) : slope);
    },
    (c, dy) => {
      const { op } = c;
      const base = c.input(0);
      const log = op.Log(op.Where(op.Equal(base, 0), op.onesLike(base), base));
      return op.Mul(dy, op.Mul(c.output(), log));
    },
  ),
  extremum("Min"),
  extremum("Max"),
  accumulation("Sum"),
  accumulation("Mean"),
];
