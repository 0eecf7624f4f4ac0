// A language model's hidden states as features of texts: the means over each text's tokens after one of its blocks.
import { createHash } from "node:crypto";
import { type Engine, onnxRuntime } from "@cllm4rec/onnx-grad";
import { openCheckpoint } from "../checkpoint/checkpoint.js";
import { parseConfig } from "../checkpoint/config.js";
import { type ResolveOptions, resolveModel } from "../checkpoint/hub.js";
import { Backbone, type OpenBackboneOptions } from "../model/backbone.js";
import { BaseModel } from "../model/base-model.js";
import type { SoftTables } from "../model/documents.js";
import { encodeByLength, type SentenceEncoder } from "./encoder.js";
import { type TextTokenizer, tokenizerHash, truncatingTokenizer } from "./text-tokenizer.js";

// Shape legend: T tokens of a text, K width.

export interface BackboneEncoderOptions {
  /** The tokenizer of the same model: `await loadTokenizer(directory)` of `@cllm4rec/tokenizer-ext/node`. */
  readonly tokenizer: TextTokenizer;
  /**
   * After which block the states are taken, 1 … the number of blocks; default: two thirds of them, rounded up. Later
   * ones are not computed.
   */
  readonly layer?: number;
  /** Tokens of a text that are read; default 256, or as many as the LM takes. */
  readonly maxTokens?: number;
  /** What runs the graphs; by default onnxruntime-node, started with the encoder and disposed of with it. */
  readonly engine?: Engine;
  readonly hub?: ResolveOptions;
  readonly weights?: OpenBackboneOptions["weights"];
  readonly onNotice?: OpenBackboneOptions["onNotice"];
  readonly signal?: AbortSignal;
}

const DEFAULT_TOKENS = 256;
const NO_SOFT_TOKENS: SoftTables = {
  users: { rows: 0, data: new Float32Array(0) },
  items: { rows: 0, data: new Float32Array(0) },
};

/**
 * Opens any decoder-only LM as an encoder of texts. A row is the mean, over the tokens that the LM's tokenizer makes of
 * the text, of norm(h), h being the hidden states after block `layer` and norm the LM's last normalisation: it keeps
 * the few dimensions and tokens with huge values, which LMs have in their middle blocks, from deciding alone. Rows of
 * LMs are far from the origin and from round; `fitWhitening` of `@cllm4rec/corpus` centres and whitens them.
 * @param model a Hugging Face directory, or a model of the hub by `org/name[@revision]`
 * @throws CheckpointError as `Backbone.open`; RangeError for `layer` or `maxTokens` out of range, and for an
 *   encoder–decoder
 */
export async function openBackboneEncoder(model: string, options: BackboneEncoderOptions): Promise<SentenceEncoder> {
  const { tokenizer, hub, weights, onNotice, signal } = options;
  const abort = signal ? { signal } : {};
  const { directory } = await resolveModel(model, { ...hub, ...abort });
  const checkpoint = await openCheckpoint(directory, abort);
  const file = `${directory}/config.json`;
  const config = parseConfig(checkpoint.config, { file, tensors: checkpoint.tensors });
  if ("encoderLayers" in config) {
    throw new RangeError(
      `${file}: ${config.modelType} has an encoder and a decoder, expected a decoder-only language model; choose ` +
        "another backbone",
    );
  }
  const layer = options.layer ?? Math.ceil((2 * config.layers) / 3);
  if (!(Number.isInteger(layer) && layer >= 1 && layer <= config.layers))
    throw new RangeError(`layer: found ${layer}, expected an integer from 1 to the model's ${config.layers} blocks`);
  const { maxTokens = Math.min(DEFAULT_TOKENS, config.maxPositions) } = options;
  if (!(Number.isInteger(maxTokens) && maxTokens >= 1 && maxTokens <= config.maxPositions))
    throw new RangeError(
      `maxTokens: found ${maxTokens}, expected an integer from 1 to the model's ${config.maxPositions}`,
    );
  const tokenise = truncatingTokenizer(tokenizer, maxTokens, config.vocabularySize);

  const engine = options.engine ?? onnxRuntime();
  try {
    const backbone = await Backbone.open(directory, {
      layers: layer,
      engine,
      ...(weights && { weights }),
      ...(onNotice && { onNotice }),
      ...abort,
    });
    const base = new BaseModel(backbone, { users: 0, items: 0 });
    const { hiddenSize } = config;
    const { contentHash, configHash } = backbone.fingerprint;
    return {
      width: hiddenSize,
      maxTokens,
      fingerprint: createHash("sha256")
        .update(JSON.stringify(["backbone encoder 1", contentHash, configHash, tokenizerHash(tokenizer), maxTokens]))
        .digest("hex"),
      encode: (texts, encodeOptions) =>
        encodeByLength(
          texts,
          hiddenSize,
          tokenise,
          async (ids, abortBatch) => means(await base.hiddenStates(ids, NO_SOFT_TOKENS, abortBatch), hiddenSize),
          encodeOptions,
        ),
      dispose: async () => {
        await base.dispose();
        await backbone.dispose();
        if (!options.engine) await engine.dispose();
      },
    };
  } catch (error) {
    if (!options.engine) await engine.dispose();
    throw error;
  }
}

/** The mean over the T rows of each text, [T, K] → [K], one after another. */
function means(states: readonly Float32Array[], width: number): Float32Array {
  const rows = new Float32Array(states.length * width);
  states.forEach((text, b) => {
    const sums = new Float64Array(width);
    for (let i = 0; i < text.length; i++) sums[i % width]! += text[i]!;
    const tokens = text.length / width;
    for (let k = 0; k < width; k++) rows[b * width + k] = sums[k]! / tokens;
  });
  return rows;
}
