// The `records` table: every input record as ids, numbers and text, or the reason why it is none.
// One row a record in the order of the input; a row's number therefore leads back to its line.
import { type Engine, literal } from "../duckdb/engine.js";
import {
  CSV_BUFFER_BYTES,
  linesOf,
  MAX_LINE_BYTES,
  physicalLine,
  readFrom,
  type SourceFile,
  streamLines,
} from "./source.js";

/** Why a row is not an interaction. 0: it is one. */
export const PROBLEM = { none: 0, blank: 1, broken: 2, user: 3, item: 4, rating: 5, timestamp: 6 } as const;

export const RECORDS_TABLE = `CREATE TABLE records ("user" VARCHAR, item VARCHAR, rating DOUBLE, "timestamp" DOUBLE,
  "text" VARCHAR, problem UTINYINT NOT NULL, line INTEGER)`;

/** SQL expressions over `from`, each of type VARCHAR; what a format does not have is left out. */
export interface RecordColumns {
  readonly user: string;
  readonly item: string;
  readonly rating?: string;
  /** Seconds since 1970, or a date and time that DuckDB casts to TIMESTAMP. */
  readonly timestamp?: string;
  readonly text?: string;
}

export interface RecordQuery {
  readonly from: string;
  readonly columns: RecordColumns;
  /** SQL: the row is not of the format. */
  readonly broken?: string;
  /** SQL: there is nothing in the row, and it is no record. */
  readonly blank?: string;
  /** SQL: the physical line, where a line holds several records. */
  readonly line?: string;
  /** What a number of `timestamp` is divided by to give seconds. Default 1. */
  readonly timestampUnit?: number;
}

/** What one file gave. */
export interface LoadedFile {
  readonly source: SourceFile;
  /** Rows [start, end) of `records` are this file's. */
  readonly start: number;
  readonly end: number;
  /** Rejected before they became rows: lines that are not text, or not of the CSV's shape. `line` counts records in a CSV with quotes. */
  readonly rejected: readonly { readonly line: number; readonly reason: string }[];
  /** Physical lines of rejected ones, where `line` is not that. */
  locateRejected?(lines: readonly number[]): Promise<number[]>;
  /** Physical lines accounted for, where a row is a line. */
  readonly lines: number | undefined;
  /** Where the k-th row (from 0) stands in the file: "line 7", "row 7". */
  locate(rows: readonly number[]): Promise<{ place: string; snippet: string }[]>;
}

const empty = (expression: string) => `coalesce(trim(${expression}), '') = ''`;

/** The INSERT that turns the rows of a query into records. */
export function insertSql({ from, columns, broken, blank, line, timestampUnit = 1 }: RecordQuery): string {
  const { user, item, rating = "NULL::VARCHAR", timestamp = "NULL::VARCHAR", text = "NULL::VARCHAR" } = columns;
  return `INSERT INTO records
    WITH raw AS (
      SELECT ${user} AS u, ${item} AS i, ${rating} AS r, ${timestamp} AS t, ${text} AS x,
        ${broken ?? "FALSE"} AS broken, ${blank ?? "FALSE"} AS blank, ${line ?? "NULL"} AS line FROM ${from}
    ), typed AS (
      SELECT *, TRY_CAST(r AS DOUBLE) AS rating,
        coalesce(TRY_CAST(t AS DOUBLE) / ${timestampUnit}, epoch(TRY_CAST(t AS TIMESTAMP))) AS seconds FROM raw
    ), judged AS (
      SELECT *, CASE
        WHEN blank THEN ${PROBLEM.blank}
        WHEN broken THEN ${PROBLEM.broken}
        WHEN ${empty("u")} THEN ${PROBLEM.user}
        WHEN ${empty("i")} THEN ${PROBLEM.item}
        WHEN NOT (${empty("r")}) AND NOT coalesce(isfinite(rating), FALSE) THEN ${PROBLEM.rating}
        WHEN NOT (${empty("t")}) AND NOT coalesce(isfinite(seconds), FALSE) THEN ${PROBLEM.timestamp}
        ELSE 0 END::UTINYINT AS problem FROM typed
    )
    SELECT CASE WHEN problem = 0 THEN u END, CASE WHEN problem = 0 THEN i END, CASE WHEN problem = 0 THEN rating END,
      CASE WHEN problem = 0 THEN seconds END, CASE WHEN problem = 0 AND NOT (${empty("x")}) THEN x END, problem, line::INTEGER
    FROM judged`;
}

