// The one error class of training: what was found, where, what was expected, what to do next.

/** Thrown for settings, files and numbers that training cannot use; the message is for the person who runs it. */
export class TrainingError extends Error {
  override name = "TrainingError";
}

/** Thrown where a loss or a gradient is not finite: by the settings, not by files or data. */
export class DivergedError extends TrainingError {}

/** The text of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
