// A backbone with the tokenizer of its directory, both extended with users and items.
import fs from "node:fs/promises";
import path from "node:path";
import { Backbone, BaseModel, type HubProgress } from "@cllm4rec/backbone";
import { hashTokenizer } from "@cllm4rec/corpus/prompts";
import { type Engine, onnxRuntime } from "@cllm4rec/onnx-grad";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";

/** How a backbone is found and what computes. */
export interface BaseModelOptions {
  /** What runs the graphs; the caller disposes of it. Default: onnxruntime on the CPU. */
  readonly engine?: Engine;
  /** Threads of the default engine; default: as many as the process may use. */
  readonly threads?: number;
  /** Where a hub id is found and fetched to; default: the hub's own cache, as in Python. */
  readonly hubCache?: string;
  /** Where F16 and BF16 weights are kept as F32; default `~/.cache/cllm4rec`. */
  readonly weightsCache?: string;
  /** The longest prompt; default: what the backbone has positions for. */
  readonly maxLength?: number;
  /** Blocks in use; default: all. */
  readonly layers?: number;
  /** Progress of a download from the hub. */
  readonly onProgress?: (progress: HubProgress) => void;
  readonly signal?: AbortSignal;
}

/** A base model with its tokenizer. */
export interface OpenBaseModel {
  readonly model: BaseModel;
  readonly tokenizer: ExtendedTokenizer;
  /** What runs the model's graphs; it is the caller's, or disposed of with the model. */
  readonly engine: Engine;
  /** SHA-256 of the tokenizer's files, as parsed. */
  readonly tokenizerHash: string;
  /** How to find it again: an absolute path, or the hub id as it was given. */
  readonly reference: string;
  /** Disposes of everything but an engine of the caller's. */
  dispose(): Promise<void>;
}

/**
 * Opens a backbone by directory or hub id. If a later step fails, everything opened so far is closed.
 * @param sizes `width`: of the embeddings; the backbone's where absent or smaller
 * @throws CheckpointError, or Error naming a tokenizer's file, where one of them cannot be used
 */
export async function openBaseModel(
  name: string,
  sizes: { readonly users: number; readonly items: number; readonly width?: number },
  options: BaseModelOptions = {},
): Promise<OpenBaseModel> {
  const { maxLength, layers, signal, threads, hubCache, weightsCache, onProgress } = options;
  const engine = options.engine ?? onnxRuntime(threads === undefined ? {} : { threads });
  const closers: (() => Promise<void>)[] = options.engine ? [] : [() => engine.dispose()];
  const dispose = async () => {
    const errors: unknown[] = [];
    for (const close of closers.splice(0).reverse()) await close().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  };
  try {
    const backbone = await Backbone.open(name, {
      engine,
      ...(signal && { signal }),
      ...(maxLength !== undefined && { maxPositions: maxLength }),
      ...(layers !== undefined && { layers }),
      ...(weightsCache !== undefined && { weights: { cacheDirectory: weightsCache } }),
      hub: { ...(hubCache !== undefined && { hubCacheDirectory: hubCache }), ...(onProgress && { onProgress }) },
    });
    closers.push(() => backbone.dispose());
    const { tokenizer: base, json, config } = await loadTokenizer(backbone.directory);
    const { users, items, width = 0 } = sizes;
    const { vocabularySize: rows, hiddenSize } = backbone.config;
    const tokenizer = new ExtendedTokenizer({ tokenizer: base, rows, users, items });
    const model = new BaseModel(backbone, { users, items, width: Math.max(width, hiddenSize) });
    closers.push(() => model.dispose());
    const isDirectory = await fs.stat(name).then(
      (found) => found.isDirectory(),
      () => false,
    );
    return {
      model,
      tokenizer,
      engine,
      tokenizerHash: hashTokenizer(json, config),
      reference: isDirectory ? path.resolve(name) : name,
      dispose,
    };
  } catch (error) {
    await dispose().catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}
