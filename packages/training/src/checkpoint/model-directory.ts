// A trained model as a folder: config.json, embeddings.safetensors, raw ids, titles, histories, and training-state/.
// embeddings.safetensors is the commit point: it holds the description and the checksums of everything else, so that
// tables and description can never be of two runs.
import fs from "node:fs/promises";
import path from "node:path";
import { type SoftTables, type TensorData, writeSafetensors } from "@cllm4rec/backbone";
import { z } from "zod";
import { reasonOf, TrainingError } from "../error.js";
import { firstNotFinite } from "../tables/finite.js";
import type { TokenTables } from "../tables/tables.js";
import { cannotWrite, removeLeftovers, writeTextAtomically } from "./atomic.js";
import { type CheckpointStore, checkpointFile } from "./checkpoint.js";
import { tensorsChecksum } from "./checksums.js";
import {
  checkChecksum,
  checkContent,
  type ModelContent,
  type RawIds,
  readContent,
  writeContent,
} from "./model-content.js";
import { float32, readTensors } from "./read-tensors.js";

// Shape legend: I users, J items, K width.

const count = z.number().int().positive();
const descriptionSchema = z.strictObject({
  format: z.literal("cllm4rec-model"),
  version: z.literal(1),
  /** What the tables were trained on. */
  backbone: z.strictObject({
    id: z.string(),
    /** SHA-256 of the weights. */
    contentHash: z.string(),
    /**
     * SHA-256 of what config.json says about the computation; absent in models of earlier versions. See
     * `Backbone.difference`.
     */
    configHash: z.string().optional(),
  }),
  sizes: z.strictObject({ words: count, users: count, items: count, width: count }),
  /** The stage that wrote the tables, e.g. `pretrain` or `finetune`. */
  stage: z.string(),
  /** Prompts and hyper-parameters. */
  settings: z.record(z.string(), z.json()),
  /** Metrics by name, on what the stage says it validated on. */
  metrics: z.record(z.string(), z.number()).optional(),
});

/** What `config.json` says of a model. */
export type ModelDescription = z.infer<typeof descriptionSchema>;

export type { RawIds };

/** A model directory's content. Ids, titles and histories are absent where none were saved. */
export interface SavedModel extends ModelContent {
  readonly description: ModelDescription;
  readonly tables: TokenTables;
}

/** Beside the description in embeddings.safetensors; models of the first version have none. */
const checksumsSchema = z.strictObject({
  /** Of the tables and the description: {@link tensorsChecksum}. */
  tensors: z.string(),
  /** By file name. */
  files: z.record(z.string(), z.string()),
});

const EMBEDDINGS = "embeddings.safetensors";
const SIDES = ["collaborative", "content"] as const;
/** W, [F, K]. */
const TEXT_MAP = "text-map.item";

/** The training state of a stage inside a model directory: `training-state/STAGE.safetensors`. */
export function stageCheckpoint(directory: string, stage: string): CheckpointStore {
  return checkpointFile(path.join(directory, "training-state", `${stage}.safetensors`));
}

/**
 * Writes a model. Ids, titles and histories go first, then embeddings.safetensors in one step, with the checksums of
 * all of them, then config.json, which is the same description for people to read; {@link readModel} reads the copy
 * inside embeddings.safetensors. Everything is checked before anything is written.
 * @throws TrainingError naming the file, or the table and row that is not finite; a model that was there before is then
 *   still readable
 */
export async function writeModel(directory: string, { description, tables, ...content }: SavedModel): Promise<void> {
  const { users, items, width } = description.sizes;
  const tensors: Record<string, TensorData> = {};
  const file = path.join(directory, EMBEDDINGS);
  for (const side of SIDES) {
    const soft = tables[side];
    if (!soft) continue;
    tensors[`${side}.user`] = { shape: [users, width], data: soft.users.data };
    tensors[`${side}.item`] = { shape: [items, width], data: soft.items.data };
    if (soft.skipGain) tensors[`${side}.skipGain`] = { shape: [width], data: soft.skipGain };
  }
  if (tables.textMap) tensors[TEXT_MAP] = { shape: [tables.textMap.rows, width], data: tables.textMap.data };
  checkContent(directory, content, { ...description.sizes, textFeatures: tables.textMap?.rows });
  checkFinite(file, tensors, content);
  try {
    await fs.mkdir(directory, { recursive: true });
  } catch (error) {
    throw cannotWrite(directory, error);
  }
  const text = JSON.stringify(description);
  const files = await writeContent(directory, content);
  const checksums = JSON.stringify({ tensors: tensorsChecksum(tensors, [text, JSON.stringify(files)]), files });
  try {
    await removeLeftovers(file);
    await writeSafetensors(file, tensors, { metadata: { description: text, checksums } });
  } catch (error) {
    throw cannotWrite(file, error);
  }
  await writeTextAtomically(path.join(directory, "config.json"), `${JSON.stringify(description, null, 2)}\n`);
}