async function rowCount(engine: Engine): Promise<number> {
  const { n = 0 } = await engine.counts("SELECT count(*) AS n FROM records");
  return n;
}

let loads = 0;

/** Runs `insert` and collects what the CSV reader rejected meanwhile. */
async function insertAndCollect(
  engine: Engine,
  query: (rejects: string) => RecordQuery,
): Promise<Pick<LoadedFile, "start" | "end" | "rejected">> {
  const rejects = `rejects_${++loads}`;
  const start = await rowCount(engine);
  await engine.run(insertSql(query(rejects)));
  const rejected = await engine.rows(`SELECT line::DOUBLE AS line, any_value(CASE error_type
      WHEN 'INVALID ENCODING' THEN 'is not valid UTF-8 text'
      WHEN 'LINE SIZE OVER MAXIMUM' THEN 'is longer than ${MAX_LINE_BYTES / 2 ** 20} MiB'
      WHEN 'UNQUOTED VALUE' THEN 'has a quote that does not end'
      ELSE lower(error_type) || ': ' || lower(error_message) END) AS reason
    FROM ${rejects} GROUP BY line ORDER BY line`);
  await engine.run(`DROP TABLE ${rejects}; DROP TABLE ${rejects}_scan`);
  return {
    start,
    end: await rowCount(engine),
    rejected: rejected.map(({ line, reason }) => ({ line: Number(line), reason: String(reason) })),
  };
}

const SNIPPET_LENGTH = 100;

/** The start of a line for a message. Control characters go: the text is data, and a terminal would obey them. */
export function snippetOf(text: string): string {
  const start = text.length > SNIPPET_LENGTH ? `${text.slice(0, SNIPPET_LENGTH)}…` : text;
  return start.replace(/\p{Cc}/gu, " ");
}

/** Loads a file in which each physical line is one record, or, with `query.line`, any number of them. */
export async function loadLines(
  engine: Engine,
  source: SourceFile,
  { skip = 0, encoding = "utf-8" }: { readonly skip?: number; readonly encoding?: "utf-8" | "latin-1" },
  query: Omit<RecordQuery, "from"> & { readonly from?: (lines: string) => string },
): Promise<LoadedFile> {
  const { from = (lines: string) => lines, ...rest } = query;
  const loaded = await insertAndCollect(engine, (rejects) => ({
    ...rest,
    from: from(linesOf(source, { skip, encoding, rejects })),
  }));
  const rejectedLines = loaded.rejected.map(({ line }) => line);
  return {
    source,
    ...loaded,
    lines: query.line === undefined ? loaded.end - loaded.start + loaded.rejected.length + skip : undefined,
    async locate(rows) {
      const own = await engine.rows(
        `SELECT rowid::DOUBLE AS "row", line FROM records WHERE rowid IN (${[-1, ...rows.map((row) => loaded.start + row)].join(", ")})`,
      );
      const lineOf = new Map(own.map(({ row, line }) => [Number(row) - loaded.start, line]));
      const wanted = rows.map((row) => {
        const line = lineOf.get(row);
        return physicalLine(typeof line === "number" ? line : row + 1 + skip, rejectedLines);
      });
      const texts = await textsOf(engine, source, wanted, rejectedLines, encoding);
      return wanted.map((line, index) => ({ place: `line ${line}`, snippet: snippetOf(texts[index] ?? "") }));
    },
  };
}

