// What training makes of the backbone's atomic files: texts in one step, and errors that say what a run does next.
import path from "node:path";
import { CheckpointError, removeLeftovers as removeLeftoversIn, writeAtomically } from "@cllm4rec/backbone";
import { reasonOf, TrainingError } from "../error.js";

/**
 * Replaces `file` by `text` in one step, after removing what killed processes left of it.
 * @throws TrainingError naming the file; what it held before is untouched
 */
export async function writeTextAtomically(file: string, text: string): Promise<void> {
  await removeLeftovers(file);
  await writeAtomically(file, (handle) => handle.writeFile(text)).catch((error: unknown) => {
    throw cannotWrite(file, error);
  });
}

/**
 * The reason is given once, whether it comes from the file system or {@link writeAtomically} has already named the
 * file.
 */
export function cannotWrite(file: string, error: unknown): TrainingError {
  const reason = error instanceof CheckpointError && error.cause !== undefined ? error.cause : error;
  return new TrainingError(
    `${file}: cannot be written: ${reasonOf(reason)}. What was saved before is untouched: free space or grant ` +
      "access, then run the same command again to resume.",
    { cause: error },
  );
}

/** Removes temporary files of `file` that killed processes left behind. */
export function removeLeftovers(file: string): Promise<void> {
  return removeLeftoversIn(path.dirname(file), path.basename(file));
}
