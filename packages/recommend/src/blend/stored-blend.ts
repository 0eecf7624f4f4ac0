// A blend in a model directory: blend.safetensors with its description, blend.json for people, and members/ with
// further models.
import fs from "node:fs/promises";
import path from "node:path";
import { type HistoryScorer, type LinearScorer, type SparseRows, sparseScorer } from "@cllm4rec/eval";
import {
  modelChecksum,
  readDescribedTensors,
  removeDescribedTensors,
  writeDescribedTensors,
  writeModel,
} from "@cllm4rec/training/model";
import { z } from "zod";
import type { TrainedModel } from "../directory/trained-model.js";
import { RecommendError } from "../error.js";
import type { BlendMember } from "./mixer.js";

// Shape legend: J items.

const NAME = "blend";
const MEMBERS = "members";

const memberSchema = z.strictObject({
  name: z.string(),
  weight: z.number().min(0),
  alone: z.record(z.string(), z.number()),
  contribution: z.number(),
  /** Where its scores come from: the model of the directory, a model below members/, or the tensors of this index. */
  source: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("own") }),
    z.strictObject({ kind: z.literal("model"), directory: z.string(), checksum: z.string() }),
    z.strictObject({ kind: z.literal("linear") }),
    z.strictObject({ kind: z.literal("constant") }),
  ]),
});

const schema = z.strictObject({
  format: z.literal("cllm4rec-blend"),
  version: z.literal(1),
  /** Checksum of the model that the weights were learned with. */
  model: z.string(),
  /** J */
  items: z.number().int().positive(),
  /** How scores are brought to one scale. */
  scale: z.literal("z-score over all items"),
  /** Of the blend, on the validation items. */
  metrics: z.record(z.string(), z.number()),
  members: z.array(memberSchema).min(1),
});

type Description = z.infer<typeof schema>;

/** A member with what is stored of it. */
export type StoredMember = BlendMember & {
  readonly source:
    | { readonly kind: "own" }
    /** Another model; where it is opened, its directory. */
    | { readonly kind: "model"; readonly directory: string }
    | { readonly kind: "linear"; readonly weights: SparseRows }
    /** The same scores for everyone, [J]. */
    | { readonly kind: "constant"; readonly scores: Float32Array };
};

export interface StoredBlend {
  /** J */
  readonly items: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly members: readonly StoredMember[];
}

/** What {@link writeBlend} takes: of further models, what is to be copied. */
export interface BlendToWrite extends Omit<StoredBlend, "members"> {
  readonly members: readonly (BlendMember & {
    readonly source:
      | Exclude<StoredMember["source"], { readonly kind: "model" }>
      | { readonly kind: "model"; readonly model: TrainedModel };
  })[];
}

/**
 * Adds a blend to a model directory, in place of the one that was there: first the further models, then
 * blend.safetensors in one step. Members without a weight are listed, and nothing else is stored of them.
 * @throws TrainingError naming the file that cannot be written; a blend that was there before still works then
 */
export async function writeBlend(directory: string, { items, metrics, members }: BlendToWrite): Promise<void> {
  const model = await modelChecksum(directory);
  const tensors: Record<string, { shape: number[]; data: Int32Array | Float32Array }> = {};
  const described: Description["members"] = [];
  const copies: string[] = [];
  for (const [m, { source, ...member }] of members.entries()) {
    const { name, weight, alone, contribution } = member;
    const common = { name, weight, alone: { ...alone }, contribution };
    if (source.kind === "model" && weight > 0) {
      // Named by content: the blend that is there stays whole until the new one is.
      const copy = `${MEMBERS}/${(await modelChecksum(source.model.directory)).slice(0, 16)}`;
      const { directory: _, serving: __, prompts: ___, titles: ____, histories: _____, ...needed } = source.model;
      await writeModel(path.join(directory, copy), needed);
      copies.push(path.basename(copy));
      const checksum = await modelChecksum(path.join(directory, copy));
      described.push({ ...common, source: { kind: "model", directory: copy, checksum } });
      continue;
    }
    if (source.kind === "model") {
      described.push({ ...common, source: { kind: "model", directory: "", checksum: "" } });
      continue;
    }
    if (weight > 0 && source.kind === "linear") {
      const { indptr, indices, values } = source.weights;
      tensors[`${m}.indptr`] = { shape: [indptr.length], data: indptr };
      tensors[`${m}.indices`] = { shape: [indices.length], data: indices };
      tensors[`${m}.values`] = { shape: [values.length], data: values };
    }
    if (weight > 0 && source.kind === "constant")
      tensors[`${m}.scores`] = { shape: [source.scores.length], data: source.scores };
    described.push({ ...common, source: { kind: source.kind } });
  }
  const description: Description = {
    format: "cllm4rec-blend",
    version: 1,
    model,
    items,
    scale: "z-score over all items",
    metrics: { ...metrics },
    members: described,
  };
  await writeDescribedTensors(directory, NAME, { description, tensors });
  await removeOtherCopies(directory, copies);
}

