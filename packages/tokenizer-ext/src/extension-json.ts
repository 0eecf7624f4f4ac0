// The small JSON file that is kept beside the base tokenizer's own files: sizes, and which tokenizer they belong to.
import { checkSizes, type IdSpaceSizes } from "./id-space.js";

/** Name of the file beside `tokenizer.json`. */
export const EXTENSION_FILE = "tokenizer_extension.json";

const FORMAT = "cllm4rec-tokenizer-extension";

/** What `ExtendedTokenizer.toJSON` writes and `ExtendedTokenizer.fromJSON` reads. */
export interface ExtensionJson extends IdSpaceSizes {
  readonly format: typeof FORMAT;
  readonly version: 1;
  /** The base tokenizer's checksum and its largest id + 1, so that sizes are never applied to another tokenizer. */
  readonly base: { readonly pieces: number; readonly checksum: string };
}

export function makeExtensionJson(sizes: IdSpaceSizes, base: ExtensionJson["base"]): ExtensionJson {
  return { format: FORMAT, version: 1, rows: sizes.rows, users: sizes.users, items: sizes.items, base };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(field: string, found: unknown, expected: string): Error {
  return new Error(
    `tokenizer extension: ${field} is ${JSON.stringify(found) ?? "missing"}, expected ${expected}. Was the file ` +
      "written by ExtendedTokenizer.toJSON?",
  );
}

function readNumber(record: Record<string, unknown>, field: string): number {
  const value = record[field];
  if (typeof value !== "number") throw wrong(field, value, "a number");
  return value;
}

/** Checks a parsed file. Throws an Error naming the field, the value found and the value expected. */
export function readExtensionJson(json: unknown): ExtensionJson {
  if (!isRecord(json)) throw wrong("the top level", json, "an object");
  if (json.format !== FORMAT) throw wrong("format", json.format, JSON.stringify(FORMAT));
  if (json.version !== 1)
    throw wrong("version", json.version, "1 (a newer file needs a newer release of this package)");
  const sizes = { rows: readNumber(json, "rows"), users: readNumber(json, "users"), items: readNumber(json, "items") };
  checkSizes(sizes);
  if (!isRecord(json.base)) throw wrong("base", json.base, "an object with pieces and checksum");
  const { checksum } = json.base;
  if (typeof checksum !== "string") throw wrong("base.checksum", checksum, "a string");
  return makeExtensionJson(sizes, { pieces: readNumber(json.base, "pieces"), checksum });
}
