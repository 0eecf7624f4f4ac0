// All readers, the choice among them, and the first look at a file that the choice is made by.
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError, CorpusUsageError, reasonOf } from "../errors.js";
import { amazon2014, amazon2018, amazon2023 } from "./amazon.js";
import { csv, genericReader, json, jsonl, parquet, tsv } from "./generic.js";
import { looseObject } from "./json-lines.js";
import { splitStart } from "./json-stream.js";
import { lightgcn } from "./lightgcn.js";
import { foreignKind } from "./magic.js";
import { MATRIX_FILES } from "./matrices.js";
import { movielens } from "./movielens.js";
import { FORMATS, type FormatName, type MetaColumns, type Probe, type Reader } from "./reader.js";
import { recbole } from "./recbole.js";
import { s3rec, sequencesJson } from "./sequences.js";
import { type Encoding, MAX_LINE_BYTES, openSource, plainName, type SourceFile, streamLines } from "./source.js";
import { yelp } from "./yelp.js";

/** In the order in which they are asked: the particular before the general. */
export const READERS: readonly Reader[] = [
  parquet,
  recbole,
  sequencesJson,
  amazon2023,
  amazon2018,
  amazon2014,
  yelp,
  movielens,
  s3rec,
  lightgcn,
  tsv,
  csv,
  jsonl,
  json,
];

/** What each format is, for help texts. */
export const FORMAT_DESCRIPTIONS: Readonly<Record<FormatName, string>> = Object.fromEntries([
  ...READERS.map(({ format, about }) => [format, about]),
  ["matrices", `a folder with ${Object.values(MATRIX_FILES).join(", ")} (scipy CSR); its split is kept`],
]);

/** @throws CorpusUsageError on a name that is none. */
export function checkFormat(name: string): FormatName {
  const known = FORMATS.find((format) => format === name);
  if (known === undefined) {
    throw new CorpusUsageError(`unknown format ${JSON.stringify(name)}: one of ${FORMATS.join(", ")} is expected`);
  }
  return known;
}

const PROBED_LINES = 20;
const PROBED_BYTES = 256 * 1024;
/** Of a zstd file, which only DuckDB unpacks, as many lines show what an object over several lines is. */
const PROBED_ZSTD_LINES = 2000;

/** Reads the start of a file. @throws CorpusError if it cannot be read, or is of a kind that no reader reads. */
export async function probeFile(engine: Engine, file: string, encoding: Encoding = "utf-8"): Promise<Probe> {
  if (!fs.existsSync(file)) throw new CorpusError(`${file} does not exist`);
  const source = openSource(file, encoding);
  const name = plainName(file);
  const bytes = readStart(file);
  const parquetFile = bytes.subarray(0, 4).toString("latin1") === "PAR1";
  refuseForeign(file, name, bytes);
  const start = parquetFile ? "" : await startOf(engine, source, name, bytes);
  const lines = start.split(/\r?\n/).slice(0, PROBED_LINES);
  const first = firstRecord(lines);
  const object = looseObject(first);
  const loose = object !== undefined && !isJson(first);
  const stream = object === undefined && !parquetFile ? streamObjects(start, first) : undefined;
  return { source, name, lines: start === "" ? [] : lines, start, object, loose, stream, parquet: parquetFile };
}

/** The first line that is not empty; of lines that are mostly objects, the first that is one. */
function firstRecord(lines: readonly string[]): string {
  const used = lines.filter((line) => line.trim() !== "");
  const objects = used.filter((line) => looseObject(line) !== undefined);
  return (objects.length * 2 > used.length ? objects[0] : used[0]) ?? "";
}

/** The first objects of a file in which a record is not a line; undefined if it is no such file. */
function streamObjects(start: string, first: string): Record<string, unknown>[] | undefined {
  const texts = first === "" ? undefined : splitStart(start);
  if (texts === undefined) return undefined;
  const objects = texts.slice(0, PROBED_LINES).map(looseObject);
  // Objects that end but are not JSON: something else with brackets in it.
  if (objects.length > 0 && objects.every((object) => object === undefined)) return undefined;
  return objects.filter((object) => object !== undefined);
}

function refuseForeign(file: string, name: string, start: Buffer): void {
  const kind = foreignKind(start, name);
  if (kind)
    throw new CorpusError(
      `${file} is ${/^([AEHOS]|xz|lz4)/.test(kind.name) ? "an" : "a"} ${kind.name}. ${kind.advice}.`,
    );
}

/**
 * The start of the text up to its last whole line, or all of it. Bytes that are not text do not matter: it is only
 * looked at.
 */
