// Scaled dot-product attention over packed rows, with grouped heads and cached keys and values (Vaswani et al. 2017;
// Ainslie et al. 2023).
import type { Dim, Graph, Value } from "@cllm4rec/onnx-grad";
import type { AttentionBias, DecoderInputs, DropoutHook, KeyValues } from "./architecture.js";

// Shape legend: B rows, T positions a row, K width, H heads, G key/value heads, R = H/G heads a group, D head size, S
// keys.

export interface AttentionShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** What dot products are multiplied by; 1/√D where absent. */
  readonly scale?: number;
}

/** What queries are compared under. */
export interface AttentionInputs {
  /** Of the queries: int64 [B, T], or [B, W]. */
  readonly positions: Value;
  /** Added to their scores, a block each; see {@link AttentionBias}. */
  readonly attentionBias: readonly Value[];
  readonly dropout: DropoutHook;
}

/** [B·T, heads·D] → [B, heads, T, D] */
export function splitHeads(graph: Graph, x: Value, positions: Value, heads: number, headSize: number): Value {
  const [rows, length] = positions.shape as [Dim, Dim];
  return graph.op.Transpose(graph.op.Reshape(x, [rows, length, heads, headSize]), { perm: [0, 2, 1, 3] });
}

/**
 * softmax(scale·q·kᵀ + bias)·v for every head.
 *
 * With `queryBlocks` > 1 the queries are cut into that many equal blocks along a row, and each block looks only at the
 * keys up to its own
 * end: what the causal mask would throw away is for the most part not computed, and the scores of a block stay in the
 * cache.
 *
 * @param query [B, H, T, D], or [B, H, W, D] of W tokens of each row
 * @param fresh keys and values of the T new positions, [B, G, T, D] each
 * @returns [B·T, H·D] or [B·W, H·D], and the keys and values of all S positions
 */
export function attend(
  graph: Graph,
  shape: AttentionShape,
  query: Value,
  fresh: KeyValues,
  inputs: AttentionInputs,
  past: KeyValues | undefined,
  dropoutProbability: number,
): { output: Value; present: KeyValues } {
  const { op } = graph;
  const keys = past ? op.Concat([past.keys, fresh.keys], { axis: 2 }) : fresh.keys;
  const values = past ? op.Concat([past.values, fresh.values], { axis: 2 }) : fresh.values;
  const dropout = (weights: Value) => inputs.dropout(weights, dropoutProbability);
  const blocks = inputs.attentionBias.length;
  const mixed =
    blocks === 1
      ? block(graph, shape, query, keys, values, inputs.attentionBias[0]!, dropout)
      : blockwise(graph, shape, query, keys, values, inputs.attentionBias, dropout);
  const joined = op.Transpose(mixed, { perm: [0, 2, 1, 3] }); // [B, T, H, D]
  const [rows, length] = inputs.positions.shape as [Dim, Dim];
  return { output: op.Reshape(joined, [times(rows, length), shape.heads * shape.headSize]), present: { keys, values } };
}

function blockwise(
  graph: Graph,
  shape: AttentionShape,
  query: Value,
  keys: Value,
  values: Value,
  biases: readonly Value[],
  dropout: (weights: Value) => Value,
): Value {
  const { op } = graph;
  const cut = (x: Value) => op.Split(x, biases.length, { axis: 2 });
  const upTo = (parts: readonly Value[], i: number) =>
    i === 0 ? parts[0]! : op.Concat(parts.slice(0, i + 1), { axis: 2 });
  const [keyParts, valueParts] = [cut(keys), cut(values)];
  const mixed = cut(query).map((part, i) =>
    block(graph, shape, part, upTo(keyParts, i), upTo(valueParts, i), biases[i]!, dropout),
  );
  return op.Concat(mixed, { axis: 2 });
}

/** One block of queries against the keys that it may see: [B, H, T', D] × [B, G, S', D] → [B, H, T', D]. */
function block(
  graph: Graph,
  { heads, keyValueHeads, headSize, scale: alpha = 1 / Math.sqrt(headSize) }: AttentionShape,
  query: Value,
  keys: Value,
  values: Value,
  bias: Value,
  dropout: (weights: Value) => Value,
): Value {
  const { op } = graph;
  const repeats = heads / keyValueHeads;
  const [rows, , length] = query.shape as [Dim, Dim, Dim];
  if (repeats === 1) {
    const scores = op.Add(op.FusedMatMul(query, keys, { transB: 1, alpha }), bias); // [B, H, T', S']
    return op.MatMul(dropout(op.Softmax(scores, { axis: -1 })), values);
  }
  // Heads that share keys and values are rows of one product: [B, H, T', D] → [B, G, R·T', D]
  const grouped = op.Reshape(query, [rows, keyValueHeads, times(length, repeats), headSize]);
  const products = op.FusedMatMul(grouped, keys, { transB: 1, alpha }); // [B, G, R·T', S']
  const scores = op.Add(op.Reshape(products, [rows, heads, length, keys.dim(2)]), bias); // [B, H, T', S']
  const weights = dropout(op.Softmax(scores, { axis: -1 }));
  const mixed = op.MatMul(op.Reshape(weights, products.shape), values); // [B, G, R·T', D]
  return op.Reshape(mixed, [rows, heads, length, headSize]);
}

/** What a block computes for which tokens. */
export interface BlockTokens {
  /** Those with a query, of [B·T, …]: themselves, or [B·W, …]. */
  readonly queries: (x: Value) => Value;
  /** Of the queries. */
  readonly positions: Value;
  readonly attentionBias: AttentionBias;
  /** Those that the block finishes: of [B·T, …]. */
  readonly finished: (x: Value) => Value;
  /** The same, of what attention has made of the queries. */
  readonly finishedQueries: (x: Value) => Value;
}

/** All tokens, but in the last of `layers` blocks only those that are wanted. */
export function blockTokens(graph: Graph, inputs: DecoderInputs, layer: number, layers: number): BlockTokens {
  const { wanted, positions, attentionBias } = inputs;
  const { op } = graph;
  const all = (x: Value) => x;
  if (!wanted || layer < layers - 1)
    return { queries: all, positions, attentionBias, finished: all, finishedQueries: all };
  const finished = (x: Value) => op.Gather(x, wanted.tokens);
  const { queries } = wanted;
  if (!queries) return { queries: all, positions, attentionBias, finished, finishedQueries: finished };
  return {
    queries: (x) => op.Gather(x, op.Reshape(queries.tokens, [-1])),
    positions: queries.positions,
    attentionBias: queries.attentionBias,
    finished,
    finishedQueries: (x) => op.Gather(x, queries.places),
  };
}

/** a·b as a dimension. */
function times(a: Dim, b: Dim): Dim {
  return typeof a === "number" && typeof b === "number" ? a * b : `${a}*${b}`;
}
