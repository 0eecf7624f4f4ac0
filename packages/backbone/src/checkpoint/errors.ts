// The one error class of this folder: what is wrong with a checkpoint, where, and what to do next.
// Callers that want to tell a bad model from a bug test `instanceof CheckpointError`.
import { closest } from "fastest-levenshtein";

/**
 * A checkpoint, its cache or its download cannot be used. The message names the file (or model), the tensor or field, the value
 * found, the value expected and the next step. Nothing has been mapped, and no file left half-written, when this is thrown.
 */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** `error` as text, whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The operating system's code (`ENOENT`, `ENOSPC` …) of an error from `node:fs`, if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}

/** `; did you mean "x"?` for the name in `known` nearest to `name`, or an empty string when there is none. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const names = [...known];
  return names.length === 0 ? "" : `; the closest name is "${closest(name, names)}"`;
}
