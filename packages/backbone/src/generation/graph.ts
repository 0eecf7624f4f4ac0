// The graph of one generation step: new tokens and cached keys and values in, next-word logits and the grown cache out.
// For an encoder–decoder also the graph before the first step: the prompt in, the decoder's memory of it out.
import { type Dim, Graph, type Value } from "@cllm4rec/onnx-grad";
import type { KeyValues } from "../architectures/architecture.js";
import { causalBias, embedTokens, perWindow } from "../model/body.js";
import type { LanguageModel } from "../model/language-model.js";

// Shape legend: T new positions, P cached positions, V positions of the prompt in the encoder, G key/value heads, D
// head size, K width, N vocabulary rows; `width` is that of the soft rows.

/**
 * Names of the cache's inputs (`past`) and outputs (`present`), and of the decoder's memory of the encoder, layer by
 * layer.
 */
export const cacheNames = (kind: "past" | "present" | "memory", layer: number) =>
  [`${kind}.${layer}.keys`, `${kind}.${layer}.values`] as const;

/**
 * One sequence at a time: the inputs of a packed batch with B = 1, the cache [1, G, P, D] of every layer, and logits
 * [N] of the last position.
 */
export function generationGraph(backbone: LanguageModel, width: number): Graph {
  const graph = new Graph("generation step");
  const { op } = graph;
  const { layers, headSize } = backbone.config;
  const cached = (kind: "past" | "memory", length: Dim) =>
    Array.from({ length: layers }, (_, layer): KeyValues => {
      const shape = [1, backbone.keyValueHeads, length, headSize];
      const [keys, values] = cacheNames(kind, layer);
      return { keys: graph.input(keys, "float32", shape), values: graph.input(values, "float32", shape) };
    });
  const past = cached("past", "P");
  const hasEncoder = backbone.layout.kind === "encoder-decoder";
  const memory = hasEncoder ? { keyValues: cached("memory", "V"), attentionBias: noBias(graph) } : undefined;
  const { embeddings, positions } = embedTokens(graph, backbone, [1, "T"], width);
  // [P+T]
  const keyPositions = op.Range(op.scalar(0, "int64"), op.Squeeze(op.dims(["P+T"]), [0]), op.scalar(1, "int64"));
  const queryPositions = op.Unsqueeze(positions, [1, 3]); // [1, 1, T, 1]
  // [1, 1, T, P+T]
  const attentionBias = perWindow((window) => [causalBias(graph, queryPositions, keyPositions, window)]);
  const { hiddenStates, present } = backbone.decode(graph, {
    embeddings,
    positions,
    attentionBias,
    past,
    ...(memory && { memory }),
    dropout: (x) => x,
  });
  const last = op.Slice(hiddenStates, [-1], [2 ** 31 - 1], [0]); // [1, K]
  const alpha = backbone.wordHeadScale;
  graph.output("logits", op.Squeeze(op.FusedMatMul(last, backbone.wordHead(graph), { transB: 1, alpha }), [0]));
  outputCaches(graph, "present", present);
  return graph;
}

/**
 * An encoder–decoder's pass over one prompt: the inputs of a packed batch with B = 1 in, its memory [1, G, V, D] of
 * every decoder layer out.
 */
export function memoryGraph(backbone: LanguageModel, width: number): Graph {
  const graph = new Graph("generation prompt");
  const { embeddings, positions } = embedTokens(graph, backbone, [1, "V"], width);
  const inputs = { embeddings, positions, attentionBias: noBias(graph), dropout: (x: Value) => x };
  outputCaches(graph, "memory", backbone.encode(graph, inputs));
  return graph;
}

function outputCaches(graph: Graph, kind: "present" | "memory", caches: readonly KeyValues[]): void {
  caches.forEach((cache, layer) => {
    const [keys, values] = cacheNames(kind, layer);
    graph.output(keys, cache.keys);
    graph.output(values, cache.values);
  });
}

/** Every position may look at every other: [1, 1, 1, 1]. */
const noBias = (graph: Graph): Value => graph.constant([0], { shape: [1, 1, 1, 1] });
