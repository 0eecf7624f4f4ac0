// Grouped-query self-attention with rotary positions, as the Llama family, Gemma and GPT-NeoX have it after their
// projections.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { DecoderInputs, KeyValues } from "./architecture.js";
import { type AttentionShape, attend, type BlockTokens, splitHeads } from "./attention.js";
import type { Rotation } from "./rope.js";

// Shape legend: n = B·T tokens, n' tokens with a query, H heads, G key/value heads, D head size.

/** What a block's projections make of its tokens. */
export interface Projections {
  /** [n', H·D] */
  readonly query: Value;
  /** [n, G·D] */
  readonly keys: Value;
  /** [n, G·D] */
  readonly values: Value;
}

export interface RotaryAttention extends AttentionShape {
  /** Turns queries and keys by their positions; null in layers without any positions (NoPE; Kazemnejad et al. 2023). */
  readonly rotation: Rotation | null;
  /** Acts on every head of queries and keys before they are turned. */
  readonly norm?: { readonly query: (x: Value) => Value; readonly keys: (x: Value) => Value };
  /** Keys this many positions or more before a query are hidden; none where null. */
  readonly window: number | null;
  /** The probability of dropping attention weights. */
  readonly dropout: number;
}

/** @returns for the tokens that the block finishes, [n″, H·D], and the keys and values of all positions */
export function rotaryAttention(
  graph: Graph,
  attention: RotaryAttention,
  projections: Projections,
  inputs: DecoderInputs,
  tokens: BlockTokens,
  layer: number,
): { output: Value; present: KeyValues } {
  const { heads, keyValueHeads, headSize, rotation, norm, window } = attention;
  const turn = (x: Value, positions: Value) => (rotation ? rotation(x, positions) : x);
  const split = (x: Value, positions: Value, count: number) => splitHeads(graph, x, positions, count, headSize);
  const query = split(projections.query, tokens.positions, heads);
  const keys = split(projections.keys, inputs.positions, keyValueHeads);
  const { output, present } = attend(
    graph,
    attention,
    turn(norm ? norm.query(query) : query, tokens.positions),
    {
      keys: turn(norm ? norm.keys(keys) : keys, inputs.positions),
      values: split(projections.values, inputs.positions, keyValueHeads),
    },
    { positions: tokens.positions, attentionBias: tokens.attentionBias(window), dropout: inputs.dropout },
    inputs.past?.[layer],
    attention.dropout,
  );
  return { output: tokens.finishedQueries(output), present };
}
