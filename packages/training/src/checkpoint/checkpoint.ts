// Where a run stands, in one file: tables, optimiser moments and a JSON state together, so that one rename commits all of it.
import fs from "node:fs/promises";
import path from "node:path";
import { type TensorData, writeSafetensors } from "@cllm4rec/backbone";
import { reasonOf, TrainingError } from "../error.js";
import { cannotWrite, removeLeftovers } from "./atomic.js";
import { readTensors } from "./read-tensors.js";

/** Plain JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonRecord = { readonly [key: string]: Json };

export interface Checkpoint {
  readonly state: JsonRecord;
  readonly tensors: Readonly<Record<string, TensorData>>;
}

/** Where checkpoints are kept; {@link checkpointFile} is the one for disks. */
export interface CheckpointStore {
  /** What a person would look for: the file's path. */
  readonly name: string;
  /** Replaces what was saved, wholly or not at all. */
  save(checkpoint: Checkpoint): Promise<void>;
  /** The last checkpoint that was saved wholly, or `undefined`. */
  load(): Promise<Checkpoint | undefined>;
}

const FORMAT = "cllm4rec-training-state";

/**
 * Keeps checkpoints in one safetensors file whose metadata holds the JSON state. Each is written beside the last one, flushed to the
 * disk, and renamed over it: a process that is killed at any moment, a full disk or a lost permission leave the last one whole.
 * The folder is made if it is absent. One run at a time may write to a file.
 */
export function checkpointFile(file: string): CheckpointStore {
  return {
    name: file,
    async save({ state, tensors }) {
      try {
        await fs.mkdir(path.dirname(file), { recursive: true });
        await removeLeftovers(file);
        await writeSafetensors(file, tensors, { metadata: { format: FORMAT, state: JSON.stringify(state) } });
      } catch (error) {
        throw cannotWrite(file, error);
      }
    },
    async load() {
      const exists = await fs.stat(file).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
          throw new TrainingError(`${file}: cannot be read: ${reasonOf(error)}`, { cause: error });
        },
      );
      if (!exists) return undefined;
      const { tensors, metadata } = await readTensors(file);
      if (metadata.format !== FORMAT || metadata.state === undefined) {
        throw new TrainingError(
          `${file}: found format ${metadata.format ?? "none"}, expected ${FORMAT}; this is no training state`,
        );
      }
      return { state: parseState(file, metadata.state), tensors };
    },
  };
}

function parseState(file: string, text: string): JsonRecord {
  try {
    const state: unknown = JSON.parse(text);
    if (isJsonRecord(state)) return state;
  } catch {
    // Said below: what is not JSON is as unusable as what is no object.
  }
  throw new TrainingError(`${file}: the state is not a JSON object; the file is damaged`);
}

/** JSON.parse yields nothing but JSON, so being an object is all there is to check. */
export function isJsonRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
