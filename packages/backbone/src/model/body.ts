// The part that all graphs of the base model share: packed token ids and soft rows in, final hidden states out (Eq. 3).
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { DropoutHook } from "../architectures/architecture.js";
import type { Backbone } from "./backbone.js";

// Shape legend: B rows, T positions a row, n = B·T tokens, S soft positions, R distinct soft tokens, K width.

export interface Body {
  /** [R, K]: what gradients are taken towards. */
  readonly softRows: Value;
  /** [n, K] */
  readonly hiddenStates: Value;
}

/** Declares the inputs of {@link PackedBatch} and adds the frozen LM over them. */
export function addBody(graph: Graph, backbone: Backbone, dropout: DropoutHook): Body {
  const { op } = graph;
  const ids = graph.input("ids", "int64", ["B", "T"]);
  const positions = graph.input("positions", "int64", ["B", "T"]);
  const segments = graph.input("segments", "int64", ["B", "T"]);
  const softPositions = graph.input("softPositions", "int64", ["S", 1]);
  const softIndex = graph.input("softIndex", "int64", ["S"]);
  const softRows = graph.input("softRows", "float32", ["R", backbone.config.hiddenSize]);
  const words = op.Gather(backbone.embeddings(graph), op.Reshape(ids, [-1])); // [n, K]
  const embeddings = op.ScatterND(words, softPositions, op.Gather(softRows, softIndex));
  const attentionBias = graph.scope("mask", () => segmentBias(graph, positions, segments));
  const { hiddenStates } = backbone.decode(graph, { embeddings, positions, attentionBias, dropout });
  return { softRows, hiddenStates };
}

/** 0 where a position may look (its own segment, not after itself), −∞ elsewhere: [B, 1, T, T]. Padding looks at padding. */
function segmentBias(graph: Graph, positions: Value, segments: Value): Value {
  const { op } = graph;
  const asQuery = (x: Value) => op.Unsqueeze(x, [1, 3]); // [B, 1, T, 1]
  const asKey = (x: Value) => op.Unsqueeze(x, [1, 2]); // [B, 1, 1, T]
  const together = op.Equal(asQuery(segments), asKey(segments));
  const past = op.GreaterOrEqual(asQuery(positions), asKey(positions));
  return op.Where(op.And(together, past), op.scalar(0), op.scalar(Number.NEGATIVE_INFINITY));
}
