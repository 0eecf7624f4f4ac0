// The part that all graphs of the base model share: packed token ids and soft rows in, final hidden states out (Eq. 3).
import type { Dim, Graph, Shape, Value } from "@cllm4rec/onnx-grad";
import type { AttentionBias, Queries, Wanted } from "../architectures/architecture.js";
import { type BatchFeeds, SHARED_SEGMENT } from "./batch.js";
import { type Dropout, noDropout } from "./dropout.js";
import type { LanguageModel } from "./language-model.js";
import type { EncoderFeeds } from "./pair-batch.js";

// Shape legend: B rows, T positions a row, n = B·T tokens, S soft positions, R distinct soft tokens, K width
// of the LM, D ≥ K of the soft tables; of an encoder: A rows, E positions a row, V positions of memory beside each row
// of the decoder.

/** Which hidden states are wanted. */
export interface WantedStates {
  /** Their flat positions: int64 [M]. */
  readonly positions: Value;
  /**
   * Whether they are the last of each sequence, so few of each row: {@link lastQueries} has the inputs. With an
   * encoder, where rows are short, of no effect.
   */
  readonly lastOnly: boolean;
}

export interface Body {
  /** The embedding of every occurrence of a soft token, [S, D]: what gradients are taken towards. */
  readonly softTokens: Value;
  /** [n, K], or [M, K] where only some positions are wanted. */
  readonly hiddenStates: Value;
}

/**
 * Declares the inputs of {@link PackedBatch} ({@link PackedPairs} where the LM has an encoder) and adds the LM over
 * them.
 * @param queryBlocks in how many blocks attention takes the queries of a row; T must be a multiple of it
 * @param width D: of soft rows, of which the LM reads the first K
 * @param wanted which hidden states are wanted; all where absent
 */
export function addBody(
  graph: Graph,
  backbone: LanguageModel,
  queryBlocks: number,
  width: number,
  { wanted, dropout = noDropout }: { wanted?: WantedStates; dropout?: Dropout } = {},
): Body {
  const length = queryBlocks === 1 ? "T" : `${queryBlocks}*t`;
  if (backbone.layout.kind === "encoder-decoder")
    return addPairBody(graph, backbone, queryBlocks, width, length, dropout, wanted && { tokens: wanted.positions });
  const { embeddings, positions, softTokens } = embedTokens(graph, backbone, ["B", length], width, dropout.softTokens);
  const segments = graph.input("segments", "int64", ["B", length]);
  const attentionBias = segmentBiases(graph, positions, segments, queryBlocks);
  const { hiddenStates } = backbone.decode(graph, {
    embeddings,
    positions,
    attentionBias,
    dropout: dropout.backbone,
    ...(wanted && {
      wanted: {
        tokens: wanted.positions,
        ...(wanted.lastOnly && { queries: graph.scope("queries", () => fewQueries(graph, positions, segments)) }),
      },
    }),
  });
  return { softTokens, hiddenStates };
}

/**
 * Declares the inputs that say which tokens of each row are the only queries of the last block.
 * @param positions of all tokens, as `segments` int64 [B, T]
 */
function fewQueries(graph: Graph, positions: Value, segments: Value): Queries {
  const { op } = graph;
  const tokens = graph.input("queries", "int64", ["B", "W"]);
  const of = (x: Value) => op.Gather(op.Reshape(x, [-1]), tokens); // [B, W]
  const own = { positions: of(positions), segments: of(segments) };
  return {
    tokens,
    positions: own.positions,
    attentionBias: perWindow((window) => [visible(graph, own, { positions, segments }, window)]),
    places: graph.input("queryPlaces", "int64", ["M"]),
  };
}

/**
 * Declares the inputs that say what the tokens are, and looks up their embeddings: vocabulary rows inside the graph,
 * soft rows from the table passed in.
 * @param shape [B, T]
 * @param width D
 * @param softDropout acts on every occurrence of a soft token independently
 */
export function embedTokens(
  graph: Graph,
  backbone: LanguageModel,
  shape: Shape,
  width: number,
  softDropout: (x: Value) => Value = (x) => x,
): { embeddings: Value; positions: Value; softTokens: Value } {
  const ids = graph.input("ids", "int64", shape);
  const positions = graph.input("positions", "int64", shape);
  return { ...lookUp(graph, backbone, graph.op.Reshape(ids, [-1]), width, softDropout), positions };
}

/** Embeddings of n tokens by flat ids, [n, K], with the soft ones in their places. */
function lookUp(
  graph: Graph,
  backbone: LanguageModel,
  ids: Value,
  width: number,
  softDropout: (x: Value) => Value,
): { embeddings: Value; softTokens: Value } {
  const { op } = graph;
  const softPositions = graph.input("softPositions", "int64", ["S", 1]);
  const softIndex = graph.input("softIndex", "int64", ["S"]);
  const softRows = graph.input("softRows", "float32", ["R", width]);
  const words = op.Gather(backbone.embeddings(graph), ids); // [n, K]
  const softTokens = op.Gather(softRows, softIndex); // [S, D]
  const { hiddenSize } = backbone.config;
  const read = width === hiddenSize ? softTokens : op.Slice(softTokens, [0], [hiddenSize], [1]); // [S, K]
  return { embeddings: op.ScatterND(words, softPositions, softDropout(read)), softTokens };
}

