// The part that all graphs of the base model share: packed token ids and soft rows in, final hidden states out (Eq. 3).
import type { Graph, Shape, Value } from "@cllm4rec/onnx-grad";
import { type Dropout, noDropout } from "./dropout.js";
import type { LanguageModel } from "./language-model.js";

// Shape legend: B rows, T positions a row, n = B·T tokens, S soft positions, R distinct soft tokens, K width.

export interface Body {
  /** The embedding of every occurrence of a soft token, [S, K]: what gradients are taken towards. */
  readonly softTokens: Value;
  /** [n, K], or [M, K] where only some positions are wanted. */
  readonly hiddenStates: Value;
}

/**
 * Declares the inputs of {@link PackedBatch} and adds the LM over them.
 * @param queryBlocks in how many blocks attention takes the queries of a row; T must be a multiple of it
 * @param wanted flat positions of the hidden states that are wanted, int64 [M]; all where absent
 */
export function addBody(
  graph: Graph,
  backbone: LanguageModel,
  queryBlocks: number,
  { wanted, dropout = noDropout }: { wanted?: Value; dropout?: Dropout } = {},
): Body {
  const length = queryBlocks === 1 ? "T" : `${queryBlocks}*t`;
  const { embeddings, positions, softTokens } = embedTokens(graph, backbone, ["B", length], dropout.softTokens);
  const segments = graph.input("segments", "int64", ["B", length]);
  const attentionBias = graph.scope("mask", () => segmentBiases(graph, positions, segments, queryBlocks));
  const { hiddenStates } = backbone.decode(graph, {
    embeddings,
    positions,
    attentionBias,
    dropout: dropout.backbone,
    ...(wanted ? { wanted } : {}),
  });
  return { softTokens, hiddenStates };
}

/**
 * Declares the inputs that say what the tokens are, and looks up their embeddings: vocabulary rows inside the graph, soft rows from the
 * table passed in.
 * @param shape [B, T]
 * @param softDropout acts on every occurrence of a soft token by itself
 */
export function embedTokens(
  graph: Graph,
  backbone: LanguageModel,
  shape: Shape,
  softDropout: (x: Value) => Value = (x) => x,
): { embeddings: Value; positions: Value; softTokens: Value } {
  const { op } = graph;
  const ids = graph.input("ids", "int64", shape);
  const positions = graph.input("positions", "int64", shape);
  const softPositions = graph.input("softPositions", "int64", ["S", 1]);
  const softIndex = graph.input("softIndex", "int64", ["S"]);
  const softRows = graph.input("softRows", "float32", ["R", backbone.config.hiddenSize]);
  const words = op.Gather(backbone.embeddings(graph), op.Reshape(ids, [-1])); // [n, K]
  const softTokens = op.Gather(softRows, softIndex); // [S, K]
  return { embeddings: op.ScatterND(words, softPositions, softDropout(softTokens)), positions, softTokens };
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
