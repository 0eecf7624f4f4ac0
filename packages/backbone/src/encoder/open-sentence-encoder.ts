// A frozen sentence encoder, opened from a Hugging Face directory with or without sentence-transformers' files, and run
// over texts.
import { createHash } from "node:crypto";
import { type Engine, type Feeds, onnxRuntime, type Session } from "@cllm4rec/onnx-grad";
import { bertBuffers, bertWeights } from "../architectures/bert.js";
import { openCheckpoint } from "../checkpoint/checkpoint.js";
import { type EncoderConfig, parseEncoderConfig } from "../checkpoint/config-encoder.js";
import { hashConfig } from "../checkpoint/config-hash.js";
import { CheckpointError } from "../checkpoint/errors.js";
import { type Float32Options, openFloat32Weights } from "../checkpoint/float32-cache.js";
import { claimWeights } from "../checkpoint/weights.js";
import { declareWeight } from "../model/declared-model.js";
import { reportUnrecognised } from "../model/open-model.js";
import { encodeByLength, type SentenceEncoder } from "./encoder.js";
import { sentenceGraph } from "./sentence-graph.js";
import { type Pooling, readSentenceLayout } from "./sentence-layout.js";
import { type TextTokenizer, tokenizerHash, tokenizerLimit, truncatingTokenizer } from "./text-tokenizer.js";

// Shape legend: B texts, T positions of the longest of them, K width.

