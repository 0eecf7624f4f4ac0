// Linear layers and norms as PyTorch's checkpoints keep them: declared as weights, and as nodes of a graph.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { ExpectedWeight } from "../checkpoint/weights.js";

// Shape legend: n tokens, K width of what comes in, F of what goes out.

/** Gives a weight of the checkpoint as a value of the graph. */
export type Weight = (name: string) => Value;

/** Linear's weight [F, K], and its bias [F] where it has one. */
export function linearWeights(name: string, from: number, to: number, bias: boolean): ExpectedWeight[] {
  return [{ name: `${name}.weight`, shape: [to, from] }, ...(bias ? [{ name: `${name}.bias`, shape: [to] }] : [])];
}

/**
 * The weights of a whole LM: a stack that begins with the vocabulary matrix, and the next-word head. A base model
 * (`LlamaModel` and the like) is saved without the prefix, so each weight of the stack has a second name.
 * @param tied whether the head is the vocabulary matrix, which may then be stored under the head's names too
 * @param head the head's names
 */
export function withHead(
  stack: readonly ExpectedWeight[],
  prefix: string,
  tied: boolean,
  head: readonly string[],
  shape: readonly [vocabulary: number, width: number],
): ExpectedWeight[] {
  const [embedding, ...rest] = stack.map((weight) => ({ ...weight, aliases: [weight.name.slice(prefix.length)] }));
  if (tied) return [{ ...embedding!, aliases: [...embedding!.aliases, ...head] }, ...rest];
  const [name, ...aliases] = head;
  return [embedding!, ...rest, { name: name!, shape, aliases }];
}

/** x·Wᵀ (+ b): [n, K] → [n, F]. */
export function linear(graph: Graph, weight: Weight, name: string, x: Value, bias: boolean): Value {
  const product = graph.op.FusedMatMul(x, weight(`${name}.weight`), { transB: 1 });
  return bias ? graph.op.Add(product, weight(`${name}.bias`)) : product;
}

/** Scale and shift of a LayerNorm. */
export function layerNormWeights(name: string, width: number): ExpectedWeight[] {
  return ["weight", "bias"].map((part) => ({ name: `${name}.${part}`, shape: [width] }));
}

/** (x − μ)/σ ∘ weight + bias over the last axis (Ba et al. 2016). */
export function layerNorm(graph: Graph, weight: Weight, name: string, x: Value, epsilon: number): Value {
  const [scale, bias] = [weight(`${name}.weight`), weight(`${name}.bias`)];
  return graph.op.LayerNormalization(x, scale, bias, { axis: -1, epsilon });
}
