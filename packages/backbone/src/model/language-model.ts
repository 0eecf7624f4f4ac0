// What graphs and the base model need of an LM, whether its weights are frozen in files or being trained in memory.
import type { CompiledGraph, Engine, Graph, Session, Value } from "@cllm4rec/onnx-grad";
import type { DecoderInputs, DecoderOutputs, EncoderInputs, KeyValues } from "../architectures/architecture.js";
import type { BackboneConfig } from "../checkpoint/config.js";
import type { SequenceLayout } from "./layout.js";
import type { ModelDeclaration } from "./model-declaration.js";

// Shape legend: N vocabulary rows, K width.

/** An LM that can be put into a graph: `Backbone` (frozen) or `TrainableBackbone`. */
export interface LanguageModel {
  readonly config: BackboneConfig;
  readonly engine: Engine;
  /** G: heads of keys and values, fewer than query heads where the architecture groups them. */
  readonly keyValueHeads: number;
  /** Whether prompts and main texts go into one sequence, or into those of an encoder and a decoder. */
  readonly layout: SequenceLayout;
  /** What hidden states are multiplied by before a head that is tied to input embeddings, as the one over items is. */
  readonly tiedHeadScale: number;
  /** What hidden states are multiplied by before the next-word head. */
  readonly wordHeadScale: number;
  /** Adds the encoder's pass over token embeddings to a graph. @throws Error where the LM has no encoder */
  encode(graph: Graph, inputs: EncoderInputs): readonly KeyValues[];
  /** Adds the forward pass over token embeddings to a graph. */
  decode(graph: Graph, inputs: DecoderInputs): DecoderOutputs;
  /** The vocabulary embeddings as a value of the graph, [N, K]. */
  embeddings(graph: Graph): Value;
  /** The next-word head's matrix as a value of the graph, [N, K]: the embeddings where the config ties them. */
  wordHead(graph: Graph): Value;
  /**
   * The weights that a graph uses so far and that gradients are wanted for, by name. Absent where the weights are
   * frozen.
   */
  trainableWeights?(graph: Graph): ReadonlyMap<string, Value>;
  /** What another thread needs to build graphs of this LM. Absent: they are built in this one. */
  readonly declaration?: ModelDeclaration;
  /**
   * Loads a graph into a session whose runs use the weights as they are at that moment. Absent: the engine loads it.
   */
  load?(graph: Graph | CompiledGraph): Promise<Session>;
}