export interface SentenceEncoderOptions {
  /** The tokenizer of the same directory: `await loadTokenizer(directory)` of `@cllm4rec/tokenizer-ext/node`. */
  readonly tokenizer: TextTokenizer;
  /** What runs the graph; by default onnxruntime-node, started with the encoder and disposed of with it. */
  readonly engine?: Engine;
  /** Tokens of a text that are read, special tokens included; default: as sentence-transformers. */
  readonly maxTokens?: number;
  /** How hidden states become one row; default: what the directory says, else `mean`. */
  readonly pooling?: Pooling;
  /** Whether rows are scaled to length 1; default: what the directory says, else false. */
  readonly normalise?: boolean;
  /** Where F16 and BF16 weights are kept as F32; see `openFloat32Weights`. */
  readonly weights?: Pick<Float32Options, "cacheDirectory" | "verify" | "onProgress">;
  /** Takes one line for keys of config.json that are not known; without it, they are a warning of the process. */
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Opens a sentence encoder of the BERT family (`bert`, `distilbert`, `roberta`, `xlm-roberta`, `camembert`, `mpnet`).
 * Rows are those of sentence-transformers: its `modules.json`, pooling, normalisation, `max_seq_length`, lower-casing
 * and default prompt are followed.
 * @throws CheckpointError where config, weights or sentence-transformers' files are damaged or ask for something that
 *   is not supported. RangeError for `maxTokens` out of range
 */
export async function openSentenceEncoder(
  directory: string,
  options: SentenceEncoderOptions,
): Promise<SentenceEncoder> {
  const { tokenizer, signal } = options;
  const abort = signal ? { signal } : {};
  const layout = await readSentenceLayout(directory, options.pooling);
  const checkpoint = await openCheckpoint(layout.folder, abort);
  const file = `${checkpoint.directory}/config.json`;
  const context = { file, generationConfig: undefined, maxPositions: undefined };
  const config = parseEncoderConfig(checkpoint.config, context);
  const claimed = await claimWeights(checkpoint, bertWeights(config), { ignore: bertBuffers, ...abort });
  reportUnrecognised(file, config.unrecognisedKeys, options.onNotice);
  const maxTokens = options.maxTokens ?? layout.maxTokens ?? Math.min(config.maxPositions, tokenizerLimit(tokenizer));
  if (!(Number.isInteger(maxTokens) && maxTokens >= 1 && maxTokens <= config.maxPositions)) {
    const text = `found ${maxTokens}, expected an integer from 1 to the model's own ${config.maxPositions}`;
    if (options.maxTokens !== undefined) throw new RangeError(`maxTokens: ${text}`);
    throw new CheckpointError(`${layout.folder}/sentence_bert_config.json: max_seq_length: ${text}; pass maxTokens`);
  }
  const { pooling } = layout;
  const { normalise = layout.normalise } = options;
  const cut = truncatingTokenizer(tokenizer, maxTokens, config.vocabularySize);
  const prepare = (text: string) => layout.prompt + text;
  const tokenise = (text: string, index: number) =>
    cut(layout.lowerCase ? prepare(text).toLowerCase() : prepare(text), index);

  const stored = [...claimed.tensors.values()].map(({ name }) => name);
  const weights = await openFloat32Weights(checkpoint, { ...options.weights, tensors: stored, ...abort });
  const locations = new Map([...claimed.tensors].map(([name, tensor]) => [name, weights.tensor(tensor.name)] as const));
  const graph = sentenceGraph(config, (into, name) => declareWeight(into, name, locations.get(name)!), { normalise });
  const engine = options.engine ?? onnxRuntime();
  let session: Session;
  try {
    session = await engine.load(graph, abort);
  } catch (error) {
    if (!options.engine) await engine.dispose();
    throw error;
  }
  const { lowerCase, prompt } = layout;
  const decides = [weights.contentHash, hashConfig(config), tokenizerHash(tokenizer), pooling, normalise, maxTokens];
  return {
    width: config.hiddenSize,
    maxTokens,
    fingerprint: createHash("sha256")
      .update(JSON.stringify(["sentence encoder 1", ...decides, lowerCase, prompt]))
      .digest("hex"),
    encode: (texts, encodeOptions) =>
      encodeByLength(
        texts,
        config.hiddenSize,
        tokenise,
        async (ids, abortBatch) => {
          const { rows } = await session.run(
            sentenceFeeds(config, ids, pooling),
            abortBatch ? { signal: abortBatch } : {},
          );
          return rows!.data as Float32Array;
        },
        encodeOptions,
      ),
    dispose: async () => {
      await session.dispose();
      if (!options.engine) await engine.dispose();
    },
  };
}

/** What the graph takes for a batch: ids padded to the longest text, [B, T], padding masked. */
export function sentenceFeeds(config: EncoderConfig, ids: readonly (readonly number[])[], pooling: Pooling): Feeds {
  const { firstPosition, padTokenId } = config;
  const [B, T] = [ids.length, Math.max(...ids.map(({ length }) => length))];
  const tokens = new BigInt64Array(B * T).fill(BigInt(padTokenId));
  const positions = new BigInt64Array(B * T).fill(BigInt(firstPosition));
  const attentionBias = new Float32Array(B * T).fill(Number.NEGATIVE_INFINITY);
  const shares = new Float32Array(B * T);
  ids.forEach((text, b) => {
    let next = firstPosition;
    text.forEach((id, t) => {
      tokens[b * T + t] = BigInt(id);
      // Where positions begin after the padding token's, that token has its own row wherever it stands, and is not
      // counted.
      const padded = firstPosition > 0 && id === padTokenId;
      positions[b * T + t] = BigInt(padded ? padTokenId : next++);
      attentionBias[b * T + t] = 0;
    });
    for (let t = 0; t < text.length; t++) shares[b * T + t] = SHARES[pooling](t, text.length);
  });
  return {
    ids: { dtype: "int64", shape: [B, T], data: tokens },
    positions: { dtype: "int64", shape: [B, T], data: positions },
    attentionBias: { dtype: "float32", shape: [B, 1, 1, T], data: attentionBias },
    pooling: { dtype: "float32", shape: [B, T], data: shares },
  };
}

/** The share of position t of a text of n tokens in its row. */
const SHARES: Readonly<Record<Pooling, (t: number, n: number) => number>> = {
  mean: (_, n) => 1 / n,
  mean_sqrt_len_tokens: (_, n) => 1 / Math.sqrt(n),
  weightedmean: (t, n) => (t + 1) / ((n * (n + 1)) / 2),
  cls: (t) => (t === 0 ? 1 : 0),
  lasttoken: (t, n) => (t === n - 1 ? 1 : 0),
};
