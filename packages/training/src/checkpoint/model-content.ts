// What a model directory holds beside its tables: raw ids, item titles, users' histories and features of texts. Each is
// checked before it is written and after it was read.
import fs from "node:fs/promises";
import path from "node:path";
import { type TensorData, writeSafetensors } from "@cllm4rec/backbone";
import { z } from "zod";
import { reasonOf, TrainingError } from "../error.js";
import { cannotWrite, removeLeftovers, writeTextAtomically } from "./atomic.js";
import { tensorsChecksum, textChecksum } from "./checksums.js";
import { readTensors } from "./read-tensors.js";
import { checkTextBlocks, readTextBlocks, TEXT_FEATURES, type TextBlocks, writeTextBlocks } from "./text-features.js";

// Shape legend: I users, J items, n interactions of a split.

/** The input's own ids by index: user u is `users[u]`. */
export interface RawIds {
  readonly users: readonly string[];
  readonly items: readonly string[];
}

/** A binary users × items matrix in compressed sparse rows, [I, J]; `Csr` of `@cllm4rec/corpus` is one. */
export interface UserItems {
  /** I */
  readonly rows: number;
  /** J */
  readonly columns: number;
  /** [I + 1]: the items of user u are `indices[indptr[u] … indptr[u + 1] − 1]`. */
  readonly indptr: Int32Array;
  /** [n] */
  readonly indices: Int32Array;
}

/** The parts of a split, in the order in which a history unites them. */
export const HISTORY_SPLITS = ["train", "validation", "test"] as const;
export type HistorySplit = (typeof HISTORY_SPLITS)[number];

/** What users are known to have, by split. A split that is absent is unknown; one that is there may be empty. */
export type Histories = Readonly<Partial<Record<HistorySplit, UserItems>>>;

/** Raw ids, titles and histories: what prediction needs beside the tables, so that it does not need the dataset. */
export interface ModelContent {
  readonly ids?: RawIds | undefined;
  /** [J], `null` where an item has none. */
  readonly titles?: readonly (string | null)[] | undefined;
  readonly histories?: Histories | undefined;
  /** The words of the items' texts, by which items are added after training. */
  readonly textFeatures?: TextBlocks | undefined;
}

/** The content among other properties, such as those of a stage's `output`. */
export function contentOf({ ids, titles, histories, textFeatures }: ModelContent): ModelContent {
  return {
    ...(ids && { ids }),
    ...(titles && { titles }),
    ...(histories && { histories }),
    ...(textFeatures && { textFeatures }),
  };
}

interface Sizes {
  readonly users: number;
  readonly items: number;
  /** Of the text map, where there is one. */
  readonly textFeatures?: number | undefined;
}

const USERS = "users.json";
const ITEMS = "items.json";
const TITLES = "titles.json";
const HISTORIES = "histories.safetensors";

/**
 * Checks content against a model's sizes.
 * @throws TrainingError naming the directory and what does not fit: a number of ids or titles, an id that occurs twice,
 *   or a row of histories
 */
export function checkContent(
  directory: string,
  { ids, titles, histories, textFeatures }: ModelContent,
  { users, items, textFeatures: columns }: Sizes,
): void {
  if (ids && (ids.users.length !== users || ids.items.length !== items)) {
    throw new TrainingError(
      `${directory}: found ids of ${ids.users.length} users and ${ids.items.length} items, expected ${users} and ` +
        `${items}`,
    );
  }
  if (ids) {
    checkDistinct(path.join(directory, USERS), "user", ids.users);
    checkDistinct(path.join(directory, ITEMS), "item", ids.items);
  }
  if (titles && titles.length !== items)
    throw new TrainingError(`${directory}: found titles of ${titles.length} items, expected ${items}`);
  if (histories) checkHistories(path.join(directory, HISTORIES), histories, { users, items });
  if (textFeatures) checkTextBlocks(directory, textFeatures, { items, columns });
}

/**
 * Writes content that was checked, and returns the checksum of each file. A file that holds the same already is left
 * alone.
 * @throws TrainingError naming the file that cannot be written
 */
export async function writeContent(
  directory: string,
  { ids, titles, histories, textFeatures }: ModelContent,
): Promise<Record<string, string>> {
  const checksums: Record<string, string> = {};
  const texts = [
    [USERS, ids?.users],
    [ITEMS, ids?.items],
    [TITLES, titles],
  ] as const;
  for (const [name, content] of texts) {
    if (!content) continue;
    const [file, text] = [path.join(directory, name), JSON.stringify(content)];
    checksums[name] = textChecksum(text);
    if ((await fs.readFile(file, "utf8").catch(() => undefined)) !== text) await writeTextAtomically(file, text);
  }
  if (histories) {
    const file = path.join(directory, HISTORIES);
    const tensors = tensorsOf(histories);
    const checksum = tensorsChecksum(tensors);
    checksums[HISTORIES] = checksum;
    const same = await readTensors(file).then(
      (found) => tensorsChecksum(found.tensors) === checksum,
      () => false,
    );
    if (!same) {
      try {
        await removeLeftovers(file);
        await writeSafetensors(file, tensors);
      } catch (error) {
        throw cannotWrite(file, error);
      }
    }
  }
  return { ...checksums, ...(textFeatures && (await writeTextBlocks(directory, textFeatures))) };
}

/**
 * Reads the content whose checksums are given; without any (a model of the first version) the ids that are there.
 * @throws TrainingError naming the file, and what of it is not as it was written
 */
