// What an architecture is: which weights it has, and its forward pass as nodes of a graph. Each lives in one file.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { BackboneConfig } from "../checkpoint/config.js";
import type { ExpectedWeight } from "../checkpoint/weights.js";

// Shape legend: B rows, T positions a row, K width, H heads, G key/value heads, D head size, P cached positions, S = P
// + T keys; of an encoder: A rows, E positions a row, and V positions a row of the memory that its states become for
// the decoder.

/** Keys and values of one layer, each [B, G, S, D]. */
export interface KeyValues {
  readonly keys: Value;
  readonly values: Value;
}

/** Where dropout acts in training; the identity outside of it. */
export type DropoutHook = (x: Value, probability: number) => Value;

/**
 * What is added to the attention scores, 0 or −∞, a block of queries each: with one block float32 [B, 1, T, S]; with C
 * blocks (T divisible by C, no past) block i is [B, 1, T/C, (i+1)·T/C].
 * @param window keys this many positions or more before the query are hidden too; none where null or absent
 */
export type AttentionBias = (window?: number | null) => readonly Value[];

export interface EncoderInputs {
  /** Token embeddings, one row a token: float32 [A·E, K]. */
  readonly embeddings: Value;
  /** Position of every token inside its own sequence: int64 [A, E]. */
  readonly positions: Value;
  /** Added to the attention scores, 0 or −∞: float32 [A, 1, E, E]. */
  readonly attentionBias: Value;
  /**
   * Flat indices, into the A·E tokens, of the states that each row of the decoder may look at: int64 [B, V]. Absent:
   * row by row, as they are stored.
   */
  readonly memory?: Value;
  readonly dropout: DropoutHook;
}

/** What an encoder has made of a prompt, as the decoder looks at it. */
export interface Memory {
  /** Keys and values of the encoder's final states for each block of the decoder, [B, G, V, D] each. */
  readonly keyValues: readonly KeyValues[];
  /** Added to the scores of decoder positions against encoder positions, 0 or −∞: float32 [B, 1, T, V]. */
  readonly attentionBias: Value;
}

export interface DecoderInputs {
  /** Token embeddings, one row a token: float32 [B·T, K]. */
  readonly embeddings: Value;
  /** Position of every token inside its own sequence: int64 [B, T]. */
  readonly positions: Value;
  readonly attentionBias: AttentionBias;
  /** Keys and values of earlier positions, a layer each; absent where there are none. */
  readonly past?: readonly KeyValues[];
  /** Exactly where the architecture has an encoder. */
  readonly memory?: Memory;
  readonly dropout: DropoutHook;
  /** Which hidden states are wanted; all where absent. */
  readonly wanted?: Wanted;
}

/**
 * What only other hidden states need is not computed: in the last block the output projection, the MLP and the norm,
 * and see `queries`.
 */
export interface Wanted {
  /** Flat indices into the B·T tokens: int64 [M]. */
  readonly tokens: Value;
  /**
   * Present where each row has few of them, W at most: then these are the only queries of the last block. Not with a
   * past.
   */
  readonly queries?: Queries;
}

/** The queries of a block, where they are not all tokens. */
export interface Queries {
  /** Flat indices into the B·T tokens: int64 [B, W]. Rows that have fewer are filled up with any token of theirs. */
  readonly tokens: Value;
  /** Their positions inside their own sequences: int64 [B, W]. */
  readonly positions: Value;
  /** Added to their scores, one block: float32 [B, 1, W, T]. */
  readonly attentionBias: AttentionBias;
  /** Where the wanted ones are among the B·W: int64 [M]. */
  readonly places: Value;
}

export interface DecoderOutputs {
  /** After the last normalisation: float32 [B·T, K], or [M, K] where only some are wanted. */
  readonly hiddenStates: Value;
  /** Keys and values of all positions so far, a layer each. */
  readonly present: readonly KeyValues[];
}

/** Multiplications (each with its addition) of a forward pass. */
export interface ForwardCost {
  /** By frozen matrices, for every token. */
  readonly token: number;
  /** By frozen matrices, for every token whose final hidden state is wanted, on top of that. */
  readonly wanted: number;
  /** By attention, for every pair of a position and one that it may look at. */
  readonly pair: number;
  /**
   * Of an encoder, all of whose positions look at one another; `cross` for every pair of a decoder and an encoder
   * position.
   */
  readonly encoder?: { readonly token: number; readonly pair: number; readonly cross: number };
}

export interface Architecture<C extends BackboneConfig = BackboneConfig> {
  /** Every weight the checkpoint must hold, under the architecture's names. */
  weights(config: C): readonly ExpectedWeight[];
  /** Tensors that checkpoints of this architecture may hold beside the weights: masks and position buffers. */
  readonly buffers: readonly RegExp[];
  /**
   * Name of the matrix of vocabulary embeddings [N, K], which the next-word head is tied to where the config says so.
   */
  readonly embeddingName: string;
  /** Name of the head's own matrix [N, K] where it is not tied. */
  readonly headName: string;
  cost(config: C): ForwardCost;
  /** What hidden states are multiplied by before a head that is tied to input embeddings; 1 where absent. */
  tiedHeadScale?(config: C): number;
  /**
   * Adds the encoder's pass; absent in decoder-only architectures. Gives keys and values for each block of the decoder.
   */
  encode?(graph: Graph, config: C, weight: (name: string) => Value, inputs: EncoderInputs): readonly KeyValues[];
  /** Adds the forward pass; `weight` gives a weight of the checkpoint as a value of the graph. */
  decode(graph: Graph, config: C, weight: (name: string) => Value, inputs: DecoderInputs): DecoderOutputs;
}
