// Small files of this program in one step, in folders that are made where they are not there.
import fs from "node:fs/promises";
import path from "node:path";
import { CheckpointError, removeLeftovers, writeAtomically } from "@cllm4rec/backbone";
import { TrainingError } from "@cllm4rec/training";
import { reasonOf } from "../errors.js";

/**
 * Replaces the file, so that a reader sees the old content or the new, after removing what killed processes left of it.
 * @throws TrainingError naming the file
 */
export async function writeWhole(file: string, text: string): Promise<void> {
  try {
    const folder = path.dirname(file);
    await fs.mkdir(folder, { recursive: true });
    await removeLeftovers(folder, path.basename(file));
    await writeAtomically(file, (handle) => handle.writeFile(text));
  } catch (error) {
    throw cannotWrite(file, error);
  }
}

/** The reason is given once, also where {@link writeAtomically} has named the file. */
export function cannotWrite(file: string, error: unknown): TrainingError {
  const reason = error instanceof CheckpointError && error.cause !== undefined ? error.cause : error;
  return new TrainingError(`${file}: cannot be written (${reasonOf(reason)}); make room, or choose another --out`, {
    cause: error,
  });
}
