// The graph of one generation step: new tokens and cached keys and values in, next-word logits and the grown cache out.
import { Graph, type Value } from "@cllm4rec/onnx-grad";
import type { KeyValues } from "../architectures/architecture.js";
import { embedTokens } from "../model/body.js";
import type { LanguageModel } from "../model/language-model.js";

// Shape legend: T new positions, P cached positions, G key/value heads, D head size, K width, N vocabulary rows.

/** Names of the cache's inputs (`past`) and outputs (`present`), layer by layer. */
export const cacheNames = (kind: "past" | "present", layer: number) =>
  [`${kind}.${layer}.keys`, `${kind}.${layer}.values`] as const;

/** One sequence at a time: the inputs of a packed batch with B = 1, the cache [1, G, P, D] of every layer, and logits [N] of the last position. */
export function generationGraph(backbone: LanguageModel): Graph {
  const graph = new Graph("generation step");
  const { op } = graph;
  const { layers, headSize } = backbone.config;
  const cacheShape = [1, backbone.keyValueHeads, "P", headSize];
  const past = Array.from({ length: layers }, (_, layer): KeyValues => {
    const [keys, values] = cacheNames("past", layer);
    return { keys: graph.input(keys, "float32", cacheShape), values: graph.input(values, "float32", cacheShape) };
  });
  const { embeddings, positions } = embedTokens(graph, backbone, [1, "T"]);
  const attentionBias = [causalBias(graph, positions)];
  const { hiddenStates, present } = backbone.decode(graph, {
    embeddings,
    positions,
    attentionBias,
    past,
    dropout: (x) => x,
  });
  const last = op.Slice(hiddenStates, [-1], [2 ** 31 - 1], [0]); // [1, K]
  graph.output("logits", op.Squeeze(op.FusedMatMul(last, backbone.wordHead(graph), { transB: 1 }), [0]));
  present.forEach((cache, layer) => {
    const [keys, values] = cacheNames("present", layer);
    graph.output(keys, cache.keys);
    graph.output(values, cache.values);
  });
  return graph;
}

/** 0 where key position ≤ query position, −∞ elsewhere: [1, 1, T, P+T]. */
function causalBias(graph: Graph, positions: Value): Value {
  const { op } = graph;
  const scalar = (n: number) => op.scalar(n, "int64");
  const keys = op.Range(scalar(0), op.Squeeze(op.dims(["P+T"]), [0]), scalar(1)); // [P+T]
  const visible = op.GreaterOrEqual(op.Unsqueeze(positions, [1, 3]), keys);
  return op.Where(visible, op.scalar(0), op.scalar(Number.NEGATIVE_INFINITY));
}
