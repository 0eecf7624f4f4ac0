// An LM whose weights are trained: they are inputs of its graphs, kept in memory, and can be written as a Hugging Face
// directory.
import fs from "node:fs/promises";
import path from "node:path";
import {
  type CompiledGraph,
  type Engine,
  type Feeds,
  Graph,
  onnxRuntime,
  type Session,
  type Value,
} from "@cllm4rec/onnx-grad";
import { architectureOf } from "../architectures/registry.js";
import { writeAtomically } from "../checkpoint/atomic-file.js";
import { type BackboneConfig, parseConfig } from "../checkpoint/config.js";
import { CheckpointError, reasonOf } from "../checkpoint/errors.js";
import { openFloat32Weights } from "../checkpoint/float32-cache.js";
import type { JsonObject } from "../checkpoint/json.js";
import { makeDirectory } from "../checkpoint/make-directory.js";
import { type TensorData, writeSafetensors } from "../checkpoint/safetensors-writer.js";
import type { ExpectedWeight } from "../checkpoint/weights.js";
import { ArchitectureModel } from "./architecture-model.js";
import type { OpenBackboneOptions } from "./backbone.js";
import { declareWeight } from "./declared-model.js";
import type { LanguageModel } from "./language-model.js";
import { loadInto } from "./load-graph.js";
import type { ModelDeclaration } from "./model-declaration.js";
import { openModel } from "./open-model.js";

// Shape legend: N vocabulary rows, K width.

/** What {@link TrainableBackbone.create} and `open` share. */
export type TrainableBackboneOptions = Pick<OpenBackboneOptions, "engine" | "maxPositions">;

/** A weight as a file names it. */
interface Stored {
  readonly name: string;
  readonly tensor: TensorData<Float32Array>;
}

/** Files of a model directory that say how text becomes tokens; they go with the weights wherever those are written. */
const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "vocab.json",
  "merges.txt",
  "generation_config.json",
];

/**
 * An LM in full training. `new BaseModel(trainable, sizes)` gives the same losses as over a frozen `Backbone`, with
 * gradients of the weights beside those of the soft rows. {@link weights} may be changed between two calls; each call
 * uses them as they then are, and copies them to the engine: 4 bytes a parameter there, and as many back for the
 * gradients.
 */
export class TrainableBackbone extends ArchitectureModel implements LanguageModel {
  private constructor(
    config: BackboneConfig,
    private readonly json: JsonObject,
    readonly engine: Engine,
    private readonly stored: ReadonlyMap<string, Stored>,
    /** The folder that it was opened from. */
    readonly directory: string | undefined,
    private readonly ownsEngine: boolean,
  ) {
    super(config);
  }

  /**
   * Opens a Hugging Face model directory, or a model of the hub by `org/name[@revision]`, and reads its weights into
   * memory.
   * @throws CheckpointError as `Backbone.open` does
   */
  static async open(
    model: string,
    options: TrainableBackboneOptions & Pick<OpenBackboneOptions, "hub" | "weights" | "onNotice" | "signal"> = {},
  ): Promise<TrainableBackbone> {
    const signal = options.signal ? { signal: options.signal } : {};
    const { directory, checkpoint, config, claimed } = await openModel(model, options);
    const names = [...claimed.tensors].map(([name, location]) => [name, location.name] as const);
    const files = await openFloat32Weights(checkpoint, {
      ...options.weights,
      tensors: names.map(([, name]) => name),
      ...signal,
    });
    const stored = new Map<string, Stored>();
    for (const [name, storedName] of names) {
      const tensor = { shape: files.tensor(storedName).shape, data: await files.read(storedName) };
      stored.set(name, { name: storedName, tensor });
    }
    return TrainableBackbone.over(config, checkpoint.config, stored, directory, options);
  }