async function startOf(engine: Engine, source: SourceFile, name: string, bytes: Buffer): Promise<string> {
  try {
    if (source.compression === "zstd") {
      const lines: string[] = [];
      for await (const { text } of streamLines(engine, source, { limit: PROBED_ZSTD_LINES })) lines.push(text);
      return lines.join("\n");
    }
    const { start, whole } =
      source.compression === "none" ? { start: bytes, whole: bytes.length < PROBED_BYTES } : await unpackStart(bytes);
    if (source.compression !== "none") refuseForeign(source.path, name, start);
    if (start.length >= 2 && (start.readUInt16BE() === 0xfffe || start.readUInt16BE() === 0xfeff)) {
      throw new CorpusError(`${source.path} is UTF-16, UTF-8 is expected. Convert it first.`);
    }
    const text = start
      .toString(source.encoding === "latin-1" ? "latin1" : "utf8")
      .replace(/^(\ufeff|\xef\xbb\xbf)/, "");
    if (/\r[^\n]/.test(text) && !text.includes("\n")) {
      throw new CorpusError(`${source.path} has line ends of CR alone. Write it again with LF or CRLF.`);
    }
    // The last line may be cut; of a file of one long line, its start is all there is to see.
    const end = whole ? text.length : text.lastIndexOf("\n");
    return (end < 0 ? text : text.slice(0, end)).replace(/\r?\n$/, "");
  } catch (error) {
    throw unreadable(source.path, error);
  }
}

function readStart(file: string): Buffer {
  const buffer = Buffer.alloc(PROBED_BYTES);
  const descriptor = fs.openSync(file, "r");
  try {
    return buffer.subarray(0, fs.readSync(descriptor, buffer, 0, PROBED_BYTES, 0));
  } finally {
    fs.closeSync(descriptor);
  }
}

/** What the start of a gzip file unpacks to, as far as it goes; damage is for `checkFile` to find. */
async function unpackStart(bytes: Buffer): Promise<{ start: Buffer; whole: boolean }> {
  const blocks: Buffer[] = [];
  let length = 0;
  const unpacked = zlib.createGunzip();
  unpacked.end(bytes);
  try {
    for await (const block of unpacked) {
      blocks.push(block);
      length += block.length;
      if (length > MAX_LINE_BYTES) return { start: Buffer.concat(blocks), whole: false };
    }
    return { start: Buffer.concat(blocks), whole: bytes.length < PROBED_BYTES };
  } catch {
    // The end of `bytes` is rarely the end of the file.
    return { start: Buffer.concat(blocks), whole: false };
  }
}

/** DuckDB's complaint about a file, in one line. */
export function unreadable(file: string, error: unknown): CorpusError {
  if (error instanceof CorpusError) return error;
  const [first = ""] = reasonOf(error).split("\n");
  // What DuckDB's CSV reader says of LF and CRLF in one file.
  const hint = first.includes("invalid state")
    ? ". Are there line ends of more than one kind in it? Write it again with one kind"
    : "";
  return new CorpusError(`${file} cannot be read: ${first.replace(/\.$/, "")}${hint}.`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The reader of a file: the named one, or the first that recognises it. @throws CorpusError if none does. */
export function readerFor(probe: Probe, format: FormatName | undefined): Reader {
  const reader = READERS.find((candidate) =>
    format === undefined ? candidate.recognises(probe) : candidate.format === format,
  );
  if (reader) return reader;
  throw notRecognised(probe, "format", `: ${FORMATS.join(", ")}, or the columns of a table with \`columns\``, [
    "columns",
  ]);
}

function notRecognised({ source, lines, start }: Probe, option: string, what: string, more: readonly string[] = []) {
  if (start.trim() === "") return new CorpusError(`${source.path} is empty: there are no records.`);
  return new CorpusError(
    `${source.path}: its format is not recognised (it begins with ` +
      `${JSON.stringify((lines[0] ?? "").slice(0, 60))}). Name it with \`${option}\`${what}.`,
    { options: [option, ...more] },
  );
}

/**
 * The reader of a metadata file, by what is in it: that of the interactions if the file is of its format, else
 * whichever knows it. With a mapping of its columns, only the generic readers come into question. @throws CorpusError
 * if none does.
 */
export function metadataReader(probe: Probe, inputs: Reader | undefined, metaColumns: MetaColumns | undefined): Reader {
  if (metaColumns) {
    const generic = genericReader(probe);
    if (!generic) throw notRecognised(probe, "meta", " in a format with columns", ["meta"]);
    return generic;
  }
  if (inputs?.describes?.(probe)) return inputs;
  const known = READERS.find((reader) => reader.describes?.(probe));
  if (known) return known;
  // An empty file says nothing; otherwise the format of the interactions says best what is wrong.
  if (probe.start.trim() === "") return jsonl;
  if (inputs) return inputs;
  throw notRecognised(probe, "metaColumns", ": item=…,title=…,text=…");
}

/** Interaction files that represent a whole folder, by file name without compression suffix. */
const FOLDER_FILES = [/\.inter$/, /^u\.data$/, /^ratings\.(dat|csv)$/] as const;

/**
 * What to read for a folder: a matrices folder itself, else its one interaction file.
 * @throws CorpusError if there is none, or more than one.
 */
export function resolveFolder(folder: string, format: FormatName | undefined): { matrices: boolean; file: string } {
  const names = fs.readdirSync(folder);
  if (format === "matrices" || (format === undefined && names.includes(MATRIX_FILES.train)))
    return { matrices: true, file: folder };
  const found = names.filter((name) => FOLDER_FILES.some((pattern) => pattern.test(plainName(name))));
  if (found.length !== 1) {
    throw new CorpusError(
      `${folder} is a folder with ${found.length === 0 ? "no" : "more than one"} file of interactions known by ` +
        `name (${MATRIX_FILES.train}, *.inter, u.data, ratings.dat, ratings.csv). Name the files themselves.`,
    );
  }
  return { matrices: false, file: path.join(folder, found[0]!) };
}
