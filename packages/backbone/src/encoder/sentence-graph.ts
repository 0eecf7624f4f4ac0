// The static graph of a sentence encoder: token ids in, one pooled row for each text out.
import { Graph, type Value } from "@cllm4rec/onnx-grad";
import { bertStates } from "../architectures/bert.js";
import type { Weight } from "../architectures/linear.js";
import type { EncoderConfig } from "../checkpoint/config-encoder.js";

// Shape legend: B texts, T positions, K width.

/**
 * Declares the inputs of a batch and adds the encoder over them: `ids` and `positions` int64 [B, T], `attentionBias`
 * float32 [B, 1, 1, T] and `pooling` float32 [B, T], the share that each position has in its text's row.
 * @param weight gives a weight as a value of this graph; one that is an input of the graph can be differentiated
 *   towards
 * @returns float32 [B, K]; of length 1 each where `normalise`
 */
export function addSentenceRows(
  graph: Graph,
  config: EncoderConfig,
  weight: Weight,
  { normalise }: { readonly normalise: boolean },
): Value {
  const { op } = graph;
  const ids = graph.input("ids", "int64", ["B", "T"]);
  const positions = graph.input("positions", "int64", ["B", "T"]);
  const attentionBias = graph.input("attentionBias", "float32", ["B", 1, 1, "T"]);
  const shares = graph.input("pooling", "float32", ["B", "T"]);
  const states = bertStates(graph, config, weight, { ids, positions, attentionBias });
  return graph.scope("pooling", () => {
    const byText = op.Reshape(states, ["B", "T", config.hiddenSize]); // [B·T, K] → [B, T, K]
    const rows = op.Squeeze(op.MatMul(op.Unsqueeze(shares, [1]), byText), [1]); // [B, 1, T] · [B, T, K] → [B, K]
    if (!normalise) return rows;
    return op.Div(rows, op.Max(op.ReduceL2(rows, [1], { keepdims: 1 }), op.scalar(1e-12))); // as PyTorch's F.normalize
  });
}

export function sentenceGraph(
  config: EncoderConfig,
  weight: (graph: Graph, name: string) => Value,
  options: { readonly normalise: boolean },
): Graph {
  const graph = new Graph("sentence encoder");
  graph.output(
    "rows",
    addSentenceRows(graph, config, (name) => weight(graph, name), options),
  );
  return graph;
}
