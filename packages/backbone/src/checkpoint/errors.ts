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

/** Names longer than this are in no architecture; comparing them would take time that grows with the square of their length. */
const LONGEST_NAME = 300;

/** `; the closest name is "x"` for the name in `known` nearest to `name`, or an empty string when there is none. */
export function didYouMean(name: string, known: Iterable<string>): string {
  if (name.length > LONGEST_NAME) return "";
  const names = [...known].filter((each) => each.length <= LONGEST_NAME);
  return names.length === 0 ? "" : `; the closest name is ${shown(closest(name, names))}`;
}

/** A value from a file as JSON for a message: on one line, and cut where it is long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** A shape for a message. */
export function shownShape(shape: readonly number[]): string {
  return `[${shape.slice(0, 10).join(", ")}${shape.length > 10 ? ", …" : ""}]`;
}
