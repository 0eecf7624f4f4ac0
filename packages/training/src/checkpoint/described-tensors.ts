// Tensors with a description, as two files of a model directory: NAME.safetensors, which holds both and a checksum of
// them, and NAME.json, the same description for people to read.
import fs from "node:fs/promises";
import path from "node:path";
import { readSafetensorsHeader, type TensorData, writeSafetensors } from "@cllm4rec/backbone";
import { z } from "zod";
import { reasonOf, TrainingError } from "../error.js";
import { cannotWrite, removeLeftovers, writeTextAtomically } from "./atomic.js";
import { tensorsChecksum } from "./checksums.js";
import { checkChecksum } from "./model-content.js";
import { readTensors } from "./read-tensors.js";

/** Tensors by name, and their description. */
export interface DescribedTensors {
  /** JSON. */
  readonly description: unknown;
  readonly tensors: Readonly<Record<string, TensorData>>;
}

const files = (directory: string, name: string) => ({
  tensors: path.join(directory, `${name}.safetensors`),
  json: path.join(directory, `${name}.json`),
});

/**
 * Writes `NAME.safetensors` in one step, then `NAME.json`. What was there before stays until then.
 * @throws TrainingError naming the file that cannot be written
 */
export async function writeDescribedTensors(
  directory: string,
  name: string,
  { description, tensors }: DescribedTensors,
): Promise<void> {
  const { tensors: file, json } = files(directory, name);
  const text = JSON.stringify(description);
  try {
    await removeLeftovers(file);
    const checksum = tensorsChecksum(tensors, [text]);
    await writeSafetensors(file, tensors, { metadata: { description: text, checksum } });
  } catch (error) {
    throw cannotWrite(file, error);
  }
  await writeTextAtomically(json, `${JSON.stringify(description, null, 2)}\n`);
}

/**
 * Reads what {@link writeDescribedTensors} wrote; `undefined` where there is none.
 * @throws TrainingError naming the file that is damaged or was changed
 */
export async function readDescribedTensors(directory: string, name: string): Promise<DescribedTensors | undefined> {
  const { tensors: file } = files(directory, name);
  if (!(await exists(file))) return undefined;
  const { tensors, metadata } = await readTensors(file);
  const { description: text = "", checksum = "" } = metadata;
  checkChecksum(file, tensorsChecksum(tensors, [text]), checksum);
  try {
    return { description: JSON.parse(text), tensors };
  } catch (error) {
    throw new TrainingError(`${file}: the description is not JSON (${reasonOf(error)}); the file is damaged`);
  }
}

/** Removes both files; none need be there. @throws TrainingError naming the file that cannot be removed */
export async function removeDescribedTensors(directory: string, name: string): Promise<void> {
  for (const file of Object.values(files(directory, name))) {
    await fs.rm(file, { force: true }).catch((error: unknown) => {
      throw new TrainingError(`${file}: cannot be removed: ${reasonOf(error)}`, { cause: error });
    });
  }
}

const recorded = z.looseObject({ tensors: z.string() });

/**
 * The checksum of a model's tables, description and content: another one where anything of the model changed. Reads the
 * head of the file.
 * @throws TrainingError for a file that is missing or damaged
 */
export async function modelChecksum(directory: string): Promise<string> {
  const file = path.join(directory, "embeddings.safetensors");
  const { metadata } = await readSafetensorsHeader(file).catch((error: unknown) => {
    throw new TrainingError(`${file}: cannot be read: ${reasonOf(error)}`, { cause: error });
  });
  if (metadata.checksums !== undefined) {
    const parsed = recorded.safeParse(JSON.parse(metadata.checksums));
    if (parsed.success) return parsed.data.tensors;
    throw new TrainingError(`${file}: the checksums cannot be read; the file is damaged`);
  }
  // A model of the first version has none.
  const { tensors } = await readTensors(file);
  return tensorsChecksum(tensors, [metadata.description ?? ""]);
}

const exists = (file: string): Promise<boolean> =>
  fs.access(file).then(
    () => true,
    () => false,
  );
