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

/**
 * Declares the inputs of {@link PackedBatch} and adds the frozen LM over them.
 * @param queryBlocks in how many blocks attention takes the queries of a row; T must be a multiple of it
 */
export function addBody(graph: Graph, backbone: Backbone, queryBlocks: number, dropout: DropoutHook): Body {
  const { op } = graph;
  const length = queryBlocks === 1 ? "T" : `${queryBlocks}*t`;
  const ids = graph.input("ids", "int64", ["B", length]);
  const positions = graph.input("positions", "int64", ["B", length]);
  const segments = graph.input("segments", "int64", ["B", length]);
  const softPositions = graph.input("softPositions", "int64", ["S", 1]);
  const softIndex = graph.input("softIndex", "int64", ["S"]);
  const softRows = graph.input("softRows", "float32", ["R", backbone.config.hiddenSize]);
  const words = op.Gather(backbone.embeddings(graph), op.Reshape(ids, [-1])); // [n, K]
  const embeddings = op.ScatterND(words, softPositions, op.Gather(softRows, softIndex));
  const attentionBias = graph.scope("mask", () => segmentBiases(graph, positions, segments, queryBlocks));
  const { hiddenStates } = backbone.decode(graph, { embeddings, positions, attentionBias, dropout });
  return { softRows, hiddenStates };
}

/**
 * 0 where a position may look (its own segment, not after itself), −∞ elsewhere; block i of queries against the keys of blocks 0 … i:
 * [B, 1, T/C, (i+1)·T/C]. Padding looks at padding.
 */
function segmentBiases(graph: Graph, positions: Value, segments: Value, blocks: number): Value[] {
  const { op } = graph;
  const parts = (x: Value) => (blocks === 1 ? [x] : op.Split(x, blocks, { axis: 1 }));
  const [positionParts, segmentParts] = [parts(positions), parts(segments)];
  const asQuery = (x: Value) => op.Unsqueeze(x, [1, 3]); // [B, 1, T/C, 1]
  const asKey = (x: readonly Value[]) => op.Unsqueeze(x.length === 1 ? x[0]! : op.Concat(x, { axis: 1 }), [1, 2]); // [B, 1, 1, S']
  return positionParts.map((position, i) => {
    const together = op.Equal(asQuery(segmentParts[i]!), asKey(segmentParts.slice(0, i + 1)));
    const past = op.GreaterOrEqual(asQuery(position), asKey(positionParts.slice(0, i + 1)));
    return op.Where(op.And(together, past), op.scalar(0), op.scalar(Number.NEGATIVE_INFINITY));
  });
}
