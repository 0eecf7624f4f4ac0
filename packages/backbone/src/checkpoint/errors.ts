// The one error class of this folder: what is wrong with a checkpoint, where, and what to do next.
// Callers that want to tell a bad model from a bug test `instanceof CheckpointError`.
import { closest, distance } from "fastest-levenshtein";

/**
 * A checkpoint, its cache or its download cannot be used. The message names the file (or model), the tensor or field,
 * the value found, the value expected and the next step. Nothing has been mapped, and no file left half-written, when
 * this is thrown.
 */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";

  /**
   * @param message on one line
   * @param list further lines where several things are wrong at once
   */
  constructor(message: string, list: readonly string[] = [], options?: ErrorOptions) {
    // Names and values come from files that anybody may have made; a terminal would obey their control characters.
    super([message, ...list].map(printable).join("\n"), options);
  }
}

// Control characters (C0, DEL, C1), line and paragraph separators, and what changes the direction of writing.
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** `text` on one line and without characters that a terminal would obey: each becomes its escape `\uXXXX`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** `error` as text on one line, whatever was thrown. JSON.parse, for one, quotes the file. */
export function reasonOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

/** The operating system's code (`ENOENT`, `ENOSPC` …) of an error from `node:fs`, if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}

/**
 * Names longer than this are in no architecture; comparing them would take time that grows with the square of their
 * length.
 */
const LONGEST_NAME = 300;
/** Nor has any so many. */
const MOST_NAMES = 20_000;

/**
 * `; the closest name is "x"` for the name in `known` that is meant, or an empty string where none is near: the same
 * name with another prefix, or one that differs in a third of its characters at most.
 */
export function didYouMean(name: string, known: Iterable<string>): string {
  if (name.length > LONGEST_NAME) return "";
  const names = [...known].filter((each) => each.length <= LONGEST_NAME);
  if (names.length === 0 || names.length > MOST_NAMES) return "";
  const prefixed = names.find((each) => each.endsWith(`.${name}`) || name.endsWith(`.${each}`));
  const near = prefixed ?? closest(name, names);
  const allowed = Math.max(1, Math.floor(Math.max(name.length, near.length) / 3));
  return prefixed || distance(name, near) <= allowed ? `; the closest name is ${shown(near)}` : "";
}

/** A value from a file as JSON for a message: on one line, printable, and cut where it is long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return printable(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** A shape for a message. */
export function shownShape(shape: readonly number[]): string {
  return `[${shape.slice(0, 10).join(", ")}${shape.length > 10 ? ", …" : ""}]`;
}
