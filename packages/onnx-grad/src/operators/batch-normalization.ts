// BatchNormalization (Ioffe & Szegedy 2015; ONNX BatchNormalization-15): x [N, C, …], one mean and variance for each of
// C channels, given (inference) or computed from the batch (training).
import type { Value } from "../graph/graph.js";
import { define, flag, type GradientContext, type InputGradients, type OperatorDefinition } from "./definition.js";
import { input } from "./parameters.js";
import { reducedCount } from "./reduction.js";

/** A vector of channels as it broadcasts against x: [C] → [C, 1, …]. */
const alongChannels = (c: GradientContext, vector: Value): Value => {
  const behind = c.input(0).shape.slice(2);
  // biome-ignore format: one line
  return behind.length === 0 ? vector : c.op.Unsqueeze(vector, behind.map((_, i) => i + 1));
};

/** All axes but the channels'. */
const batchAxes = (c: GradientContext): number[] => c.input(0).shape.flatMap((_, i) => (i === 1 ? [] : [i]));

/** With r = 1/√(σ² + ε), x̂ = (x − μ)·r and g = dy·scale: dx = g·r, dμ = −Σ g·r, dσ² = −½ Σ g·(x − μ)·r³. */
function inferenceGradient(c: GradientContext): InputGradients {
  const { op } = c;
  const [x, scale, , mean, variance] = [0, 1, 2, 3, 4].map((i) => c.input(i)) as [Value, Value, Value, Value, Value];
  const dy = c.outputGradient();
  const perChannel = (value: Value) => op.ReduceSum(value, batchAxes(c), { keepdims: 0 });
  const inverse = op.Reciprocal(op.Sqrt(op.Add(variance, c.float("epsilon")))); // [C]
  const centred = op.Sub(x, alongChannels(c, mean));
  const sum = perChannel(dy);
  const sumCentred = c.needs(1) || c.needs(4) ? perChannel(op.Mul(dy, centred)) : undefined;
  const factor = op.Mul(scale, inverse);
  return [
    c.needs(0) ? op.Mul(dy, alongChannels(c, factor)) : undefined,
    c.needs(1) ? op.Mul(sumCentred!, inverse) : undefined,
    c.needs(2) ? sum : undefined,
    c.needs(3) ? op.Neg(op.Mul(sum, factor)) : undefined,
    c.needs(4) ? op.Mul(op.Mul(sumCentred!, -0.5), op.Mul(factor, op.Mul(inverse, inverse))) : undefined,
  ];
}

/** dx = r·(g − mean(g) − x̂·mean(g·x̂)), and what flows in through the running mean and variance. */
function trainingGradient(c: GradientContext): InputGradients {
  const { op } = c;
  const [x, scale] = [c.input(0), c.input(1)];
  const axes = batchAxes(c);
  const momentum = Math.fround(c.float("momentum")); // attributes are float32
  const mean = (value: Value) => op.ReduceMean(value, axes, { keepdims: 1 });
  const perChannel = (value: Value) => op.ReduceSum(value, axes, { keepdims: 0 });
  const dy = c.outputGradient();
  const [dMean, dVariance] = [c.optionalOutputGradient(1), c.optionalOutputGradient(2)];
  const centred = op.Sub(x, mean(x));
  const inverse = op.Reciprocal(op.Sqrt(op.Add(mean(op.Mul(centred, centred)), c.float("epsilon"))));
  const normalised = op.Mul(centred, inverse);
  const dx = () => {
    const g = op.Mul(dy, alongChannels(c, scale));
    const own = op.Mul(inverse, op.Sub(op.Sub(g, mean(g)), op.Mul(normalised, mean(op.Mul(g, normalised)))));
    const share = () => op.Div(1 - momentum, reducedCount(op, x, axes));
    const ofMean = dMean && op.Mul(alongChannels(c, dMean), share());
    const ofVariance = dVariance && op.Mul(op.Mul(alongChannels(c, dVariance), centred), op.Mul(share(), 2));
    return [own, ofMean, ofVariance].filter((part) => part !== undefined).reduce((a, b) => op.Add(a, b));
  };
  return [
    c.needs(0) ? dx() : undefined,
    c.needs(1) ? perChannel(op.Mul(dy, normalised)) : undefined,
    c.needs(2) ? perChannel(dy) : undefined,
    c.needs(3) && dMean ? op.Mul(dMean, momentum) : undefined,
    c.needs(4) && dVariance ? op.Mul(dVariance, momentum) : undefined,
  ];
}

export const batchNormalization: readonly OperatorDefinition[] = [
  define({
    type: "BatchNormalization",
    inputs: ["X", "scale", "B", "input_mean", "input_var"].map((name) => input(name)),
    attributes: {
      epsilon: { kind: "float", default: 1e-5 },
      momentum: { kind: "float", default: 0.9 },
      training_mode: flag(0),
    },
    everyOutput: true,
    infer: (c) => {
      const dtype = c.requireFloat() && c.sameDType();
      const { shape, rank } = c.input(0);
      if (rank < 2) throw new RangeError("X must have shape [N, C, ...]");
      const names = ["scale", "B", "input_mean", "input_var"];
      names.forEach((name, i) => {
        const value = c.input(i + 1);
        if (value.rank !== 1 || value.dim(0) !== shape[1])
          throw new RangeError(`${name} must have shape [${shape[1]}]`);
      });
      const running = { dtype, shape: [shape[1]!] };
      return c.flag("training_mode") ? [{ dtype, shape }, running, running] : [{ dtype, shape }];
    },
    gradient: (c) => (c.flag("training_mode") ? trainingGradient(c) : inferenceGradient(c)),
  }),
];
