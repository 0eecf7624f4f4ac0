// Piecewise activations: rectifiers, hard approximations and Clip. At a kink the gradient is the one that PyTorch
// takes.
import type { Value } from "../graph/graph.js";
import { type AttributeSpec, define, type GradientContext, type OperatorDefinition } from "./definition.js";
import { input, optional } from "./parameters.js";
import { reduceTo } from "./reduce-to.js";

type Attributes = Record<string, AttributeSpec>;

const floats = (defaults: Record<string, number>): Attributes =>
  Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, { kind: "float", default: value }]));

const zero = (c: GradientContext, like: Value) => c.op.scalar(0, like.dtype);

/** dy · `above` where x > threshold, else `below(dy)`. */
function rectifier(
  type: string,
  below: (c: GradientContext, x: Value, dy: Value) => Value,
  {
    attributes = {},
    threshold = () => 0,
    above = (_, dy) => dy,
  }: {
    attributes?: Attributes;
    threshold?: (c: GradientContext) => number;
    above?: (c: GradientContext, dy: Value) => Value;
  } = {},
): OperatorDefinition {
  return define({
    type,
    float32Only: type !== "Relu",
    inputs: [input("X")],
    attributes,
    infer: (c) => [{ dtype: c.requireFloat(), shape: c.input(0).shape }],
    gradient: (c) => {
      const [x, dy] = [c.input(0), c.outputGradient()];
      return [c.op.Where(c.op.Greater(x, threshold(c)), above(c, dy), below(c, x, dy))];
    },
  });
}

/** dy · slope(x) strictly between the two bounds, `outside` otherwise. */
function hard(
  type: string,
  attributes: Attributes,
  bounds: (c: GradientContext) => readonly [number, number],
  slope: (c: GradientContext, x: Value, dy: Value) => Value,
  aboveSlope: 0 | 1,
): OperatorDefinition {
  return define({
    type,
    float32Only: true,
    inputs: [input("X")],
    attributes,
    infer: (c) => [{ dtype: c.requireFloat(), shape: c.input(0).shape }],
    gradient: (c) => {
      const { op } = c;
      const [x, dy] = [c.input(0), c.outputGradient()];
      const [low, high] = bounds(c);
      const above = aboveSlope === 1 ? dy : zero(c, dy);
      return [op.Where(op.Greater(x, low), op.Where(op.Less(x, high), slope(c, x, dy), above), zero(c, dy))];
    },
  });
}

export const piecewise: readonly OperatorDefinition[] = [
  rectifier("Relu", (c, _, dy) => zero(c, dy)),
  rectifier("LeakyRelu", (c, _, dy) => c.op.Mul(dy, c.float("alpha")), { attributes: floats({ alpha: 0.01 }) }),
  // y = α(eˣ − 1) below zero, so that y' = y + α there.
  rectifier("Elu", (c, _, dy) => c.op.Mul(dy, c.op.Add(c.output(), c.float("alpha"))), {
    attributes: floats({ alpha: 1 }),
  }),
  // y = α(exp(x/α) − 1) below zero, y' = exp(x/α) = y/α + 1 (Barron 2017).
  rectifier("Celu", (c, _, dy) => c.op.Mul(dy, c.op.Add(c.op.Div(c.output(), c.float("alpha")), 1)), {
    attributes: floats({ alpha: 1 }),
  }),
  // y = γα(eˣ − 1) below zero and γx above; the defaults are the standard's (Klambauer et al. 2017).
  rectifier("Selu", (c, _, dy) => c.op.Mul(dy, c.op.Add(c.output(), c.float("alpha") * c.float("gamma"))), {
    attributes: floats({ alpha: 1.6732631921768188, gamma: 1.0507010221481323 }),
    above: (c, dy) => c.op.Mul(dy, c.float("gamma")),
  }),
  rectifier("ThresholdedRelu", (c, _, dy) => zero(c, dy), {
    attributes: floats({ alpha: 1 }),
    threshold: (c) => c.float("alpha"),
  }),
  // y = clip(αx + β, 0, 1)
  hard(
    "HardSigmoid",
    floats({ alpha: 0.2, beta: 0.5 }),
    (c) => [-c.float("beta") / c.float("alpha"), (1 - c.float("beta")) / c.float("alpha")],
    (c, _, dy) => c.op.Mul(dy, c.float("alpha")),
    0,
  ),
  // y = x · clip(x/6 + 1/2, 0, 1), so that y' = x/3 + 1/2 between −3 and 3 (Howard et al. 2019).
  hard(
    "HardSwish",
    {},
    () => [-3, 3],
    (c, x, dy) => c.op.Mul(dy, c.op.Add(c.op.Div(x, 3), 0.5)),
    1,
  ),
  define({
    type: "PRelu",
    float32Only: true,
    inputs: [input("X"), input("slope")],
    infer: (c) => {
      const [x, slope] = [c.input(0), c.input(1)];
      c.requireFloat();
      const offset = x.rank - slope.rank;
      if (offset < 0 || slope.shape.some((dim, i) => dim !== 1 && dim !== x.shape[i + offset])) {
        throw new RangeError(`slope does not broadcast to [${x.shape.join(", ")}]`);
      }
      return [{ dtype: c.sameDType(), shape: x.shape }];
    },
    gradient: (c) => {
      const { op } = c;
      const [x, slope, dy] = [c.input(0), c.input(1), c.outputGradient()];
      const positive = op.GreaterOrEqual(x, 0);
      return [
        c.needs(0) ? op.Where(positive, dy, op.Mul(dy, slope)) : undefined,
        c.needs(1) ? reduceTo(op, op.Where(positive, zero(c, dy), op.Mul(dy, x)), slope.shape) : undefined,
      ];
    },
  }),
  // y = min(max(x, low), high): the gradient goes to whichever operand was taken, at a bound to the bound.
  define({
    type: "Clip",
    inputs: [input("input"), optional("min", "operand"), optional("max", "operand")],
    infer: (c) => {
      for (const index of [1, 2]) {
        if (c.optional(index) && c.input(index).rank !== 0) throw new RangeError("the bounds must be scalars");
      }
      return [{ dtype: c.sameDType(), shape: c.input(0).shape }];
    },
    gradient: (c) => {
      const { op } = c;
      const x = c.input(0);
      const [low, high] = [c.optional(1), c.optional(2)];
      const dy = c.outputGradient();
      const none = zero(c, dy);
      const tooLow = low && op.LessOrEqual(x, low);
      const tooHigh = high && op.GreaterOrEqual(low ? op.Max(x, low) : x, high);
      const unlessHigh = (value: Value) => (tooHigh ? op.Where(tooHigh, none, value) : value);
      const total = (value: Value) => op.ReduceSum(value, undefined, { keepdims: 0 });
      return [
        c.needs(0) ? unlessHigh(tooLow ? op.Where(tooLow, none, dy) : dy) : undefined,
        tooLow && c.needs(1) ? total(unlessHigh(op.Where(tooLow, dy, none))) : undefined,
        tooHigh && c.needs(2) ? total(op.Where(tooHigh, dy, none)) : undefined,
      ];
    },
  }),
];
