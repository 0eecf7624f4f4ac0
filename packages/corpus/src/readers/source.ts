// A source file and DuckDB's view of it as physical lines: the one primitive under every text format.
import path from "node:path";
import type { Engine } from "../duckdb/engine.js";
import { fileLiteral } from "../duckdb/files.js";
import { type Compression, detectCompression } from "./archive.js";

/** How the bytes of a text file are characters. */
export const ENCODINGS = ["utf-8", "latin-1"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** An input file and how its bytes are packed. */
export interface SourceFile {
  readonly path: string;
  readonly compression: Compression;
  readonly encoding: Encoding;
  /** Where the decompressed content is, if there is any. */
  readonly unpacked?: string;
}

/** What DuckDB is to read, and how; `file` is an SQL literal that names this one file. */
export function readFrom({ path: file, compression, unpacked }: SourceFile): {
  file: string;
  compression: Compression;
} {
  if (unpacked === undefined) return { file: fileLiteral(file), compression };
  return { file: fileLiteral(unpacked), compression: "none" };
}

export function openSource(file: string, encoding: Encoding = "utf-8"): SourceFile {
  return { path: file, compression: detectCompression(file), encoding };
}

/** The name without folder and compression suffix, in lower case: what formats are recognised by. */
export function plainName(file: string): string {
  return path
    .basename(file)
    .toLowerCase()
    .replace(/\.(gz|gzip|zst|zstd)$/, "");
}

/** Lines longer than this are malformed. */
export const MAX_LINE_BYTES = 16 * 2 ** 20;

/**
 * DuckDB 1.5's CSV reader loses a row at each end of a buffer whose size is not a multiple of the block size. Never
 * change this to a number that is not a power of two; `checkLineCount` would notice.
 */
export const CSV_BUFFER_BYTES = 32 * 2 ** 20;

/** Never in text: DuckDB's CSV reader needs some delimiter, and with this one a line is one column. */
const NO_DELIMITER = "\u001e\u001f\u001e\u001f";

export interface LineOptions {
  /** Header lines to leave out. Default 0. */
  readonly skip?: number;
  /** Default: that of the file. */
  readonly encoding?: Encoding;
  /**
   * Temporary tables that receive the lines that are not text (invalid UTF-8, too long). Default: such a line ends the
   * query with an error.
   */
  readonly rejects?: string;
}

/**
 * A table function with one row a physical line, in the order of the file, as column `l`; null for an empty line.
 * Handles LF and CRLF, a byte-order mark, gzip and zstd. Reads in parallel where the file is not compressed.
 */
export function linesOf(
  source: SourceFile,
  { skip = 0, encoding = source.encoding, rejects }: LineOptions = {},
): string {
  const { file, compression } = readFrom(source);
  const options = [
    `columns = {'l': 'VARCHAR'}`,
    `delim = '${NO_DELIMITER}', quote = '', escape = '', comment = '', header = false, auto_detect = false, ` +
      "strict_mode = false",
    `skip = ${skip}, compression = '${compression}', encoding = '${encoding}', hive_partitioning = false`,
    `max_line_size = ${MAX_LINE_BYTES}, buffer_size = ${CSV_BUFFER_BYTES}`,
    ...(rejects === undefined
      ? []
      : [`store_rejects = true, rejects_limit = 0, rejects_table = '${rejects}', rejects_scan = '${rejects}_scan'`]),
  ];
  return `read_csv(${file}, ${options.join(", ")})`;
}

/**
 * The physical number of the k-th line (from 1) that DuckDB delivered, given the ascending numbers of those it
 * rejected.
 */
export function physicalLine(k: number, rejected: readonly number[]): number {
  let line = k;
  for (const reject of rejected) {
    if (reject > line) break;
    line++;
  }
  return line;
}

/**
 * Streams the lines that are text, with their count from 1; empty lines are "". `rejected`, if given, receives the
 * numbers of the others at the end.
 */
export async function* streamLines(
  engine: Engine,
  source: SourceFile,
  { encoding = source.encoding, limit, rejected }: { encoding?: Encoding; limit?: number; rejected?: number[] } = {},
): AsyncGenerator<{ line: number; text: string }> {
  const sql =
    "SELECT l FROM " +
    `${linesOf(source, { encoding, rejects: "stream_rejects" })}${limit === undefined ? "" : ` LIMIT ${limit}`}`;
  let line = 0;
  const chunks = engine.chunks(sql, async (rows) => {
    for (const row of await rows("SELECT line::DOUBLE AS line FROM stream_rejects ORDER BY line")) {
      rejected?.push(Number(row.line));
    }
  });
  for await (const chunk of chunks) {
    const column = chunk.getColumnVector(0);
    for (let i = 0; i < chunk.rowCount; i++) yield { line: ++line, text: String(column.getItem(i) ?? "") };
  }
}
