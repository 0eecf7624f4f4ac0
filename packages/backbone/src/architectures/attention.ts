// Scaled dot-product attention over packed rows, with grouped heads and cached keys and values (Vaswani et al. 2017; Ainslie et al. 2023).
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { DecoderInputs, KeyValues } from "./architecture.js";

// Shape legend: B rows, T positions a row, K width, H heads, G key/value heads, R = H/G heads a group, D head size, S keys.

export interface AttentionShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/** [B·T, heads·D] → [B, heads, T, D] */
export function splitHeads(graph: Graph, x: Value, positions: Value, heads: number, headSize: number): Value {
  const [rows, length] = positions.shape as [string | number, string | number];
  return graph.op.Transpose(graph.op.Reshape(x, [rows, length, heads, headSize]), { perm: [0, 2, 1, 3] });
}

/**
 * softmax(q·kᵀ/√D + bias)·v for every head.
 * @param query [B, H, T, D]
 * @param fresh keys and values of the T new positions, [B, G, T, D] each
 * @returns [B·T, H·D], and the keys and values of all S positions
 */
export function attend(
  graph: Graph,
  shape: AttentionShape,
  query: Value,
  fresh: KeyValues,
  inputs: DecoderInputs,
  past: KeyValues | undefined,
  dropoutProbability: number,
): { output: Value; present: KeyValues } {
  const { op } = graph;
  const { heads, keyValueHeads, headSize } = shape;
  const repeats = heads / keyValueHeads;
  const [rows, length] = inputs.positions.shape as [string | number, string | number];
  const keys = past ? op.Concat([past.keys, fresh.keys], { axis: 2 }) : fresh.keys;
  const values = past ? op.Concat([past.values, fresh.values], { axis: 2 }) : fresh.values;

  // Heads that share keys and values are rows of one product: [B, H, T, D] → [B, G, R·T, D]
  const grouped = repeats === 1 ? query : op.Reshape(query, [rows, keyValueHeads, times(length, repeats), headSize]);
  const products = op.FusedMatMul(grouped, keys, { transB: 1, alpha: 1 / Math.sqrt(headSize) }); // [B, G, R·T, S]
  const perHead = repeats === 1 ? products : op.Reshape(products, [rows, heads, length, keys.dim(2)]); // [B, H, T, S]
  const weights = inputs.dropout(op.Softmax(op.Add(perHead, inputs.attentionBias), { axis: -1 }), dropoutProbability);
  const groupedWeights = repeats === 1 ? weights : op.Reshape(weights, products.shape);
  const mixed = op.MatMul(groupedWeights, values); // [B, G, R·T, D]
  const separate = repeats === 1 ? mixed : op.Reshape(mixed, [rows, heads, length, headSize]); // [B, H, T, D]
  const joined = op.Transpose(separate, { perm: [0, 2, 1, 3] }); // [B, T, H, D]
  const output = op.Reshape(joined, [times(rows, length), heads * headSize]);
  return { output, present: { keys, values } };
}

/** a·b as a dimension. */
function times(a: string | number, b: string | number): string | number {
  return typeof a === "number" && typeof b === "number" ? a * b : `${a}*${b}`;
}
