// GRU (Cho et al. 2014; ONNX GRU-22), forward direction, differentiated as a whole by backpropagation through time.
// T steps, B sequences, I inputs, H units; gates lie in ONNX's order z (update), r (reset), h (hidden).
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { define, flag, type GradientContext, type OperatorContext, type OperatorDefinition } from "./definition.js";
import type { Operators } from "./operators.js";
import { input, optional } from "./parameters.js";
import { outerSum, requireShapes, stackSteps, stepOf, stepSum, times } from "./time-steps.js";

const inputNames = ["X", "W", "R", "B", "sequence_lens", "initial_h"];

function sizesOf(c: OperatorContext): { T: Dim; B: Dim; H: number } {
  const H = c.int("hidden_size");
  const X = c.input(0);
  if (X.rank !== 3) throw new RangeError("X must have shape [T, B, I]");
  const [T, B, I] = X.shape as readonly [Dim, Dim, Dim];
  requireShapes(c, inputNames, [X.shape, [1, 3 * H, I], [1, 3 * H, H], [1, 6 * H], [B], [1, B, H]]);
  if (c.optional(4) && c.optional(4)!.dtype !== "int32") throw new RangeError("sequence_lens must be int32");
  return { T, B, H };
}

/** The parts of a tensor along an axis, for the gates z, r and h. */
const gates = (op: Operators, x: Value, H: number, axis: number) =>
  op.Split(x, [H, H, H], { axis }) as [Value, Value, Value];

/**
 * What the forward pass computed, again, for all steps at once: the states are known, so that only the way back is a
 * loop over time. Shapes [T, B, H]; `previous` is h₍ₜ₋₁₎ and `inner` what R_h multiplied (linear_before_reset: before
 * the reset gate, else after it).
 */
function recompute(c: GradientContext, T: number, B: Dim, H: number) {
  const { op } = c;
  const [X, W, R] = [c.input(0), op.Squeeze(c.input(1), [0]), op.Squeeze(c.input(2), [0])];
  const Y = op.Squeeze(c.output(0), [1]);
  const zeros = () => op.Expand(op.scalar(0, X.dtype), [1, B, H]);
  const previous = op.Concat([c.optional(5) ?? zeros(), op.Slice(Y, [0], [T - 1], [0])], { axis: 0 });
  const bias = c.optional(3);
  const [inputBias, stateBias] = bias ? op.Split(op.Squeeze(bias, [0]), [3 * H, 3 * H], { axis: 0 }) : [];
  const fromInput = times(op, X, W);
  const [xz, xr, xh] = gates(op, inputBias ? op.Add(fromInput, inputBias) : fromInput, H, 2);
  const [Rz, Rr, Rh] = gates(op, R, H, 0);
  const [bz, br, bh] = stateBias ? gates(op, stateBias, H, 0) : [];
  const plus = (x: Value, b: Value | undefined) => (b ? op.Add(x, b) : x);
  const z = op.Sigmoid(op.Add(xz, plus(times(op, previous, Rz), bz)));
  const r = op.Sigmoid(op.Add(xr, plus(times(op, previous, Rr), br)));
  const before = c.flag("linear_before_reset");
  const projected = before ? plus(times(op, previous, Rh), bh) : undefined;
  const inner = projected ? previous : op.Mul(r, previous);
  const h = op.Tanh(op.Add(xh, projected ? op.Mul(r, projected) : plus(times(op, inner, Rh), bh)));
  return { X, W, R, Rh, previous, z, r, h, projected, inner };
}