export async function readContent(
  directory: string,
  checksums: Readonly<Record<string, string>> | undefined,
  sizes: Sizes,
): Promise<ModelContent> {
  const known = [USERS, ITEMS, TITLES, HISTORIES, TEXT_FEATURES];
  const unknown = Object.keys(checksums ?? {}).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new TrainingError(
      `${directory}: the model names ${JSON.stringify(unknown)}, which this version does not know`,
    );
  }
  const read = async <T>(name: string, values: z.ZodType<T>, count: number): Promise<T[] | undefined> =>
    checksums && checksums[name] === undefined
      ? undefined
      : readArray(path.join(directory, name), values, count, checksums?.[name]);
  const [users, items] = [await read(USERS, z.string(), sizes.users), await read(ITEMS, z.string(), sizes.items)];
  const titles = checksums?.[TITLES] === undefined ? undefined : await read(TITLES, z.string().nullable(), sizes.items);
  const histories = checksums?.[HISTORIES] === undefined ? undefined : await readHistories(directory, checksums, sizes);
  const textFeatures = await readTextBlocks(directory, checksums, checkChecksum);
  const content: ModelContent = {
    ...(users && items && { ids: { users, items } }),
    ...(titles && { titles }),
    ...(histories && { histories }),
    ...(textFeatures && { textFeatures }),
  };
  checkContent(directory, content, sizes);
  return content;
}

async function readArray<T>(
  file: string,
  values: z.ZodType<T>,
  count: number,
  checksum: string | undefined,
): Promise<T[] | undefined> {
  let text: string;
  try {
    text = await fs.readFile(file, "utf8");
  } catch (error) {
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (absent && checksum === undefined) return undefined;
    const reason = absent ? "no such file, and the model was written with it" : `cannot be read: ${reasonOf(error)}`;
    throw new TrainingError(`${file}: ${reason}`, { cause: error });
  }
  const parsed = z.array(values).length(count).safeParse(parseJson(text));
  if (!parsed.success) {
    throw new TrainingError(`${file}: expected a JSON array of ${count} strings; the file is damaged`);
  }
  if (checksum !== undefined) checkChecksum(file, textChecksum(text), checksum);
  return parsed.data;
}

async function readHistories(
  directory: string,
  checksums: Readonly<Record<string, string>>,
  { users, items }: Sizes,
): Promise<Histories> {
  const file = path.join(directory, HISTORIES);
  const { tensors } = await readTensors(file);
  checkChecksum(file, tensorsChecksum(tensors), checksums[HISTORIES]!);
  const histories: Partial<Record<HistorySplit, UserItems>> = {};
  for (const split of HISTORY_SPLITS) {
    const [indptr, indices] = [tensors[`${split}.indptr`]?.data, tensors[`${split}.indices`]?.data];
    if (indptr instanceof Int32Array && indices instanceof Int32Array)
      histories[split] = { rows: users, columns: items, indptr, indices };
  }
  return histories;
}

/** @throws TrainingError where the content differs from what was written */
export function checkChecksum(file: string, found: string, expected: string): void {
  if (found === expected) return;
  throw new TrainingError(
    `${file}: found checksum ${found.slice(0, 12)}…, expected ${expected.slice(0, 12)}…; ` +
      "the file was changed or damaged since the model was written: copy the model directory again, or train it again",
  );
}

function tensorsOf(histories: Histories): Record<string, TensorData> {
  const tensors: Record<string, TensorData> = {};
  for (const split of HISTORY_SPLITS) {
    const matrix = histories[split];
    if (!matrix) continue;
    tensors[`${split}.indptr`] = { shape: [matrix.indptr.length], data: matrix.indptr };
    tensors[`${split}.indices`] = { shape: [matrix.indices.length], data: matrix.indices };
  }
  return tensors;
}

function checkDistinct(file: string, kind: string, ids: readonly string[]): void {
  const rows = new Map<string, number>();
  for (const [row, id] of ids.entries()) {
    const before = rows.get(id);
    if (before !== undefined) {
      throw new TrainingError(
        `${file}: ${kind} id ${JSON.stringify(id)} occurs twice, in rows ${before} and ${row}; expected distinct ids`,
      );
    }
    rows.set(id, row);
  }
}

/** No item twice for one user, in all splits together. */
function checkHistories(file: string, histories: Histories, { users, items }: Sizes): void {
  const seenBy = new Int32Array(items).fill(-1);
  const matrices = HISTORY_SPLITS.flatMap((split) => {
    const matrix = histories[split];
    if (!matrix) return [];
    const { indptr, indices } = matrix;
    if (indptr.length !== users + 1 || indptr[0] !== 0 || indptr[users] !== indices.length) {
      throw new TrainingError(
        `${file}: ${split}.indptr: expected ${users + 1} offsets from 0 to ${indices.length}, the number of ` +
          `${split}.indices`,
      );
    }
    return [{ split, indptr, indices }];
  });
  for (let user = 0; user < users; user++) {
    for (const { split, indptr, indices } of matrices) {
      const [from, to] = [indptr[user]!, indptr[user + 1]!];
      if (from > to || to > indices.length)
        throw new TrainingError(`${file}: ${split}.indptr falls after user ${user}`);
      for (let at = from; at < to; at++) {
        const item = indices[at]!;
        if (item < 0 || item >= items) {
          throw new TrainingError(
            `${file}: ${split}: user ${user} has item ${item}, expected 0 … ${items - 1}, the model's items`,
          );
        }
        if (seenBy[item] === user)
          throw new TrainingError(`${file}: ${split}: user ${user} has item ${item} twice; expected each item once`);
        seenBy[item] = user;
      }
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
