// A trained model as a folder: config.json, embeddings.safetensors, the raw ids of users and items, and training-state/.
// embeddings.safetensors is the commit point: it holds the description too, so that tables and description can never be of two runs.
import fs from "node:fs/promises";
import path from "node:path";
import { type SoftTables, type TensorData, writeSafetensors } from "@cllm4rec/backbone";
import { z } from "zod";
import { reasonOf, TrainingError } from "../error.js";
import type { TokenTables } from "../tables/tables.js";
import { cannotWrite, removeLeftovers, writeTextAtomically } from "./atomic.js";
import { type CheckpointStore, checkpointFile } from "./checkpoint.js";
import { float32, readTensors } from "./read-tensors.js";

// Shape legend: I users, J items, K width.

const count = z.number().int().positive();
const description = z.strictObject({
  format: z.literal("cllm4rec-model"),
  version: z.literal(1),
  /** What the tables were trained on. Models of earlier versions have no `configHash`; see `Backbone.difference`. */
  backbone: z.strictObject({ id: z.string(), contentHash: z.string(), configHash: z.string().optional() }),
  sizes: z.strictObject({ words: count, users: count, items: count, width: count }),
  /** The stage that wrote the tables, e.g. `pretrain` or `finetune`. */
  stage: z.string(),
  /** Prompts and hyper-parameters. */
  settings: z.record(z.string(), z.json()),
  /** Metrics by name, on what the stage says it validated on. */
  metrics: z.record(z.string(), z.number()).optional(),
});

/** What `config.json` says of a model. */
export type ModelDescription = z.infer<typeof description>;

/** The input's own ids by index: user u is `users[u]`. */
export interface RawIds {
  readonly users: readonly string[];
  readonly items: readonly string[];
}

export interface SavedModel {
  readonly description: ModelDescription;
  readonly tables: TokenTables;
  /** Absent where none were saved. */
  readonly ids?: RawIds;
}

const EMBEDDINGS = "embeddings.safetensors";
const SIDES = ["collaborative", "content"] as const;

/** The training state of a stage inside a model directory: `training-state/STAGE.safetensors`. */
export function stageCheckpoint(directory: string, stage: string): CheckpointStore {
  return checkpointFile(path.join(directory, "training-state", `${stage}.safetensors`));
}

/**
 * Writes a model. The ids go first, then embeddings.safetensors in one step, then config.json, which is the same description for people
 * to read; {@link readModel} reads the copy inside embeddings.safetensors.
 * @throws TrainingError naming the file; a model that was there before is then still readable
 */
export async function writeModel(directory: string, { description: said, tables, ids }: SavedModel): Promise<void> {
  const { users, items, width } = said.sizes;
  const tensors: Record<string, TensorData> = {};
  for (const side of SIDES) {
    const soft = tables[side];
    if (!soft) continue;
    tensors[`${side}.user`] = { shape: [users, width], data: soft.users.data };
    tensors[`${side}.item`] = { shape: [items, width], data: soft.items.data };
  }
  if (ids && (ids.users.length !== users || ids.items.length !== items)) {
    throw new TrainingError(
      `${directory}: found ids of ${ids.users.length} users and ${ids.items.length} items, expected ${users} and ${items}`,
    );
  }
  const file = path.join(directory, EMBEDDINGS);
  try {
    await fs.mkdir(directory, { recursive: true });
  } catch (error) {
    throw cannotWrite(directory, error);
  }
  if (ids) {
    await writeTextAtomically(path.join(directory, "users.json"), JSON.stringify(ids.users));
    await writeTextAtomically(path.join(directory, "items.json"), JSON.stringify(ids.items));
  }
  try {
    await removeLeftovers(file);
    await writeSafetensors(file, tensors, { metadata: { description: JSON.stringify(said) } });
  } catch (error) {
    throw cannotWrite(file, error);
  }
  await writeTextAtomically(path.join(directory, "config.json"), `${JSON.stringify(said, null, 2)}\n`);
}

/**
 * Reads what {@link writeModel} wrote.
 * @throws TrainingError naming the file and what is wrong with it: absent, damaged, of another format, or tables that do not fit the sizes
 */
export async function readModel(directory: string): Promise<SavedModel> {
  const file = path.join(directory, EMBEDDINGS);
  const { tensors, metadata } = await readTensors(file);
  let json: unknown;
  try {
    json = JSON.parse(metadata.description ?? "null");
  } catch (error) {
    throw new TrainingError(`${file}: the description is not JSON (${reasonOf(error)}); the file is damaged`);
  }
  const parsed = description.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TrainingError(
      `${file}: no cllm4rec model of version 1: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
    );
  }
  const { users, items, width } = parsed.data.sizes;
  const side = (name: (typeof SIDES)[number]): SoftTables => ({
    users: { rows: users, data: float32(file, tensors, `${name}.user`, [users, width]).data },
    items: { rows: items, data: float32(file, tensors, `${name}.item`, [items, width]).data },
  });
  const names = new Set(Object.keys(tensors));
  const tables: TokenTables = {
    collaborative: side("collaborative"),
    ...(names.has("content.user") || names.has("content.item") ? { content: side("content") } : {}),
  };
  for (const name of SIDES) for (const kind of ["user", "item"]) names.delete(`${name}.${kind}`);
  if (names.size > 0) throw new TrainingError(`${file}: unknown tensors ${[...names].join(", ")}`);
  const [userIds, itemIds] = [await readIds(directory, "users", users), await readIds(directory, "items", items)];
  return {
    description: parsed.data,
    tables,
    ...(userIds && itemIds ? { ids: { users: userIds, items: itemIds } } : {}),
  };
}

async function readIds(directory: string, kind: "users" | "items", expected: number): Promise<string[] | undefined> {
  const file = path.join(directory, `${kind}.json`);
  let text: string;
  try {
    text = await fs.readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new TrainingError(`${file}: cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const parsed = z.array(z.string()).length(expected).safeParse(parseJson(text));
  if (!parsed.success)
    throw new TrainingError(`${file}: expected a JSON array of ${expected} strings; the file is damaged`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