  /**
   * An LM with new weights.
   * @param json a `config.json` as transformers reads it: `model_type`, sizes
   * @param fill called for each weight in the architecture's order, with its shape; the result becomes the weight
   * @throws CheckpointError where the config is not understood, or a weight has another number of elements than its
   *   shape
   */
  static create(
    json: JsonObject,
    fill: (weight: ExpectedWeight, config: BackboneConfig) => Float32Array,
    options: TrainableBackboneOptions = {},
  ): TrainableBackbone {
    const { maxPositions } = options;
    const config = parseConfig(json, { file: "the config", ...(maxPositions !== undefined && { maxPositions }) });
    const stored = new Map<string, Stored>();
    for (const weight of architectureOf(config).weights(config)) {
      const data = fill(weight, config);
      const size = weight.shape.reduce((a, b) => a * b, 1);
      if (data.length !== size) {
        throw new CheckpointError(
          `weight ${weight.name}: found ${data.length} numbers, expected ${size} for the shape ` +
            `[${weight.shape.join(", ")}]`,
        );
      }
      stored.set(weight.name, { name: savedName(weight), tensor: { shape: weight.shape, data } });
    }
    return TrainableBackbone.over(config, json, stored, undefined, options);
  }

  private static over(
    config: BackboneConfig,
    json: JsonObject,
    stored: ReadonlyMap<string, Stored>,
    directory: string | undefined,
    { engine }: TrainableBackboneOptions,
  ): TrainableBackbone {
    return new TrainableBackbone(config, json, engine ?? onnxRuntime(), stored, directory, engine === undefined);
  }

  /** The weights by the architecture's names. Their elements are to be changed in place. */
  get weights(): ReadonlyMap<string, TensorData<Float32Array>> {
    return new Map([...this.stored].map(([name, { tensor }]) => [name, tensor]));
  }

  /** Parameters of all weights together. */
  get parameterCount(): number {
    return [...this.stored.values()].reduce((sum, { tensor }) => sum + tensor.data.length, 0);
  }

  trainableWeights(graph: Graph): ReadonlyMap<string, Value> {
    return new Map([...graph.inputs].filter(([name]) => this.stored.has(name)));
  }

  /** What another thread needs to build graphs of this LM: not the weights, which are inputs. */
  get declaration(): ModelDeclaration {
    const weights = new Map([...this.stored].map(([name, { tensor }]) => [name, { shape: tensor.shape }] as const));
    return { config: this.config, weights, trainable: true };
  }

  async load(graph: Graph | CompiledGraph): Promise<Session> {
    const inputs = graph instanceof Graph ? [...graph.inputs.keys()] : graph.inputs.map(({ name }) => name);
    const session = await loadInto(this.engine, graph);
    const used = inputs.filter((name) => this.stored.has(name));
    const weights = (): Feeds =>
      Object.fromEntries(used.map((name) => [name, { dtype: "float32" as const, ...this.stored.get(name)!.tensor }]));
    return {
      graphName: session.graphName,
      run: (feeds, options) => session.run({ ...feeds, ...weights() }, options),
      dispose: () => session.dispose(),
    };
  }

  /**
   * Writes a Hugging Face directory that `Backbone.open` and transformers load: `config.json`, `model.safetensors`
   * (F32), and the tokenizer's files of the directory that the LM was opened from, where it was. Each file appears
   * whole or not at all, the weights last.
   * @throws CheckpointError naming the file that cannot be written
   */
  async save(directory: string): Promise<void> {
    const source = this.directory;
    try {
      await makeDirectory(directory);
      for (const name of source !== undefined && path.resolve(source) !== path.resolve(directory)
        ? TOKENIZER_FILES
        : [])
        await fs.copyFile(path.join(source!, name), path.join(directory, name)).catch(unlessAbsent);
    } catch (error) {
      throw new CheckpointError(`${directory}: cannot be written: ${reasonOf(error)}`);
    }
    const json = `${JSON.stringify({ ...this.json, dtype: "float32", torch_dtype: "float32" }, null, 2)}\n`;
    await writeAtomically(path.join(directory, "config.json"), (handle) => handle.writeFile(json));
    const tensors = Object.fromEntries([...this.stored.values()].map(({ name, tensor }) => [name, tensor]));
    // transformers asks for this entry: https://huggingface.co/docs/safetensors
    await writeSafetensors(path.join(directory, "model.safetensors"), tensors, { metadata: { format: "pt" } });
  }

  async dispose(): Promise<void> {
    if (this.ownsEngine) await this.engine.dispose();
  }

  protected weight(graph: Graph, name: string): Value {
    return declareWeight(graph, name, { shape: this.stored.get(name)!.tensor.shape });
  }
}

/** The name under which transformers saves a weight; GPT-2 checkpoints come without the prefix too. */
function savedName({ name, aliases = [] }: ExpectedWeight): string {
  return aliases.find((alias) => alias === `transformer.${name}`) ?? name;
}

function unlessAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
