// Strict JSON: what JSON.parse accepts, less duplicate keys and deep nesting; and the bounded reading of small JSON
// files. A key that occurs twice is how two readers are made to see two different checkpoints in one file.
import fs from "node:fs/promises";
import { CheckpointError, errorCode, reasonOf, shown } from "./errors.js";

/** A JSON object as parsed: values still to be checked. */
export type JsonObject = { readonly [key: string]: unknown };

/** Whether `value` is a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/**
 * Parses `text` as JSON, refusing duplicate keys and nesting deeper than `maxDepth`.
 *
 * @param onNumber is shown every number as it is written, with the key of the outermost object that it lies under; it
 * may throw (JSON.parse would turn `-0`, `2.0` and `1e3` into integers).
 * @throws Error with the reason alone; the caller adds the file.
 */
export function parseStrictJson(
  text: string,
  { maxDepth = 64, onNumber }: { maxDepth?: number; onNumber?: (token: string, topKey: string) => void } = {},
): unknown {
  // A single pass over the tokens. It need not reject everything that is not JSON: JSON.parse below does.
  const open: (Set<string> | null)[] = []; // the keys seen so far of each open object; null for an array
  let keyNext = false;
  let topKey = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"') {
      const start = i;
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
      const keys = open.at(-1);
      if (keyNext && keys) {
        const key: unknown = JSON.parse(text.slice(start, i + 1));
        if (typeof key === "string") {
          if (keys.has(key)) throw new Error(`the key ${shown(key)} occurs twice`);
          keys.add(key);
          if (open.length === 1) topKey = key;
        }
        keyNext = false;
      }
    } else if (c === "{" || c === "[") {
      if (open.length === maxDepth) throw new Error(`nested more than ${maxDepth} levels deep`);
      open.push(c === "{" ? new Set() : null);
      keyNext = c === "{";
    } else if (c === "}" || c === "]") {
      open.pop();
      keyNext = false;
    } else if (c === ",") {
      keyNext = open.at(-1) instanceof Set;
    } else if (onNumber && (c === "-" || (c >= "0" && c <= "9"))) {
      NUMBER.lastIndex = i;
      const token = NUMBER.exec(text)?.[0] ?? c;
      onNumber(token, topKey);
      i += token.length - 1;
    }
  }
  const value: unknown = JSON.parse(text);
  return value;
}

/**
 * Reads a JSON file that must hold one object, at most `maxBytes` long.
 *
 * @returns `undefined` when there is no such file
 * @throws CheckpointError when the file cannot be read, is too large, not UTF-8, not JSON, or not an object
 */
export async function readJsonObject(file: string, maxBytes = 16 * 1024 * 1024): Promise<JsonObject | undefined> {
  let bytes: Uint8Array;
  try {
    const stat = await fs.stat(file);
    if (!stat.isFile()) throw new Error("not a regular file");
    if (stat.size > maxBytes) throw new Error(`${stat.size} bytes long, expected at most ${maxBytes}`);
    bytes = await fs.readFile(file);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new CheckpointError(`${file}: cannot be read: ${reasonOf(error)}`);
  }
  let value: unknown;
  try {
    value = parseStrictJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new CheckpointError(`${file}: not valid JSON (${reasonOf(error)}); download or write the file again`);
  }
  if (!isJsonObject(value)) {
    throw new CheckpointError(
      `${file}: holds ${value === null ? "null" : Array.isArray(value) ? "an array" : typeof value}, expected a ` +
        "JSON object",
    );
  }
  return value;
}
