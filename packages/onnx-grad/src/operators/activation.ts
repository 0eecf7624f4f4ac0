// Elementwise operators of one operand: elementary functions and smooth activations.
import type { Value } from "../graph/graph.js";
import { type AttributeSpec, define, type GradientContext, type OperatorDefinition } from "./definition.js";
import { input } from "./parameters.js";

/** A unary float operator; `derivative` gives dy multiplied by the derivative. */
function unary(
  type: string,
  derivative: ((c: GradientContext, x: Value, dy: Value) => Value) | "none",
  { attributes = {}, float32Only = false }: { attributes?: Record<string, AttributeSpec>; float32Only?: boolean } = {},
): OperatorDefinition {
  return define({
    type,
    float32Only,
    inputs: [input("X")],
    attributes,
    infer: (c) => [{ dtype: c.requireFloat(), shape: c.input(0).shape }],
    gradient: derivative === "none" ? "none" : (c) => [derivative(c, c.input(0), c.outputGradient())],
  });
}

export const activation: readonly OperatorDefinition[] = [
  define({
    type: "Identity",
    inputs: [input("X")],
    infer: (c) => [{ dtype: c.input(0).dtype, shape: c.input(0).shape, content: c.input(0).content }],
    gradient: (c) => [c.outputGradient()],
  }),
  define({
    type: "Neg",
    inputs: [input("X")],
    infer: (c) => [{ dtype: c.input(0).dtype, shape: c.input(0).shape }],
    gradient: (c) => [c.op.Neg(c.outputGradient())],
  }),
  define({
    type: "Abs",
    inputs: [input("X")],
    infer: (c) => [{ dtype: c.input(0).dtype, shape: c.input(0).shape }],
    gradient: (c) => [c.op.Mul(c.outputGradient(), c.op.Sign(c.input(0)))],
  }),
  define({
    type: "Sign",
    inputs: [input("X")],
    infer: (c) => [{ dtype: c.input(0).dtype, shape: c.input(0).shape }],
    gradient: "none",
  }),
  unary("Floor", "none"),
  unary("Ceil", "none"),
  unary("Round", "none"),
  unary("Exp", (c, _, dy) => c.op.Mul(dy, c.output())),
  unary("Log", (c, x, dy) => c.op.Div(dy, x)),
  unary("Sqrt", (c, _, dy) => c.op.Div(c.op.Mul(dy, 0.5), c.output())),
  unary("Reciprocal", (c, _, dy) => c.op.Neg(c.op.Mul(dy, c.op.Mul(c.output(), c.output())))),
  unary("Sin", (c, x, dy) => c.op.Mul(dy, c.op.Cos(x))),
  unary("Cos", (c, x, dy) => c.op.Neg(c.op.Mul(dy, c.op.Sin(x)))),
  unary("Tanh", (c, _, dy) => c.op.Sub(dy, c.op.Mul(dy, c.op.Mul(c.output(), c.output())))),
  unary("Sigmoid", (c, _, dy) => {
    const scaled = c.op.Mul(dy, c.output());
    return c.op.Sub(scaled, c.op.Mul(scaled, c.output()));
  }),
  unary("Softplus", (c, x, dy) => c.op.Mul(dy, c.op.Sigmoid(x)), { float32Only: true }),
  // d erf(x)/dx = 2/√π · exp(−x²)
  unary("Erf", (c, x, dy) => c.op.Mul(dy, c.op.Mul(c.op.Exp(c.op.Neg(c.op.Mul(x, x))), 2 / Math.sqrt(Math.PI))), {
    float32Only: true,
  }),
  unary("Gelu", geluGradient, {
    attributes: { approximate: { kind: "string", default: "none", values: ["none", "tanh"] } },
    float32Only: true,
  }),
  // y = x·tanh(softplus(x)), y' = tanh(s) + x·(1 − tanh²(s))·σ(x) (Misra 2019)
  unary(
    "Mish",
    (c, x, dy) => {
      const { op } = c;
      const t = op.Tanh(op.Softplus(x));
      return op.Mul(dy, op.Add(t, op.Mul(op.Mul(x, op.Sigmoid(x)), op.Sub(1, op.Mul(t, t)))));
    },
    { float32Only: true },
  ),
  // tan' = 1 + tan²
  unary("Tan", (c, _, dy) => c.op.Add(dy, c.op.Mul(dy, c.op.Mul(c.output(), c.output()))), { float32Only: true }),
  // atan' = 1/(1 + x²)
  unary("Atan", (c, x, dy) => c.op.Div(dy, c.op.Add(c.op.Mul(x, x), 1)), { float32Only: true }),
  unary("Sinh", (c, x, dy) => c.op.Mul(dy, c.op.Cosh(x)), { float32Only: true }),
  unary("Cosh", (c, x, dy) => c.op.Mul(dy, c.op.Sinh(x)), { float32Only: true }),
  // y = x/(1 + |x|), y' = 1/(1 + |x|)²
  unary(
    "Softsign",
    (c, x, dy) => {
      const scale = c.op.Add(c.op.Abs(x), 1);
      return c.op.Div(dy, c.op.Mul(scale, scale));
    },
    { float32Only: true },
  ),
];

/**
 * GELU (Hendrycks & Gimpel 2016; ONNX Gelu-20). Exact: Φ(x) + x·φ(x). Tanh form: with u = √(2/π)(x + 0.044715x³) and s
 * = σ(2u), y = x·s, so y' = s + (y − y·s)·2u', which needs one transcendental function.
 */
function geluGradient(c: GradientContext, x: Value, dy: Value): Value {
  const { op } = c;
  if (c.text("approximate") === "none") {
    const cdf = op.Mul(op.Add(op.Erf(op.Mul(x, Math.SQRT1_2)), 1), 0.5);
    const pdf = op.Mul(op.Exp(op.Mul(op.Mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return op.Mul(dy, op.Add(cdf, op.Mul(x, pdf)));
  }
  const a = 2 * Math.sqrt(2 / Math.PI);
  const b = a * 0.044715;
  const square = op.Mul(x, x);
  const s = op.Sigmoid(op.Mul(x, op.Add(op.Mul(square, b), a)));
  const slope = op.Add(op.Mul(square, 3 * b), a);
  const y = c.output();
  return op.Mul(dy, op.Add(s, op.Mul(op.Sub(y, op.Mul(y, s)), slope)));
}
