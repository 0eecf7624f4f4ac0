// A frozen LM, opened: its config, its weights as graph constants that point into files, and its forward pass.
import { createHash } from "node:crypto";
import { type Engine, type Graph, onnxRuntime, type Value } from "@cllm4rec/onnx-grad";
import type { BackboneConfig } from "../checkpoint/config.js";
import { hashConfig } from "../checkpoint/config-hash.js";
import { standardDeviation } from "../checkpoint/deviation.js";
import { type Float32Options, type Float32Weights, openFloat32Weights } from "../checkpoint/float32-cache.js";
import type { TensorLocation } from "../checkpoint/safetensors.js";
import { readFloat32 } from "../checkpoint/tensor-reader.js";
import type { PairLengths } from "../packing/pack-pairs.js";
import { ArchitectureModel } from "./architecture-model.js";
import { declareWeight } from "./declared-model.js";
import type { ModelDeclaration } from "./model-declaration.js";
import { type OpenModelOptions, openModel } from "./open-model.js";

export interface OpenBackboneOptions extends OpenModelOptions {
  /** What runs the graphs; by default onnxruntime-node, started with the backbone and disposed of with it. */
  readonly engine?: Engine;
  /** Where F16 and BF16 weights are kept as F32; see {@link openFloat32Weights}. */
  readonly weights?: Pick<Float32Options, "cacheDirectory" | "verify" | "onProgress">;
  /**
   * A limit on the sequence length below the model's own. T5 has no limit of its own: it may be any, and is the length
   * of pretraining, 512, where absent.
   */
  readonly maxPositions?: number;
  /**
   * Only the first blocks, of encoder and decoder alike, with the final norm after them: a cheaper LM of the same
   * width. All where absent.
   */
  readonly layers?: number;
}

/** Which backbone a model directory belongs to, as it records it. Records of earlier versions have no `configHash`. */
export interface BackboneFingerprint {
  readonly contentHash: string;
  readonly configHash?: string | undefined;
}

/** A pretrained LM whose weights are never written to. */
export class Backbone extends ArchitectureModel {
  private deviation: Promise<number> | undefined;

  private constructor(
    config: BackboneConfig,
    /** The model directory that was opened. */
    readonly directory: string,
    readonly engine: Engine,
    /** SHA-256 of the weights as they are stored, and of how many blocks are in use. */
    readonly contentHash: string,
    private readonly weights: Float32Weights,
    private readonly locations: ReadonlyMap<string, TensorLocation>,
    private readonly ownsEngine: boolean,
  ) {
    super(config);
  }

  /**
   * Opens a Hugging Face model directory, or a model of the hub by `org/name[@revision]`.
   * @throws CheckpointError where config or weights are not what the architecture needs; every weight and every tensor
   *   is accounted for. RangeError for more `layers` than the model has
   */
  static async open(model: string, options: OpenBackboneOptions = {}): Promise<Backbone> {
    const { signal } = options;
    const { directory, checkpoint, config: fullConfig, architecture, claimed } = await openModel(model, options);
    const stored = [...claimed.tensors.values()].map(({ name }) => name);
    const weights = await openFloat32Weights(checkpoint, {
      ...options.weights,
      tensors: stored,
      ...(signal ? { signal } : {}),
    });
    const config = shortened(fullConfig, options.layers);
    const used = new Set(architecture.weights(config).map(({ name }) => name));
    const locations = new Map(
      [...claimed.tensors].flatMap(([name, { name: storedName }]) =>
        used.has(name) ? [[name, weights.tensor(storedName)] as const] : [],
      ),
    );
    const engine = options.engine ?? onnxRuntime();
    const contentHash = config === fullConfig ? weights.contentHash : hashOfPart(weights.contentHash, config.layers);
    return new Backbone(config, directory, engine, contentHash, weights, locations, options.engine === undefined);
  }

  /**
   * SHA-256 of what config.json says about the computation: the same weights with another `rope_theta` are another
   * model.
   */
  get configHash(): string {
    return hashConfig(this.config);
  }

  /** What a model directory records, to recognise the backbone by when it is opened again; see {@link difference}. */
  get fingerprint(): Required<BackboneFingerprint> {
    return { contentHash: this.contentHash, configHash: this.configHash };
  }