/** The body of an encoder–decoder: tokens of both sides are looked up together, the encoder's first. */
function addPairBody(
  graph: Graph,
  backbone: LanguageModel,
  queryBlocks: number,
  width: number,
  length: Dim,
  dropout: Dropout,
  wanted: Wanted | undefined,
): Body {
  const { op } = graph;
  const [read, written, kept]: Shape[] = [
    ["A", "E"],
    ["B", length],
    ["B", "V"],
  ];
  const input = (name: keyof (BatchFeeds & EncoderFeeds), shape: Shape) => graph.input(name, "int64", shape);
  const encoderIds = op.Reshape(input("encoderIds", read!), [-1]);
  const encoderPositions = input("encoderPositions", read!);
  const encoderSegments = input("encoderSegments", read!);
  const memoryIndex = input("memoryIndex", kept!);
  const memorySegments = input("memorySegments", kept!);
  const ids = op.Concat([encoderIds, op.Reshape(input("ids", written!), [-1])], { axis: 0 }); // [A·E + B·T]
  const positions = input("positions", written!);
  const segments = input("segments", written!);
  const { embeddings, softTokens } = lookUp(graph, backbone, ids, width, dropout.softTokens);
  const boundary = [encoderIds.dim(0)];
  const masks = graph.scope("mask", () => ({
    encoder: together(graph, encoderSegments, encoderSegments),
    decoder: segmentBiases(graph, positions, segments, queryBlocks),
    // A row without a single visible position would be NaN, so padding looks at everything.
    memory: together(graph, segments, memorySegments, op.Less(op.Unsqueeze(segments, [1, 3]), 0)),
  }));
  const keyValues = backbone.encode(graph, {
    embeddings: op.Slice(embeddings, [0], boundary, [0]),
    positions: encoderPositions,
    attentionBias: masks.encoder,
    memory: memoryIndex,
    dropout: dropout.backbone,
  });
  const { hiddenStates } = backbone.decode(graph, {
    embeddings: op.Slice(embeddings, boundary, [embeddings.dim(0)], [0]),
    positions,
    attentionBias: masks.decoder,
    memory: { keyValues, attentionBias: masks.memory },
    dropout: dropout.backbone,
    ...(wanted ? { wanted } : {}),
  });
  return { softTokens, hiddenStates };
}

/**
 * 0 where query [B, T] and key [B, S] are of one segment, or where `also` [B, 1, T, 1] says so, −∞ elsewhere: [B, 1, T,
 * S].
 */
function together(graph: Graph, queries: Value, keys: Value, also?: Value): Value {
  const { op } = graph;
  const same = op.Equal(op.Unsqueeze(queries, [1, 3]), op.Unsqueeze(keys, [1, 2]));
  return op.Where(also ? op.Or(same, also) : same, op.scalar(0), op.scalar(Number.NEGATIVE_INFINITY));
}

/**
 * 0 where a position may look (its own segment and what the row shares, not after itself), −∞ elsewhere; block i of
 * queries against the keys of blocks 0 … i: [B, 1, T/C, (i+1)·T/C]. Padding looks at padding.
 */
function segmentBiases(graph: Graph, positions: Value, segments: Value, blocks: number): AttentionBias {
  const { op } = graph;
  const parts = (x: Value) => (blocks === 1 ? [x] : op.Split(x, blocks, { axis: 1 }));
  const [positionParts, segmentParts] = [parts(positions), parts(segments)];
  // [B, S']
  const upTo = (x: readonly Value[], i: number) => (i === 0 ? x[0]! : op.Concat(x.slice(0, i + 1), { axis: 1 }));
  const block = (i: number, window: number | null) =>
    visible(
      graph,
      { positions: positionParts[i]!, segments: segmentParts[i]! },
      { positions: upTo(positionParts, i), segments: upTo(segmentParts, i) },
      window,
    );
  return perWindow((window) => graph.scope("mask", () => positionParts.map((_, i) => block(i, window))));
}

/** Where the tokens of a row are: which segment they belong to, and their positions in it; int64, [B, T'] each. */
interface TokenLocations {
  readonly positions: Value;
  readonly segments: Value;
}

/** Masks that are made when they are first asked for, and once for all layers with the same window. */
export function perWindow(make: (window: number | null) => readonly Value[]): AttentionBias {
  const made = new Map<number | null, readonly Value[]>();
  return (window = null) => {
    const known = made.get(window) ?? make(window);
    made.set(window, known);
    return known;
  };
}

/**
 * 0 where the distance from a key to its query is 0 or more, and less than the window where there is one; −∞ elsewhere.
 * @param queries positions, which broadcast against those of `keys`
 * @param also what must be true besides
 */
export function causalBias(graph: Graph, queries: Value, keys: Value, window: number | null, also?: Value): Value {
  const { op } = graph;
  const past = op.GreaterOrEqual(queries, keys);
  const near = window === null ? past : op.And(past, op.Less(op.Sub(queries, keys), window));
  return op.Where(also ? op.And(also, near) : near, op.scalar(0), op.scalar(Number.NEGATIVE_INFINITY));
}

/** 0 where a query may look at a key, −∞ elsewhere: [B, 1, T', S']. */
function visible(graph: Graph, queries: TokenLocations, keys: TokenLocations, window: number | null): Value {
  const { op } = graph;
  const asQuery = (x: Value) => op.Unsqueeze(x, [1, 3]); // [B, 1, T', 1]
  const asKey = (x: Value) => op.Unsqueeze(x, [1, 2]); // [B, 1, 1, S']
  const keySegments = asKey(keys.segments);
  const together = op.Or(op.Equal(asQuery(queries.segments), keySegments), op.Equal(keySegments, SHARED_SEGMENT));
  return causalBias(graph, asQuery(queries.positions), asKey(keys.positions), window, together);
}
