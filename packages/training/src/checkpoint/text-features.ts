// What a model directory holds of its items' texts: the words that count, how much, and each item's row. Enough to
// embed the text of an item that comes later, and to find the items whose texts are like it.
import path from "node:path";
import { type TensorData, writeSafetensors } from "@cllm4rec/backbone";
import type { FeatureBlock, SparseFeatures, WordVocabulary } from "@cllm4rec/corpus";
import { checkFeatureBlocks } from "@cllm4rec/corpus/prompts";
import { z } from "zod";
import { reasonOf, TrainingError } from "../error.js";
import { cannotWrite, removeLeftovers } from "./atomic.js";
import { tensorsChecksum } from "./checksums.js";
import { readTensors } from "./read-tensors.js";

// Shape legend: J items, W words of a block.

/** What a block reads of an item. */
const READS = ["title", "text", "reviews"] as const;

/** Words of one kind of text: some columns of the features of a text map. */
export interface TextBlock extends WordVocabulary {
  /** As in training. */
  readonly name: string;
  readonly reads: (typeof READS)[number];
  /** What its values are multiplied by. */
  readonly weight: number;
  /** [J, W] the tf-idf weights of the model's items, without the weight. */
  readonly features: SparseFeatures;
}

/** The blocks of the features, in the order of their columns. */
export type TextBlocks = readonly TextBlock[];

/** The file in the model directory. */
export const TEXT_FEATURES = "text-features.safetensors";

const schema = z.strictObject({
  format: z.literal("cllm4rec-text-features"),
  version: z.literal(1),
  blocks: z
    .array(
      z.strictObject({
        name: z.string(),
        reads: z.enum(READS),
        weight: z.number().min(0),
        words: z.array(z.string()).min(1).readonly(),
      }),
    )
    .min(1),
});

/**
 * The blocks of features as a model directory keeps them: a block named `titles` reads an item's title, any other its
 * text, and one named `reviews` its reviews, unless it is the only one. Of reviews the rows are left out: an item that
 * comes later has none.
 * @returns `undefined` where some block is not of words, such as a sentence encoder's: a later text cannot be embedded
 *   then
 */
export function textBlocksOf(blocks: readonly FeatureBlock[]): TextBlocks | undefined {
  const found = blocks.flatMap((block): TextBlock[] => {
    if (!block.indptr || !isVocabulary(block)) return [];
    const { name, weight, words, idf, rows, columns, indptr, indices, values } = block;
    if (name === "reviews" && blocks.length > 1) {
      const none = { indptr: new Int32Array(rows + 1), indices: new Int32Array(0), values: new Float32Array(0) };
      return [{ name, reads: "reviews", weight, words, idf, features: { rows, columns, ...none } }];
    }
    const reads = name === "titles" ? "title" : "text";
    return [{ name, reads, weight, words, idf, features: { rows, columns, indptr, indices, values } }];
  });
  return found.length > 0 && found.length === blocks.length ? found : undefined;
}

function isVocabulary(block: FeatureBlock | (FeatureBlock & WordVocabulary)): block is FeatureBlock & WordVocabulary {
  return "words" in block && "idf" in block && block.words.length === block.columns;
}

/**
 * @param columns F, the features of the model's text map, where it has one
 * @throws TrainingError naming the directory and what does not fit the model
 */
export function checkTextBlocks(
  directory: string,
  blocks: TextBlocks,
  { items, columns }: { readonly items: number; readonly columns?: number | undefined },
): void {
  const file = path.join(directory, TEXT_FEATURES);
  for (const { name, words, idf, features } of blocks) {
    if (words.length !== features.columns || idf.length !== words.length || !idf.every(Number.isFinite)) {
      throw new TrainingError(
        `${file}: block ${JSON.stringify(name)}: found ${words.length} words, ${idf.length} frequencies and ` +
          `${features.columns} columns, expected as many of each`,
      );
    }
  }
  try {
    checkFeatureBlocks(
      blocks.map(({ name, weight, features }) => ({ name, weight, ...features })),
      items,
    );
  } catch (error) {
    throw new TrainingError(`${file}: ${reasonOf(error)}`, { cause: error });
  }
  const found = blocks.reduce((sum, { words }) => sum + words.length, 0);
  if (columns !== undefined && found !== columns)
    throw new TrainingError(`${file}: found ${found} words, expected ${columns}, the features of the text map`);
}

/**
 * Writes blocks that were checked; a file that holds the same already is left alone.
 * @returns name and checksum of the file
 * @throws TrainingError naming the file that cannot be written
 */
export async function writeTextBlocks(directory: string, blocks: TextBlocks): Promise<Record<string, string>> {
  const file = path.join(directory, TEXT_FEATURES);
  const description = JSON.stringify({
    format: "cllm4rec-text-features",
    version: 1,
    blocks: blocks.map(({ name, reads, weight, words }) => ({ name, reads, weight, words })),
  } satisfies z.infer<typeof schema>);
  const tensors: Record<string, TensorData> = {};
  for (const [b, { idf, features }] of blocks.entries()) {
    const { indptr, indices, values } = features;
    for (const [name, data] of Object.entries({ idf, indptr, indices, values }))
      tensors[`${b}.${name}`] = { shape: [data.length], data };
  }
  const checksum = tensorsChecksum(tensors, [description]);
  const same = await readTensors(file).then(
    (found) => tensorsChecksum(found.tensors, [found.metadata.description ?? ""]) === checksum,
    () => false,
  );
  if (!same) {
    try {
      await removeLeftovers(file);
      await writeSafetensors(file, tensors, { metadata: { description } });
    } catch (error) {
      throw cannotWrite(file, error);
    }
  }
  return { [TEXT_FEATURES]: checksum };
}

/**
 * Reads what {@link writeTextBlocks} wrote.
 * @param check compares the checksum found with the one of writing
 * @returns `undefined` where the model was written without
 * @throws TrainingError naming the file that is missing, damaged or of another version
 */
export async function readTextBlocks(
  directory: string,
  checksums: Readonly<Record<string, string>> | undefined,
  check: (file: string, found: string, expected: string) => void,
): Promise<TextBlocks | undefined> {
  const expected = checksums?.[TEXT_FEATURES];
  if (expected === undefined) return undefined;
  const file = path.join(directory, TEXT_FEATURES);
  const { tensors, metadata } = await readTensors(file);
  const { description = "", ...others } = metadata;
  check(file, tensorsChecksum(tensors, [description, ...Object.keys(others)]), expected);
  const parsed = schema.safeParse(JSON.parse(description));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TrainingError(`${file}: no text features of version 1: ${issue?.path.join(".")} ${issue?.message}`);
  }
  return parsed.data.blocks.map(({ words, ...block }, b): TextBlock => {
    const [idf, indptr, indices, values] = ["idf", "indptr", "indices", "values"].map(
      (name) => tensors[`${b}.${name}`]?.data,
    );
    const fits =
      idf instanceof Float64Array &&
      indptr instanceof Int32Array &&
      indices instanceof Int32Array &&
      values instanceof Float32Array;
    if (!fits) throw new TrainingError(`${file}: tensors of block ${b} are missing or of another dtype`);
    const features = { rows: indptr.length - 1, columns: words.length, indptr, indices, values };
    return { ...block, words, idf, features };
  });
}