/**
 * Reads what {@link writeModel} wrote, and compares it with its checksums. A model of the first version, which has no
 * checksums, is read without.
 * @throws TrainingError naming the file and what is wrong with it: absent, damaged, changed since it was written, of
 *   another format, tables that do not fit the sizes, a row that is not finite, or an id that occurs twice
 */
export async function readModel(directory: string): Promise<SavedModel> {
  const file = path.join(directory, EMBEDDINGS);
  const { tensors, metadata } = await readTensors(file);
  const description = parseDescription(file, metadata.description);
  const { users, items, width } = description.sizes;
  const side = (name: (typeof SIDES)[number]): SoftTables => ({
    users: { rows: users, data: float32(file, tensors, `${name}.user`, [users, width]).data },
    items: { rows: items, data: float32(file, tensors, `${name}.item`, [items, width]).data },
    ...(`${name}.skipGain` in tensors && { skipGain: float32(file, tensors, `${name}.skipGain`, [width]).data }),
  });
  const names = new Set(Object.keys(tensors));
  const textFeatures = tensors[TEXT_MAP]?.shape[0];
  const tables: TokenTables = {
    collaborative: side("collaborative"),
    ...(names.has("content.user") || names.has("content.item") ? { content: side("content") } : {}),
    ...(textFeatures !== undefined && {
      textMap: { rows: textFeatures, data: float32(file, tensors, TEXT_MAP, [textFeatures, width]).data },
    }),
  };
  for (const name of SIDES) for (const kind of ["user", "item", "skipGain"]) names.delete(`${name}.${kind}`);
  names.delete(TEXT_MAP);
  if (names.size > 0) throw new TrainingError(`${file}: unknown tensors ${[...names].join(", ")}`);
  const other = Object.keys(metadata).find((key) => key !== "description" && key !== "checksums");
  if (other !== undefined)
    throw new TrainingError(`${file}: unknown metadata ${JSON.stringify(other)}; the file is damaged`);
  const checksums = metadata.checksums === undefined ? undefined : parseChecksums(file, metadata.checksums);
  if (checksums) {
    const found = tensorsChecksum(tensors, [metadata.description!, JSON.stringify(checksums.files)]);
    checkChecksum(file, found, checksums.tensors);
  }
  const content = await readContent(directory, checksums?.files, { ...description.sizes, textFeatures });
  checkFinite(file, tensors, content);
  return { description, tables, ...content };
}

function parseDescription(file: string, text: string | undefined): ModelDescription {
  let json: unknown;
  try {
    json = JSON.parse(text ?? "null");
  } catch (error) {
    throw new TrainingError(`${file}: the description is not JSON (${reasonOf(error)}); the file is damaged`);
  }
  const parsed = descriptionSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TrainingError(
    `${file}: no cllm4rec model of version 1: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
  );
}

function parseChecksums(file: string, text: string): z.infer<typeof checksumsSchema> {
  try {
    return checksumsSchema.parse(JSON.parse(text));
  } catch {
    throw new TrainingError(`${file}: the checksums cannot be read; the file is damaged`);
  }
}

/** @throws TrainingError naming the first row with a number that is not finite */
function checkFinite(file: string, tensors: Readonly<Record<string, TensorData>>, { ids }: ModelContent): void {
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    if (!(data instanceof Float32Array)) continue;
    const at = firstNotFinite(data);
    if (at < 0) continue;
    const row = Math.floor(at / (shape[1] ?? shape[0]!));
    const id = (name.endsWith(".user") ? ids?.users : ids?.items)?.[row];
    const whose = id === undefined ? "" : ` (${JSON.stringify(id)})`;
    throw new TrainingError(
      `${file}: tensor ${name}, row ${row}${whose}: found ${data[at]}, expected finite numbers; the training ` +
        "diverged or the file is damaged",
    );
  }
}
