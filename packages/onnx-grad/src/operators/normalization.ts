// Softmax over an axis and the layer normalisations, differentiated as wholes.
import type { Value } from "../graph/graph.js";
import {
  define,
  type GradientContext,
  normaliseAxis,
  type OperatorContext,
  type OperatorDefinition,
} from "./definition.js";
import { input, optional } from "./parameters.js";
import { reduceTo } from "./reduce-to.js";
import { reducedCount } from "./reduction.js";

const sameAsInput = (c: OperatorContext) => {
  c.axis("axis", c.input(0).rank);
  return [{ dtype: c.requireFloat(), shape: c.input(0).shape }];
};

/** The axes that a layer normalisation runs over: `axis` and all behind it. */
function normalisedAxes(c: OperatorContext): number[] {
  const { rank } = c.input(0);
  const axis = c.axis("axis", rank);
  return Array.from({ length: rank - axis }, (_, i) => axis + i);
}

/** Scale and bias broadcast against the input from the right. */
function affineGradients(
  c: GradientContext,
  dy: Value,
  normalised: () => Value,
): [Value | undefined, Value | undefined] {
  const scale = c.input(1);
  const bias = c.optional(2);
  return [
    c.needs(1) ? reduceTo(c.op, c.op.Mul(dy, normalised()), scale.shape) : undefined,
    bias && c.needs(2) ? reduceTo(c.op, dy, bias.shape) : undefined,
  ];
}

/** x − μ and r = 1/σ: from the forward node's own outputs, or in float64 (where those are only float32) from x. */
function layerStatistics(c: GradientContext, axes: readonly number[]): { centred: Value; inverse: Value } {
  const { op } = c;
  const x = c.input(0);
  if (x.dtype === "float32") return { centred: op.Sub(x, c.output(1)), inverse: c.output(2) };
  const centred = op.Sub(x, op.ReduceMean(x, axes, { keepdims: 1 }));
  const variance = op.ReduceMean(op.Mul(centred, centred), axes, { keepdims: 1 });
  return { centred, inverse: op.Reciprocal(op.Sqrt(op.Add(variance, c.float("epsilon")))) };
}

export const normalization: readonly OperatorDefinition[] = [
  // dx = y ∘ (dy − Σ dy ∘ y)
  define({
    type: "Softmax",
    inputs: [input("input")],
    attributes: { axis: { kind: "int", default: -1 } },
    infer: sameAsInput,
    gradient: (c) => {
      const { op } = c;
      const y = c.output();
      const dy = c.outputGradient();
      const axis = c.axis("axis", y.rank);
      return [op.Mul(y, op.Sub(dy, op.ReduceSum(op.Mul(dy, y), [axis], { keepdims: 1 })))];
    },
  }),
  // dx = dy − softmax(x) · Σ dy
  define({
    type: "LogSoftmax",
    inputs: [input("input")],
    attributes: { axis: { kind: "int", default: -1 } },
    infer: sameAsInput,
    gradient: (c) => {
      const { op } = c;
      const dy = c.outputGradient();
      const axis = c.axis("axis", dy.rank);
      return [op.Sub(dy, op.Mul(op.Exp(c.output()), op.ReduceSum(dy, [axis], { keepdims: 1 })))];
    },
  }),
  // With x̂ = (x − μ)·r, r = 1/σ and g = dy·scale: dx = r·(g − mean(g) − x̂·mean(g·x̂)) (Ba et al. 2016)
  define({
    type: "LayerNormalization",
    inputs: [input("X"), input("Scale"), optional("B")],
    attributes: { axis: { kind: "int", default: -1 }, epsilon: { kind: "float", default: 1e-5 } },
    infer: (c) => {
      const { shape, rank } = c.input(0);
      const axis = c.axis("axis", rank);
      c.requireFloat();
      requireAffine(c, axis);
      const statistics = shape.map((dim, i) => (i < axis ? dim : 1));
      return [
        { dtype: c.sameDType(), shape },
        // the standard keeps the statistics in float32 (stash_type 1) whatever the input's type
        { dtype: "float32", shape: statistics },
        { dtype: "float32", shape: statistics },
      ];
    },
    gradient: (c) => {
      const { op } = c;
      const dy = c.outputGradient();
      const axes = normalisedAxes(c);
      const { centred, inverse } = layerStatistics(c, axes);
      const normalised = op.Mul(centred, inverse);
      const [dScale, dBias] = affineGradients(c, dy, () => normalised);
      if (!c.needs(0)) return [undefined, dScale, dBias];
      const g = op.Mul(dy, c.input(1));
      const meanG = op.ReduceMean(g, axes, { keepdims: 1 });
      const meanGX = op.ReduceMean(op.Mul(g, normalised), axes, { keepdims: 1 });
      let dx = op.Mul(inverse, op.Sub(op.Sub(g, meanG), op.Mul(normalised, meanGX)));
      // The optional outputs: ∂μ/∂x = 1/n, ∂r/∂x = −r³(x − μ)/n
      const [dMean, dInverse] = [c.optionalOutputGradient(1), c.optionalOutputGradient(2)];
      const count = () => reducedCount(op, c.input(0), axes);
      if (dMean) dx = op.Add(dx, op.Div(op.Cast(dMean, dx.dtype), count()));
      if (dInverse) {
        const cubed = op.Mul(inverse, op.Mul(inverse, inverse));
        dx = op.Sub(dx, op.Mul(centred, op.Div(op.Mul(op.Cast(dInverse, dx.dtype), cubed), count())));
      }
      return [dx, dScale, dBias];
    },
  }),
  // With r = 1/√(mean(x²)+ε) and g = dy·scale: dx = r·(g − x·r²·mean(g·x)) (Zhang & Sennrich 2019)
  define({
    type: "RMSNormalization",
    inputs: [input("X"), input("scale")],
    attributes: { axis: { kind: "int", default: -1 }, epsilon: { kind: "float", default: 1e-5 } },
    infer: (c) => {
      const { shape, rank } = c.input(0);
      requireAffine(c, c.axis("axis", rank));
      return [{ dtype: c.requireFloat() && c.sameDType(), shape }];
    },
    gradient: (c) => {
      const { op } = c;
      const x = c.input(0);
      const dy = c.outputGradient();
      const axes = normalisedAxes(c);
      const variance = op.ReduceMean(op.Mul(x, x), axes, { keepdims: 1 });
      const inverse = op.Reciprocal(op.Sqrt(op.Add(variance, c.float("epsilon"))));
      const [dScale] = affineGradients(c, dy, () => op.Mul(x, inverse));
      if (!c.needs(0)) return [undefined, dScale];
      const g = op.Mul(dy, c.input(1));
      const meanGX = op.ReduceMean(op.Mul(g, x), axes, { keepdims: 1 });
      const pull = op.Mul(meanGX, op.Mul(inverse, op.Mul(inverse, inverse)));
      return [op.Sub(op.Mul(g, inverse), op.Mul(x, pull)), dScale];
    },
  }),
];

function requireAffine(c: OperatorContext, axis: number): void {
  const { shape } = c.input(0);
  for (const index of [1, 2]) {
    const affine = c.optional(index);
    if (!affine) continue;
    const offset = shape.length - affine.rank;
    if (offset < 0 || affine.shape.some((dim, i) => dim !== 1 && (i + offset < axis || dim !== shape[i + offset]))) {
      throw new RangeError(
        `input ${index} of shape [${affine.shape.join(", ")}] does not fit the axes from ` +
          `${normaliseAxis(axis, shape.length)} on`,
      );
    }
  }
}
