// What an LM's config and architecture alone decide, the same for frozen weights in files and for weights in training.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type {
  Architecture,
  DecoderInputs,
  DecoderOutputs,
  EncoderInputs,
  KeyValues,
} from "../architectures/architecture.js";
import { architectureOf } from "../architectures/registry.js";
import type { BackboneConfig } from "../checkpoint/config.js";
import { layoutOf, type SequenceLayout } from "./layout.js";

// Shape legend: N vocabulary rows, K width.

/** An LM's forward pass over weights that a subclass puts into the graph. */
export abstract class ArchitectureModel {
  protected readonly architecture: Architecture;

  protected constructor(readonly config: BackboneConfig) {
    this.architecture = architectureOf(config);
  }

  /** G: heads of keys and values, fewer than query heads where the architecture groups them. */
  get keyValueHeads(): number {
    return "keyValueHeads" in this.config ? this.config.keyValueHeads : this.config.heads;
  }

  /** Whether prompts and main texts go into one sequence, or into those of an encoder and a decoder. */
  get layout(): SequenceLayout {
    return layoutOf(this.config);
  }

  /** What hidden states are multiplied by before a head that is tied to input embeddings; K^−½ in T5, 1 elsewhere. */
  get tiedHeadScale(): number {
    return this.architecture.tiedHeadScale?.(this.config) ?? 1;
  }

  /** What hidden states are multiplied by before the next-word head. */
  get wordHeadScale(): number {
    return "scaleWordHead" in this.config && this.config.scaleWordHead ? this.tiedHeadScale : 1;
  }

  /** Adds the encoder's pass over token embeddings to a graph. @throws Error where the LM has none */
  encode(graph: Graph, inputs: EncoderInputs): readonly KeyValues[] {
    const { architecture, config } = this;
    if (!architecture.encode) throw new Error(`${config.modelType} has no encoder`);
    return architecture.encode(graph, config, (name) => this.weight(graph, name), inputs);
  }

  /** Adds the forward pass over token embeddings to a graph. */
  decode(graph: Graph, inputs: DecoderInputs): DecoderOutputs {
    return this.architecture.decode(graph, this.config, (name) => this.weight(graph, name), inputs);
  }

  /** The vocabulary embeddings as a value of the graph, [N, K]. */
  embeddings(graph: Graph): Value {
    return this.weight(graph, this.architecture.embeddingName);
  }

  /** The next-word head's matrix as a value of the graph, [N, K]: the embeddings where the config ties them. */
  wordHead(graph: Graph): Value {
    return this.config.tieWordEmbeddings ? this.embeddings(graph) : this.weight(graph, this.architecture.headName);
  }

  /** A weight by the architecture's name as a value of the graph, one for all its uses. */
  protected abstract weight(graph: Graph, name: string): Value;
}
