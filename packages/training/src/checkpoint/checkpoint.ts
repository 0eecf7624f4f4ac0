// The state of a run in one file: tables, optimiser moments and a JSON state together, so that one rename commits all
// of it.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { readSafetensorsHeader, type TensorData, writeSafetensors } from "@cllm4rec/backbone";
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
const ALGORITHM = "sha256";

/**
 * Keeps checkpoints in one safetensors file whose metadata holds the JSON state. Each is written beside the last one,
 * flushed to the disk, and renamed over it: a process that is killed at any moment, a full disk or a lost permission
 * leave the last one whole.
 * The folder is made if it is absent. One run at a time may write to a file. The metadata also hold a SHA-256 of state
 * and tensors, which
 * `load` verifies; files of earlier versions have none, and load without.
 */
export function checkpointFile(file: string): CheckpointStore {
  return {
    name: file,
    async save({ state, tensors }) {
      try {
        await fs.mkdir(path.dirname(file), { recursive: true });
        await removeLeftovers(file);
        const text = JSON.stringify(state);
        const metadata = { format: FORMAT, state: text, [ALGORITHM]: checksum(text, tensors) };
        await writeSafetensors(file, tensors, { metadata });
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
      const expected = metadata[ALGORITHM];
      if (expected !== undefined && checksum(metadata.state, tensors) !== expected) {
        throw new TrainingError(
          `${file}: the checksum does not fit the content; the file is damaged. Restore it from a copy, or remove ` +
            "it to start again",
        );
      }
      return { state: parseState(file, metadata.state), tensors };
    },
  };
}

/** The updates that a training state holds, from its header alone; 0 where there is none that can be read. */
export async function savedUpdates(file: string): Promise<number> {
  const header = await readSafetensorsHeader(file).catch(() => undefined);
  if (header?.metadata.state === undefined) return 0;
  const { loop } = parseState(file, header.metadata.state);
  const updates = isJsonRecord(loop ?? null) ? (loop as JsonRecord).updates : undefined;
  const counts = updates !== undefined && isJsonRecord(updates) ? Object.values(updates) : [];
  return counts.reduce<number>((sum, count) => sum + (typeof count === "number" ? count : 0), 0);
}

/** SHA-256 (hex) of the state and of every tensor's name, shape and bytes, in the order of names. */
function checksum(state: string, tensors: Readonly<Record<string, TensorData>>): string {
  const digest = createHash(ALGORITHM).update(state);
  for (const name of Object.keys(tensors).sort()) {
    const { shape, data } = tensors[name]!;
    digest.update(`\0${name}[${shape.join()}]`);
    digest.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return digest.digest("hex");
}

function parseState(file: string, text: string): JsonRecord {
  try {
    const state: unknown = JSON.parse(text);
    if (isJsonRecord(state)) return state;
  } catch {
    // Reported below, as is JSON that is not an object.
  }
  throw new TrainingError(`${file}: the state is not a JSON object; the file is damaged`);
}

/** JSON.parse yields nothing but JSON, so being an object is all there is to check. */
export function isJsonRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
