// Operators that onnxruntime 1.30's CPU provider has a kernel for but that must not be given to it.
import type { Graph, Node } from "../../graph/graph.js";
import { reachable } from "../../transform/prune.js";
import { type Lowering, rewrite } from "../../transform/rewrite.js";

/** The same graph without them; the graph itself where it has none. */
export function forCpu(graph: Graph): Graph {
  return reachable(graph).nodes.some(lowering) ? rewrite(graph, lowering) : graph;
}

function lowering({ type, attributes }: Node): Lowering | undefined {
  return type === "BatchNormalization" && attributes.training_mode === 1 ? batchNormalization : undefined;
}

/**
 * Training mode: onnxruntime's kernel writes the running mean and variance over the memory of the given ones, graph
 * inputs included, so that whatever reads those afterwards (another operator, the next run) reads the new ones.
 */
const batchNormalization: Lowering = (c) => {
  const { op } = c;
  const [x, scale, bias, givenMean, givenVariance] = c.inputs.map((_, i) => c.input(i));
  const axes = x!.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const behind = x!.shape.slice(2).map((_, i) => i + 1);
  const along = (vector: typeof x) => (behind.length === 0 ? vector! : op.Unsqueeze(vector!, behind));
  const mean = op.ReduceMean(x!, axes, { keepdims: 0 });
  const centred = op.Sub(x!, along(mean));
  const variance = op.ReduceMean(op.Mul(centred, centred), axes, { keepdims: 0 });
  const factor = op.Div(scale!, op.Sqrt(op.Add(variance, c.float("epsilon"))));
  const momentum = Math.fround(c.float("momentum")); // attributes are float32
  const mixed = (given: typeof x, own: typeof mean) => op.Add(op.Mul(given!, momentum), op.Mul(own, 1 - momentum));
  const y = op.Add(op.Mul(centred, along(factor)), along(bias));
  return [y, mixed(givenMean, mean), mixed(givenVariance, variance)];
};
