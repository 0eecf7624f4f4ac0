// A Hugging Face model directory, opened and checked: its config.json and where each tensor's bytes lie. Reads headers
// only. One model.safetensors, or shards with model.safetensors.index.json; nothing that needs a pickle.
import fs from "node:fs/promises";
import path from "node:path";
import { CheckpointError, didYouMean, errorCode, reasonOf, shown } from "./errors.js";
import { isJsonObject, type JsonObject, readJsonObject } from "./json.js";
import { readSafetensorsHeader, type SafetensorsHeader, type TensorLocation } from "./safetensors.js";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const MAX_INDEX_BYTES = 64 * 1024 * 1024;

/** An opened model directory. Immutable; holds no open files. */
export class BackboneCheckpoint {
  /** Absolute path of the directory. */
  readonly directory: string;
  /** `config.json` as parsed JSON; see `parseConfig`. */
  readonly config: JsonObject;
  /** `generation_config.json`, where there is one: it overrides the token ids of `config.json` for generation. */
  readonly generationConfig: JsonObject | undefined;
  /** The headers of the safetensors files, in the order of their file names. */
  readonly files: readonly SafetensorsHeader[];
  /** Every tensor of every file, by name. */
  readonly tensors: ReadonlyMap<string, TensorLocation>;

  /** @internal Use {@link openCheckpoint}. */
  constructor(parts: Pick<BackboneCheckpoint, "directory" | "config" | "generationConfig" | "files" | "tensors">) {
    this.directory = parts.directory;
    this.config = parts.config;
    this.generationConfig = parts.generationConfig;
    this.files = parts.files;
    this.tensors = parts.tensors;
  }

  /**
   * Where the tensor `name` is stored.
   * @throws CheckpointError when the checkpoint has no such tensor, with the closest name that it has
   */
  tensor(name: string): TensorLocation {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor;
    throw new CheckpointError(`${this.directory}: no tensor ${shown(name)}${didYouMean(name, this.tensors.keys())}`);
  }
}

/**
 * Opens a Hugging Face model directory.
 *
 * Takes `model.safetensors`, or, where there is none, the shards that `model.safetensors.index.json` names (the order
 * in which transformers looks). Only headers are read; see `openFloat32Weights` for the values. File paths in the
 * result are resolved through symbolic links, as the links of the hub's cache are refused by onnxruntime.
 *
 * @param directory a local folder; `resolveModel` turns a hub id into one
 * @throws CheckpointError when the folder, `config.json` or the weights are missing or damaged (see
 * `readSafetensorsHeader`), when index and shards disagree about a tensor, when the index names a file outside the
 * folder, or when there are only weights in another format
 */
export async function openCheckpoint(
  directory: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<BackboneCheckpoint> {
  const folder = path.resolve(directory);
  const names = await listFolder(folder);
  const config = await readJsonObject(path.join(folder, "config.json"));
  if (!config) {
    throw new CheckpointError(
      `${folder}: no config.json; expected a Hugging Face model directory (config.json and ${SINGLE})`,
    );
  }
  const generationConfig = await readJsonObject(path.join(folder, "generation_config.json"));
  let files: SafetensorsHeader[];
  if (names.includes(SINGLE)) files = [await readResolved(path.join(folder, SINGLE))];
  else if (names.includes(INDEX)) files = await readShards(folder, signal);
  else throw noWeights(folder, names);
  const tensors = new Map(files.flatMap((file) => [...file.tensors]));
  return new BackboneCheckpoint({ directory: folder, config, generationConfig, files, tensors });
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(folder)).sort();
  } catch (error) {
    const code = errorCode(error);
    const reason = code === "ENOENT" ? "no such directory" : code === "ENOTDIR" ? "not a directory" : reasonOf(error);
    throw new CheckpointError(`${folder}: ${reason}; expected a Hugging Face model directory`);
  }
}

function noWeights(folder: string, names: readonly string[]): CheckpointError {
  const pickles = names.filter((name) => /\.(bin|pt|pth)$/.test(name));
  if (pickles.length > 0) {
    return new CheckpointError(
      `${folder}: the weights are there only as ${pickles[0]}, a pickle, which can run code when it is read and ` +
        `is not supported; expected ${SINGLE}. Next: take a revision of the model that has safetensors files, or ` +
        "convert it once in Python with transformers: AutoModelForCausalLM (for T5 " +
        "AutoModelForSeq2SeqLM).from_pretrained(dir).save_pretrained(dir, safe_serialization=True)",
    );
  }
  const others = names.filter((name) => /\.(gguf|h5|msgpack|onnx|safetensors)$/.test(name));
  const found = others.length > 0 ? `found ${others.slice(0, 5).join(", ")}` : "found no weights in any format";
  return new CheckpointError(`${folder}: ${found}; expected ${SINGLE}, or shards with ${INDEX}`);
}

/** Reads a header under the file's real path, so that the engine can be given a folder that really holds it. */
async function readResolved(file: string): Promise<SafetensorsHeader> {
  let real: string;
  try {
    real = await fs.realpath(file);
  } catch (error) {
    const reason = errorCode(error) === "ENOENT" ? "no such file (a link without a target?)" : reasonOf(error);
    throw new CheckpointError(`${file}: ${reason}; download the model again`);
  }
  return readSafetensorsHeader(real);
}

async function readShards(folder: string, signal: AbortSignal | undefined): Promise<SafetensorsHeader[]> {
  const indexFile = path.join(folder, INDEX);
  const index = await readJsonObject(indexFile, MAX_INDEX_BYTES);
  const weightMap = index?.weight_map;
  if (!isJsonObject(weightMap))
    throw new CheckpointError(`${indexFile}: "weight_map" is missing or not an object; download or write it again`);
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== "string" || !isInside(shard)) {
      throw new CheckpointError(
        `${indexFile}: tensor ${shown(name)} is mapped to ${shown(shard)}, expected the name of a ` +
          ".safetensors file inside the model directory",
      );
    }
    shardOf.set(name, shard);
  }
  if (shardOf.size === 0)
    throw new CheckpointError(`${indexFile}: "weight_map" names no tensor; download or write it again`);

  const headers: SafetensorsHeader[] = [];
  const missing = new Set(shardOf.keys());
  for (const shard of [...new Set(shardOf.values())].sort()) {
    signal?.throwIfAborted();
    const header = await readResolved(path.join(folder, shard));
    for (const name of header.tensors.keys()) {
      const expected = shardOf.get(name);
      if (expected !== shard) {
        const says = expected === undefined ? "does not know it" : `says it is in ${expected}`;
        throw new CheckpointError(
          `${path.join(folder, shard)}: holds tensor ${shown(name)}, but ${INDEX} ${says}; download both again`,
        );
      }
      missing.delete(name);
    }
    headers.push(header);
  }
  for (const name of missing) {
    throw new CheckpointError(
      `${indexFile}: says that ${shardOf.get(name)} holds tensor ${shown(name)}, but it does not; download both again`,
    );
  }
  return headers;
}

/** Whether `shard` names a safetensors file inside the folder, on any platform. */
function isInside(shard: string): boolean {
  const segments = shard.split(/[/\\]/);
  return (
    shard.endsWith(".safetensors") &&
    !/[\0:]/.test(shard) &&
    segments.every((segment) => segment !== "" && segment !== "." && segment !== "..")
  );
}
