// The standard's classification losses over logits or log-probabilities with integer labels.
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { define, type GradientContext, type OperatorContext, type OperatorDefinition } from "./definition.js";
import { input, optional } from "./parameters.js";

const attributes = {
  reduction: { kind: "string", default: "mean", values: ["none", "sum", "mean"] },
  ignore_index: { kind: "int" },
} as const;

function lossShape(c: OperatorContext): readonly Dim[] {
  const [scores, labels] = [c.input(0), c.input(1)];
  c.requireFloat();
  c.requireInteger(1, "labels");
  const expected = [...scores.shape.slice(0, 1), ...scores.shape.slice(2)];
  if (scores.rank < 2 || expected.length !== labels.rank || expected.some((dim, i) => dim !== labels.shape[i])) {
    throw new RangeError(`labels must have shape [${expected.join(", ")}]`);
  }
  const weights = c.optional(2);
  if (weights && (weights.rank !== 1 || weights.dim(0) !== scores.dim(1)))
    throw new RangeError("one weight a class is expected");
  return c.text("reduction") === "none" ? labels.shape : [];
}

/**
 * The factor of every label position, shape [B, 1, …]: ∂loss/∂(position's own loss), with class weights, ignored labels
 * and the denominator of `mean` in it; beside it labels that are safe to index with, shape [B, 1, …].
 */
function positionFactors(c: GradientContext): { labels: Value; factor: Value } {
  const { op } = c;
  const rawLabels = op.Unsqueeze(c.input(1), [1]);
  const { dtype } = c.input(0);
  const ignore = c.attributes.ignore_index as number | undefined;
  const ignored = ignore === undefined ? undefined : op.Equal(rawLabels, ignore);
  const labels = ignored ? op.Where(ignored, op.scalar(0, rawLabels.dtype), rawLabels) : rawLabels;
  const classWeights = c.optional(2);
  let weight = classWeights ? op.Gather(classWeights, labels) : op.expandLike(op.scalar(1, dtype), labels);
  if (ignored) weight = op.Where(ignored, op.scalar(0, dtype), weight);
  const dy = c.outputGradient();
  switch (c.text("reduction")) {
    case "none":
      return { labels, factor: op.Mul(weight, op.Unsqueeze(dy, [1])) };
    case "sum":
      return { labels, factor: op.Mul(weight, dy) };
    default:
      return { labels, factor: op.Mul(weight, op.Div(dy, op.ReduceSum(weight, undefined, { keepdims: 0 }))) };
  }
}

export const loss: readonly OperatorDefinition[] = [
  define({
    type: "NegativeLogLikelihoodLoss",
    inputs: [input("input"), input("target"), optional("weight")],
    attributes,
    infer: (c) => [{ dtype: c.input(0).dtype, shape: lossShape(c) }],
    gradient: (c) => {
      const { op } = c;
      const { labels, factor } = positionFactors(c);
      return [op.ScatterElements(op.zerosLike(c.input(0)), labels, op.Neg(factor), { axis: 1 })];
    },
  }),
  // ∂/∂logits = factor · (softmax − one-hot); the second output is the log-softmax.
  define({
    type: "SoftmaxCrossEntropyLoss",
    inputs: [input("input"), input("target"), optional("weight")],
    attributes,
    infer: (c) => {
      const { dtype, shape } = c.input(0);
      return [
        { dtype, shape: lossShape(c) },
        { dtype, shape },
      ];
    },
    gradient: (c) => {
      const { op } = c;
      const { labels, factor } = positionFactors(c);
      const probabilities = op.Softmax(c.input(0), { axis: 1 });
      const pulled = op.Mul(probabilities, factor);
      let gradient = op.ScatterElements(pulled, labels, op.Neg(factor), { axis: 1, reduction: "add" });
      const dLogProbabilities = c.optionalOutputGradient(1);
      if (dLogProbabilities) {
        const total = op.ReduceSum(dLogProbabilities, [1], { keepdims: 1 });
        gradient = op.Add(gradient, op.Sub(dLogProbabilities, op.Mul(probabilities, total)));
      }
      return [gradient];
    },
  }),
];