  /**
   * Which part of this backbone is not what a model directory has recorded: its weights, its config, or `undefined`
   * where it is the same backbone. Records without `configHash`, from earlier versions, are compared by the weights
   * alone.
   */
  difference(recorded: BackboneFingerprint): "weights" | "config" | undefined {
    if (recorded.contentHash !== this.contentHash) return "weights";
    if (recorded.configHash !== undefined && recorded.configHash !== this.configHash) return "config";
    return undefined;
  }

  /** Names of the frozen weights, as the architecture calls them. */
  get weightNames(): string[] {
    return [...this.locations.keys()];
  }

  /** Parameters of all frozen weights together. */
  get parameterCount(): number {
    return [...this.locations.values()].reduce((sum, { byteLength }) => sum + byteLength / 4, 0);
  }

  /** SHA-256 of every file that weights are mapped from, read again: equal before and after training. */
  fileHashes(signal?: AbortSignal): Promise<Record<string, string>> {
    return this.weights.fileHashes(signal);
  }

  /**
   * The standard deviation of all N·K frozen vocabulary embeddings: the scale that the LM expects of what it is given,
   * and so the measure for the initial embeddings of new tokens. It is 0.50 in tinystories-656k and 0.14 in
   * SmolLM2-135M. Read once, in pieces.
   */
  vocabularyDeviation(): Promise<number> {
    this.deviation ??= standardDeviation(this.locations.get(this.architecture.embeddingName)!);
    this.deviation.catch(() => {
      this.deviation = undefined;
    });
    return this.deviation;
  }

  /**
   * Floating-point operations (two a multiplication) of a forward pass over these sequences: the floor that running
   * times are held against. Attention counts the pairs that causal masks allow (windows hide more of them, but they are
   * computed); the last block's output projection and MLP count for the wanted states alone. Backward towards the
   * inputs costs the same again for the frozen matrices and twice that for attention, both factors of which vary.
   * @param lengths of the sequences; of both sequences of each document where the LM has an encoder
   * @param wanted how many final hidden states are wanted; all of the decoder's where absent
   * @throws RangeError for lengths of the other kind of LM
   */
  operations(
    lengths: readonly (number | PairLengths)[],
    { wanted, backward = false }: { wanted?: number; backward?: boolean } = {},
  ): number {
    const { token, wanted: finishing, pair, encoder } = this.architecture.cost(this.config);
    let [tokens, matrices, attention] = [0, 0, 0];
    for (const length of lengths) {
      if ((typeof length === "number") === (encoder !== undefined)) {
        const expected = encoder ? "{ encoder, decoder }" : "a number";
        throw new RangeError(`length ${JSON.stringify(length)}: expected ${expected} for ${this.config.modelType}`);
      }
      const [E, T] = typeof length === "number" ? [0, length] : [length.encoder, length.decoder];
      tokens += T;
      matrices += token * T + (encoder?.token ?? 0) * E;
      attention += pair * ((T * (T + 1)) / 2) + (encoder ? encoder.pair * E * E + encoder.cross * E * T : 0);
    }
    matrices += finishing * (wanted ?? tokens);
    return 2 * (matrices * (backward ? 2 : 1) + attention * (backward ? 3 : 1));
  }

  /** The frozen vocabulary embeddings read into memory, row-major [N, K]. */
  wordEmbeddings(): Promise<Float32Array> {
    return readFloat32(this.locations.get(this.architecture.embeddingName)!);
  }

  async dispose(): Promise<void> {
    if (this.ownsEngine) await this.engine.dispose();
  }

  /** What another thread needs to build graphs of this LM. */
  get declaration(): ModelDeclaration {
    return { config: this.config, weights: this.locations, trainable: false };
  }

  protected weight(graph: Graph, name: string): Value {
    return declareWeight(graph, name, this.locations.get(name)!);
  }
}

/** The config of an LM that ends after its first `layers` blocks. */
function shortened(config: BackboneConfig, layers: number | undefined): BackboneConfig {
  if (layers === undefined || layers === config.layers) return config;
  if (!Number.isInteger(layers) || layers < 1 || layers > config.layers)
    throw new RangeError(`layers: found ${layers}, expected 1 … ${config.layers}, as many as the model has`);
  if ("encoderLayers" in config) return { ...config, layers, encoderLayers: Math.min(config.encoderLayers, layers) };
  return { ...config, layers };
}

function hashOfPart(whole: string, layers: number): string {
  return createHash("sha256").update(`${whole}, the first ${layers} blocks`).digest("hex");
}