function gruGradient(c: GradientContext): (Value | undefined)[] {
  const { op } = c;
  const { T, B, H } = sizesOf(c);
  if (typeof T !== "number" || T === 0)
    throw new RangeError(`the gradient needs a sequence length known in advance, not ${T}`);
  if (c.optional(4)) throw new RangeError("sequence_lens has no gradient rule; mask the outputs instead");
  const f = recompute(c, T, B, H);
  const dY = c.optionalOutputGradient(0);
  const dLast = c.optionalOutputGradient(1);
  // Factors that need no recurrence: σ' = z(1 − z), tanh' = 1 − h².
  const factors = {
    z: op.Mul(op.Sub(f.previous, f.h), op.Mul(f.z, op.Sub(1, f.z))),
    r: op.Mul(op.Mul(f.projected ?? f.previous, f.r), op.Sub(1, f.r)),
    h: op.Mul(op.Sub(1, f.z), op.Sub(1, op.Mul(f.h, f.h))),
  };
  const Rzr = op.Slice(f.R, [0], [2 * H], [0]); // [2H, H]
  const pre: Record<"z" | "r" | "h" | "inner", Value[]> = { z: [], r: [], h: [], inner: [] };
  let dh = dLast && op.Squeeze(dLast, [0]); // [B, H]
  for (let t = T - 1; t >= 0; t--) {
    const own = dY && op.Squeeze(stepOf(op, dY, t), [0]); // dY is [T, 1, B, H]
    const total: Value = dh && own ? op.Add(dh, own) : (dh ?? own)!;
    const dPreZ = op.Mul(total, stepOf(op, factors.z, t));
    const dPreH = op.Mul(total, stepOf(op, factors.h, t));
    const r = stepOf(op, f.r, t);
    // linear_before_reset: n = tanh(x + r ∘ (R_h h)), so that the product's gradient is r ∘ dPreH; otherwise n = tanh(x
    // + R_h (r ∘ h)).
    const dProduct = f.projected ? op.Mul(dPreH, r) : dPreH;
    const dInner = op.MatMul(dProduct, f.Rh);
    const dPreR = op.Mul(f.projected ? dPreH : dInner, stepOf(op, factors.r, t));
    const throughGates = op.MatMul(op.Concat([dPreZ, dPreR], { axis: 1 }), Rzr);
    const throughHidden = f.projected ? dInner : op.Mul(dInner, r);
    dh = op.Sum(op.Mul(total, stepOf(op, f.z, t)), throughGates, throughHidden);
    pre.z.unshift(dPreZ);
    pre.r.unshift(dPreR);
    pre.h.unshift(dPreH);
    pre.inner.unshift(dProduct);
  }
  const [dz, dr, dn, dInner] = (["z", "r", "h", "inner"] as const).map((gate) => stackSteps(op, pre[gate])) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const dGates = op.Concat([dz, dr, dn], { axis: 2 }); // [T, B, 3H]
  return [
    c.needs(0) ? op.MatMul(dGates, f.W) : undefined,
    c.needs(1) ? op.Unsqueeze(outerSum(op, dGates, f.X), [0]) : undefined,
    c.needs(2)
      ? op.Unsqueeze(
          op.Concat([outerSum(op, op.Concat([dz, dr], { axis: 2 }), f.previous), outerSum(op, dInner, f.inner)], {
            axis: 0,
          }),
          [0],
        )
      : undefined,
    c.needs(3)
      ? op.Unsqueeze(
          op.Concat([stepSum(op, dGates), stepSum(op, dz), stepSum(op, dr), stepSum(op, dInner)], { axis: 0 }),
          [0],
        )
      : undefined,
    undefined,
    c.needs(5) ? op.Unsqueeze(dh!, [0]) : undefined,
  ];
}

export const recurrent: readonly OperatorDefinition[] = [
  define({
    type: "GRU",
    float32Only: true,
    inputs: [input("X"), input("W"), input("R"), optional("B"), optional("sequence_lens"), optional("initial_h")],
    method: [input("inputs", "sparseTensors"), input("attributes", "attributes")],
    attributes: {
      hidden_size: { kind: "int", required: true },
      linear_before_reset: flag(0),
      direction: { kind: "string", default: "forward", values: ["forward"] },
    },
    infer: (c) => {
      c.requireFloat();
      const { T, B, H } = sizesOf(c);
      const dtype = c.sameDType(0, 1, 2, 3, 5);
      return [
        { dtype, shape: [T, 1, B, H] },
        { dtype, shape: [1, B, H] },
      ];
    },
    gradient: gruGradient,
  }),
];
