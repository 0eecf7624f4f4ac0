// LSTM (Hochreiter & Schmidhuber 1997; ONNX LSTM-22), forward direction, without peepholes, differentiated as a whole
// by backpropagation through time. T steps, B sequences, I inputs, H units; gates lie in ONNX's order i (input), o
// (output), f (forget), c (cell).
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { define, type GradientContext, type OperatorContext, type OperatorDefinition } from "./definition.js";
import { input, optional } from "./parameters.js";
import { outerSum, requireShapes, stackSteps, stepOf, stepSum, times } from "./time-steps.js";

const inputNames = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c"];

function sizesOf(c: OperatorContext): { T: Dim; B: Dim; H: number } {
  const H = c.int("hidden_size");
  const X = c.input(0);
  if (X.rank !== 3) throw new RangeError("X must have shape [T, B, I]");
  const [T, B, I] = X.shape as readonly [Dim, Dim, Dim];
  const state = [1, B, H];
  requireShapes(c, inputNames, [X.shape, [1, 4 * H, I], [1, 4 * H, H], [1, 8 * H], [B], state, state]);
  if (c.optional(4) && c.optional(4)!.dtype !== "int32") throw new RangeError("sequence_lens must be int32");
  return { T, B, H };
}

/**
 * What the forward pass computed, again. Gates for all steps at once, from the states that are known; only the cells
 * c₍ₜ₎ are a loop.
 */
function recompute(c: GradientContext, T: number, B: Dim, H: number) {
  const { op } = c;
  const [X, W, R] = [c.input(0), op.Squeeze(c.input(1), [0]), op.Squeeze(c.input(2), [0])];
  const zeros = () => op.Expand(op.scalar(0, X.dtype), [1, B, H]);
  const Y = op.Squeeze(c.output(0), [1]);
  const previous = op.Concat([c.optional(5) ?? zeros(), op.Slice(Y, [0], [T - 1], [0])], { axis: 0 }); // h₍ₜ₋₁₎
  let all = op.Add(times(op, X, W), times(op, previous, R)); // [T, B, 4H]
  const bias = c.optional(3);
  if (bias) {
    const [ofInput, ofState] = op.Split(op.Squeeze(bias, [0]), 2) as [Value, Value];
    all = op.Add(all, op.Add(ofInput, ofState));
  }
  const [i, o, f, g] = op.Split(all, [H, H, H, H], { axis: 2 }) as [Value, Value, Value, Value];
  const gates = { i: op.Sigmoid(i), o: op.Sigmoid(o), f: op.Sigmoid(f), g: op.Tanh(g) };
  const added = op.Mul(gates.i, gates.g);
  const cells = [op.Squeeze(c.optional(6) ?? zeros(), [0])]; // c₍₋₁₎, c₍₀₎, …
  for (let t = 0; t < T; t++) {
    cells.push(op.Add(op.Mul(stepOf(op, gates.f, t), cells[t]!), stepOf(op, added, t)));
  }
  return { X, W, R, previous, gates, before: stackSteps(op, cells.slice(0, T)), cells: stackSteps(op, cells.slice(1)) };
}

function lstmGradient(c: GradientContext): (Value | undefined)[] {
  const { op } = c;
  const { T, B, H } = sizesOf(c);
  if (typeof T !== "number" || T === 0)
    throw new RangeError(`the gradient needs a sequence length known in advance, not ${T}`);
  if (c.optional(4)) throw new RangeError("sequence_lens has no gradient rule; mask the outputs instead");
  const { X, W, R, previous, gates, before, cells } = recompute(c, T, B, H);
  const { i, o, f, g } = gates;
  const one = (x: Value) => op.Sub(1, x);
  // Factors that need no recurrence: σ' = s(1 − s), tanh' = 1 − t². h = o ∘ tanh(c), c = f ∘ c₍ₜ₋₁₎ + i ∘ g.
  const shown = op.Tanh(cells);
  const factors = {
    cell: op.Mul(o, one(op.Mul(shown, shown))),
    i: op.Mul(g, op.Mul(i, one(i))),
    o: op.Mul(shown, op.Mul(o, one(o))),
    f: op.Mul(before, op.Mul(f, one(f))),
    g: op.Mul(i, one(op.Mul(g, g))),
  };
  const [dY, dLast, dLastCell] = [0, 1, 2].map((index) => c.optionalOutputGradient(index));
  let dh = dLast && op.Squeeze(dLast, [0]); // [B, H]
  let dc = dLastCell && op.Squeeze(dLastCell, [0]);
  const steps: Value[] = [];
  for (let t = T - 1; t >= 0; t--) {
    const own = dY && op.Squeeze(stepOf(op, dY, t), [0]); // dY is [T, 1, B, H]
    const total = dh && own ? op.Add(dh, own) : (dh ?? own);
    const at = (x: Value) => stepOf(op, x, t);
    const through = total && op.Mul(total, at(factors.cell));
    dc = dc && through ? op.Add(dc, through) : (dc ?? through)!;
    const cell = dc;
    const dO = total ? op.Mul(total, at(factors.o)) : op.zerosLike(cell);
    const dGates = op.Concat(
      [op.Mul(cell, at(factors.i)), dO, op.Mul(cell, at(factors.f)), op.Mul(cell, at(factors.g))],
      { axis: 1 },
    ); // [B, 4H]
    dh = op.MatMul(dGates, R);
    dc = op.Mul(cell, at(f));
    steps.unshift(dGates);
  }
  const dGates = stackSteps(op, steps); // [T, B, 4H]
  const dBias = () => {
    const sum = stepSum(op, dGates);
    return op.Unsqueeze(op.Concat([sum, sum], { axis: 0 }), [0]);
  };
  return [
    c.needs(0) ? op.MatMul(dGates, W) : undefined,
    c.needs(1) ? op.Unsqueeze(outerSum(op, dGates, X), [0]) : undefined,
    c.needs(2) ? op.Unsqueeze(outerSum(op, dGates, previous), [0]) : undefined,
    c.needs(3) ? dBias() : undefined,
    undefined,
    c.needs(5) ? op.Unsqueeze(dh!, [0]) : undefined,
    c.needs(6) ? op.Unsqueeze(dc!, [0]) : undefined,
  ];
}

export const lstm: readonly OperatorDefinition[] = [
  define({
    type: "LSTM",
    float32Only: true,
    inputs: [
      ...["X", "W", "R"].map((name) => input(name)),
      ...["B", "sequence_lens", "initial_h", "initial_c"].map((name) => optional(name)),
    ],
    method: [input("inputs", "sparseTensors"), input("attributes", "attributes")],
    attributes: {
      hidden_size: { kind: "int", required: true },
      direction: { kind: "string", default: "forward", values: ["forward"] },
    },
    infer: (c) => {
      c.requireFloat();
      const { T, B, H } = sizesOf(c);
      const dtype = c.sameDType(0, 1, 2, 3, 5, 6);
      const state = { dtype, shape: [1, B, H] };
      return [{ dtype, shape: [T, 1, B, H] }, state, state];
    },
    gradient: lstmGradient,
  }),
];