/** The text of some physical lines. */
async function textsOf(
  engine: Engine,
  source: SourceFile,
  wanted: readonly number[],
  rejected: readonly number[],
  encoding: "utf-8" | "latin-1",
): Promise<string[]> {
  const texts = new Map<number, string>();
  const last = Math.max(0, ...wanted);
  for await (const { line, text } of streamLines(engine, source, { encoding })) {
    const physical = physicalLine(line, rejected);
    if (physical > last) break;
    if (wanted.includes(physical)) texts.set(physical, text);
  }
  return wanted.map((line) => texts.get(line) ?? "");
}

export interface CsvShape {
  readonly delimiter: string;
  /** Names of all columns, in the order of the file. */
  readonly names: readonly string[];
  /** Whether the first line holds the names. */
  readonly header: boolean;
}

/** A table function over a CSV file with quoted fields (RFC 4180), every column as VARCHAR. */
export function csvOf(source: SourceFile, { delimiter, names, header }: CsvShape, rejects?: string): string {
  const { file, compression } = readFrom(source);
  const columns = names.map((name) => `${literal(name)}: 'VARCHAR'`).join(", ");
  return `read_csv(${literal(file)}, columns = {${columns}}, delim = ${literal(delimiter)}, quote = '"', escape = '"',
    header = ${header}, auto_detect = false, strict_mode = true, null_padding = false, compression = '${compression}',
    max_line_size = ${MAX_LINE_BYTES}, buffer_size = ${CSV_BUFFER_BYTES}${
      rejects === undefined
        ? ""
        : `, store_rejects = true, rejects_limit = 0, rejects_table = '${rejects}', rejects_scan = '${rejects}_scan'`
    })`;
}

/** Loads a CSV file with a header and quoted fields. */
export async function loadCsv(
  engine: Engine,
  source: SourceFile,
  shape: CsvShape,
  query: Omit<RecordQuery, "from">,
): Promise<LoadedFile> {
  const loaded = await insertAndCollect(engine, (rejects) => ({ ...query, from: csvOf(source, shape, rejects) }));
  // DuckDB counts records, the header included, where fields hold line ends.
  const rejected = new Set(loaded.rejected.map(({ line }) => line));
  return {
    source,
    ...loaded,
    lines: undefined,
    async locate(rows) {
      const found = new Map<number, { place: string; snippet: string }>();
      const last = Math.max(-1, ...rows);
      let row = 0;
      for await (const { number, line, text } of csvRecords(engine, source)) {
        if ((shape.header && number === 1) || rejected.has(number)) continue;
        if (rows.includes(row)) found.set(row, { place: `line ${line}`, snippet: snippetOf(text) });
        if (++row > last) break;
      }
      return rows.map((wanted) => found.get(wanted) ?? { place: `record ${wanted + 1}`, snippet: "" });
    },
    async locateRejected(numbers) {
      const found = new Map<number, number>();
      const last = Math.max(0, ...numbers);
      for await (const { number, line } of csvRecords(engine, source)) {
        if (numbers.includes(number)) found.set(number, line);
        if (number >= last) break;
      }
      return numbers.map((number) => found.get(number) ?? number);
    },
  };
}

/** Records of a CSV file, from 1, and the physical lines at which they begin. A record ends at the first line end outside quotes. */
async function* csvRecords(
  engine: Engine,
  source: SourceFile,
): AsyncGenerator<{ number: number; line: number; text: string }> {
  let number = 0;
  let begin = 0;
  let record = "";
  let open = false;
  for await (const { line, text } of streamLines(engine, source)) {
    record = open ? `${record}\n${text}` : text;
    if (!open) begin = line;
    // Doubled quotes keep the parity.
    if ((text.split('"').length - 1) % 2 === 1) open = !open;
    if (!open && record !== "") yield { number: ++number, line: begin, text: record };
  }
}

/** Loads what has no lines: a Parquet file, for instance. Rows are counted from 1. */
export async function loadRelation(engine: Engine, source: SourceFile, query: RecordQuery): Promise<LoadedFile> {
  const start = await rowCount(engine);
  await engine.run(insertSql(query));
  return {
    source,
    start,
    end: await rowCount(engine),
    rejected: [],
    lines: undefined,
    locate: async (rows) => rows.map((row) => ({ place: `row ${row + 1}`, snippet: "" })),
  };
}
