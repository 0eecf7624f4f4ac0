// Autoregressive generation of words after a soft+hard prompt, one token at a time, over cached keys and values.
import type { Session, Tensor } from "@cllm4rec/onnx-grad";
import { packBatch, type Vocabulary } from "../model/batch.js";
import type { EncoderDecoderSequence, SoftTables } from "../model/documents.js";
import type { LanguageModel } from "../model/language-model.js";
import { cacheNames } from "./graph.js";
import { type SamplingOptions, sampler } from "./sampling.js";

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate; as many as the backbone has positions for where absent. */
  readonly maxTokens?: number;
  /**
   * Generation ends at any of these, which is not part of the result; the config's end-of-sequence tokens where absent.
   */
  readonly stopTokens?: readonly number[];
  readonly signal?: AbortSignal;
}

/** What generation runs: the graph of a step, and for an encoder–decoder that of the prompt. */
export interface GenerationSessions {
  readonly step: Session;
  readonly memory?: Session;
}

/** Yields vocabulary tokens after the prompt; see `BaseModel.generate`. */
export async function* generateTokens(
  sessions: GenerationSessions,
  backbone: LanguageModel,
  vocabulary: Vocabulary,
  sequence: ArrayLike<number> | EncoderDecoderSequence,
  tables: SoftTables,
  options: GenerateOptions,
): AsyncGenerator<number, void, undefined> {
  const { config } = backbone;
  const run = options.signal ? { signal: options.signal } : {};
  const hasEncoder = "encoderIds" in sequence;
  const prompt = hasEncoder ? sequence.decoderIds : sequence;
  let memory: Record<string, Tensor> = {};
  if (hasEncoder && sessions.memory) {
    const { segments: _, ...feeds } = packBatch([sequence.encoderIds], vocabulary, tables, 1).feeds;
    memory = await sessions.memory.run(feeds, run);
  }
  const room = config.maxPositions - prompt.length;
  const maxTokens = Math.min(options.maxTokens ?? room, room);
  const stop = new Set(options.stopTokens ?? config.eosTokenIds);
  const choose = sampler(options);
  let cache = emptyCache(backbone);
  let next: ArrayLike<number> = prompt;
  let position = 0;
  for (let count = 0; count < maxTokens; count++) {
    const { segments: _, ...feeds } = packBatch([next], vocabulary, tables, 1).feeds;
    const positions = BigInt64Array.from({ length: next.length }, (_, t) => BigInt(position + t));
    const step = { ...feeds, ...cache, ...memory, positions: { ...feeds.positions, data: positions } };
    const outputs = await sessions.step.run(step, run);
    const token = choose(outputs.logits!.data as Float32Array);
    if (stop.has(token)) return;
    yield token;
    position += next.length;
    next = [token];
    cache = renamePresent(config.layers, outputs);
  }
}

function emptyCache(backbone: LanguageModel): Record<string, Tensor> {
  const { layers, headSize } = backbone.config;
  const empty: Tensor = {
    dtype: "float32",
    shape: [1, backbone.keyValueHeads, 0, headSize],
    data: new Float32Array(0),
  };
  return Object.fromEntries(
    Array.from({ length: layers }, (_, layer) =>
      cacheNames("past", layer).map((name) => [name, empty] as const),
    ).flat(),
  );
}

/** What a step puts out as present is the past of the next. */
function renamePresent(layers: number, outputs: Record<string, Tensor>): Record<string, Tensor> {
  const cache: Record<string, Tensor> = {};
  for (let layer = 0; layer < layers; layer++) {
    const present = cacheNames("present", layer);
    cacheNames("past", layer).forEach((name, i) => {
      cache[name] = outputs[present[i]!]!;
    });
  }
  return cache;
}