/** Removes the blend of a model directory, if there is one. */
export async function removeBlend(directory: string): Promise<void> {
  await removeDescribedTensors(directory, NAME);
  await removeOtherCopies(directory, []);
}

/**
 * The blend of a model directory; `undefined` where there is none, and where the model was trained again since, which
 * is reported.
 * @throws TrainingError for a file that is damaged; RecommendError for a blend of another version
 */
export async function readBlend(
  directory: string,
  onNotice?: (message: string) => void,
): Promise<StoredBlend | undefined> {
  const stored = await readDescribedTensors(directory, NAME);
  if (!stored) return undefined;
  const file = path.join(directory, `${NAME}.safetensors`);
  const parsed = schema.safeParse(stored.description);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new RecommendError(
      `${file}: no blend of version 1: ${issue?.path.join(".")} ${issue?.message}; make it again with cllm4rec blend`,
    );
  }
  const { items, metrics, model, members } = parsed.data;
  if (model !== (await modelChecksum(directory))) {
    onNotice?.(
      `${directory}: the model was trained again after its blend was made, so the model answers alone; ` +
        "make the blend again with cllm4rec blend",
    );
    return undefined;
  }
  const { tensors } = stored;
  const opened = await Promise.all(
    members.map(async ({ source, ...member }, m): Promise<StoredMember> => {
      const { weight } = member;
      if (source.kind === "own") return { ...member, source: { kind: "own" } };
      if (source.kind === "model") {
        const copy = path.join(directory, source.directory);
        if (weight > 0) await checkCopy(copy, source.checksum);
        return { ...member, source: { kind: "model", directory: copy } };
      }
      if (source.kind === "constant") {
        const scores = weight > 0 ? tensors[`${m}.scores`]?.data : new Float32Array(items);
        if (!(scores instanceof Float32Array) || scores.length !== items) throw damaged(file, `${m}.scores`);
        return { ...member, source: { kind: "constant", scores } };
      }
      const weights = weight > 0 ? sparseRows(file, items, m, tensors) : emptyRows(items);
      return { ...member, source: { kind: "linear", weights } };
    }),
  );
  return { items, metrics, members: opened };
}

/** What scores by a member that is no model. */
export function scorerOf({ name, source }: StoredMember): HistoryScorer | LinearScorer | undefined {
  if (source.kind === "linear") return sparseScorer(name, source.weights);
  return source.kind === "constant" ? constantScorer(name, source.scores) : undefined;
}

/** The same scores for every history. */
export function constantScorer(name: string, scores: Float32Array): HistoryScorer {
  return {
    name,
    items: scores.length,
    scores({ indptr }) {
      const rows = indptr.length - 1;
      const repeated = new Float32Array(rows * scores.length);
      for (let b = 0; b < rows; b++) repeated.set(scores, b * scores.length);
      return repeated;
    },
  };
}

function sparseRows(
  file: string,
  items: number,
  m: number,
  tensors: Readonly<Record<string, { readonly data: unknown }>>,
): SparseRows {
  const [indptr, indices, values] = ["indptr", "indices", "values"].map((part) => tensors[`${m}.${part}`]?.data);
  if (!(indptr instanceof Int32Array && indices instanceof Int32Array && values instanceof Float32Array))
    throw damaged(file, `${m}.indptr, ${m}.indices and ${m}.values`);
  const fits =
    indptr.length === items + 1 &&
    indptr[0] === 0 &&
    indptr.every((start, row) => row === 0 || start >= indptr[row - 1]!) &&
    indptr[items] === indices.length &&
    indices.length === values.length &&
    indices.every((column) => column >= 0 && column < items) &&
    values.every(Number.isFinite);
  if (!fits) throw damaged(file, `the weights ${m}`);
  return { rows: items, columns: items, indptr, indices, values };
}

const emptyRows = (items: number): SparseRows => ({
  rows: items,
  columns: items,
  indptr: new Int32Array(items + 1),
  indices: new Int32Array(0),
  values: new Float32Array(0),
});

const damaged = (file: string, what: string) =>
  new RecommendError(`${file}: ${what} are missing or do not fit the items; make the blend again with cllm4rec blend`);

async function checkCopy(directory: string, checksum: string): Promise<void> {
  if ((await modelChecksum(directory)) === checksum) return;
  throw new RecommendError(
    `${directory}: found another model than the blend was made with; ` +
      "copy the model directory again, or make the blend again with cllm4rec blend",
  );
}

/** Copies of models that no blend needs any more. */
async function removeOtherCopies(directory: string, needed: readonly string[]): Promise<void> {
  const folder = path.join(directory, MEMBERS);
  const found = await fs.readdir(folder).catch((): string[] => []);
  for (const name of found)
    if (!needed.includes(name)) await fs.rm(path.join(folder, name), { recursive: true, force: true });
  if (needed.length === 0) await fs.rm(folder, { recursive: true, force: true });
}
