// All readers, the choice among them, and the first look at a file that the choice is made by.
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError, CorpusUsageError } from "../errors.js";
import { amazon2014, amazon2018, amazon2023 } from "./amazon.js";
import { csv, jsonl, parquet, tsv } from "./generic.js";
import { looseObject } from "./json-lines.js";
import { lightgcn } from "./lightgcn.js";
import { MATRIX_FILES } from "./matrices.js";
import { movielens } from "./movielens.js";
import { FORMATS, type FormatName, type Probe, type Reader } from "./reader.js";
import { recbole } from "./recbole.js";
import { s3rec, sequencesJson } from "./sequences.js";
import { MAX_LINE_BYTES, openSource, plainName, type SourceFile, streamLines } from "./source.js";
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
];

/** What each format is, for help texts. */
export const FORMAT_DESCRIPTIONS: Readonly<Record<FormatName, string>> = Object.fromEntries([
  ...READERS.map(({ format, about }) => [format, about]),
  [
    "matrices",
    `a folder with ${Object.values(MATRIX_FILES).join(", ")} (scipy CSR); its split is kept; metadata as jsonl, or id_to_tag.json with tag_to_item.json`,
  ],
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

/** Reads the start of a file. @throws CorpusError if it cannot be read. */
export async function probeFile(engine: Engine, file: string): Promise<Probe> {
  if (!fs.existsSync(file)) throw new CorpusError(`${file} does not exist`);
  const source = openSource(file);
  const name = plainName(file);
  const parquetFile = isParquet(file);
  const lines = parquetFile ? [] : await firstLines(engine, source);
  const first = lines.find((line) => line.trim() !== "") ?? "";
  const object = looseObject(first);
  return { source, name, lines, object, loose: object !== undefined && !isJson(first), parquet: parquetFile };
}

/** The first lines, however they are encoded: they are only looked at for their shape. */
async function firstLines(engine: Engine, source: SourceFile): Promise<string[]> {
  try {
    if (source.compression === "zstd") {
      const lines: string[] = [];
      for await (const { text } of streamLines(engine, source, { limit: PROBED_LINES })) lines.push(text);
      return lines;
    }
    const bytes = readStart(source.path);
    const start = source.compression === "none" ? bytes : await unpackStart(bytes);
    if (start.length >= 2 && (start.readUInt16BE() === 0xfffe || start.readUInt16BE() === 0xfeff)) {
      throw new CorpusError(`${source.path} is UTF-16, UTF-8 is expected. Convert it first.`);
    }
    const lines = start
      .toString("utf8")
      .replace(/^\ufeff/, "")
      .split(/\r?\n/);
    // The last line may be cut; of a file of one long line, its start is all there is to see.
    if (lines.length > 1) lines.pop();
    return lines.slice(0, PROBED_LINES);
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
async function unpackStart(bytes: Buffer): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let length = 0;
  const unpacked = zlib.createGunzip();
  unpacked.end(bytes);
  try {
    for await (const block of unpacked) {
      blocks.push(block);
      length += block.length;
      if (length > MAX_LINE_BYTES) break;
    }
  } catch {
    // The end of `bytes` is rarely the end of the file.
  }
  return Buffer.concat(blocks);
}

/** DuckDB's complaint about a file, in one line. */
export function unreadable(file: string, error: unknown): CorpusError {
  if (error instanceof CorpusError) return error;
  const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
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

function isParquet(file: string): boolean {
  const magic = Buffer.alloc(4);
  const descriptor = fs.openSync(file, "r");
  try {
    fs.readSync(descriptor, magic, 0, 4, 0);
  } finally {
    fs.closeSync(descriptor);
  }
  return magic.toString("latin1") === "PAR1";
}

/** The reader of a file: the named one, or the first that recognises it. @throws CorpusError if none does. */
export function readerFor(probe: Probe, format: FormatName | undefined): Reader {
  const reader = READERS.find((candidate) =>
    format === undefined ? candidate.recognises(probe) : candidate.format === format,
  );
  if (reader) return reader;
  const start = JSON.stringify((probe.lines[0] ?? "").slice(0, 60));
  throw new CorpusError(
    `${probe.source.path}: its format is not recognised (it begins with ${start}). Name it with --format: ${FORMATS.join(", ")}.`,
  );
}

/** Interaction files that stand for a whole folder, by file name without compression suffix. */
const FOLDER_FILES = [/\.inter$/, /^u\.data$/, /^ratings\.(dat|csv)$/] as const;

/**
 * What a folder stands for: a matrices folder for itself, else its one interaction file.
 * @throws CorpusError if there is none, or more than one.
 */
export function resolveFolder(folder: string, format: FormatName | undefined): { matrices: boolean; file: string } {
  const names = fs.readdirSync(folder);
  if (format === "matrices" || (format === undefined && names.includes(MATRIX_FILES.train)))
    return { matrices: true, file: folder };
  const found = names.filter((name) => FOLDER_FILES.some((pattern) => pattern.test(plainName(name))));
  if (found.length !== 1) {
    throw new CorpusError(
      `${folder} is a folder with ${found.length === 0 ? "no" : "more than one"} file of interactions known by name (${MATRIX_FILES.train}, *.inter, u.data, ratings.dat, ratings.csv). Name the files themselves.`,
    );
  }
  return { matrices: false, file: path.join(folder, found[0]!) };
}
