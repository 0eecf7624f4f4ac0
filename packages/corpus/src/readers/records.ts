// The `records` table: every input record as ids, numbers and text, or the reason why it is none.
// One row a record in the order of the input; a row's number therefore leads back to its line.
import type { Engine } from "../duckdb/engine.js";
import { type Encoding, linesOf, MAX_LINE_BYTES, physicalLine, type SourceFile, streamLines } from "./source.js";

/** Why a row is not an interaction. 0: it is one. */
export const PROBLEM = {
  none: 0,
  blank: 1,
  broken: 2,
  user: 3,
  item: 4,
  rating: 5,
  timestamp: 6,
  swallowed: 7,
} as const;

/** What was done to a row so that it is an interaction; bits of the column `flags`. */
export const FLAG = {
  /** Half a surrogate pair, which is no character, became U+FFFD. */
  mended: 1,
  /** The rating is true or false: 1 or 0. */
  boolean: 2,
} as const;

export const RECORDS_TABLE = `CREATE TABLE records ("user" VARCHAR, item VARCHAR, rating DOUBLE, "timestamp" DOUBLE,
  "text" VARCHAR, problem UTINYINT NOT NULL, line INTEGER, flags UTINYINT NOT NULL)`;

/** SQL expressions over `from`, each of type VARCHAR; what a format does not have is left out. */
export interface RecordColumns {
  readonly user: string;
  readonly item: string;
  readonly rating?: string;
  /**
   * Seconds since 1970; a date and time that DuckDB casts to TIMESTAMPTZ; or one as `Fri Mar 24 12:43:21 -0700 2017`.
   */
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
  /** SQL: the row belongs to a quoted field that began on an earlier line. */
  readonly swallowed?: string;
  /** SQL: halves of surrogate pairs were replaced in the row. */
  readonly mended?: string;
  /** SQL: the physical line, where a line holds several records. */
  readonly line?: string;
  /** What a number of `timestamp` is divided by to give seconds. Default 1. */
  readonly timestampUnit?: number;
  /** Columns that are integers or DOUBLE already, and not VARCHAR. */
  readonly numbers?: readonly ("rating" | "timestamp")[];
}

/** Where a row is, and what is wrong with it where more can be said than its problem's code. */
export interface Place {
  readonly place: string;
  readonly snippet: string;
  readonly reason?: string;
}

/** What one file gave. */
export interface LoadedFile {
  readonly source: SourceFile;
  /** Rows [start, end) of `records` are this file's. */
  readonly start: number;
  readonly end: number;
  /**
   * Rejected before they became rows: lines that are not text, or not of the CSV's shape. `line` counts records in a
   * CSV with quotes.
   */
  readonly rejected: readonly {
    readonly line: number;
    readonly reason: string;
    /** Whether it is several physical lines. */
    readonly several?: boolean;
  }[];
  /** Physical lines of rejected ones, where `line` is not that. */
  locateRejected?(lines: readonly number[]): Promise<number[]>;
  /** Physical lines accounted for, where a row is a line. */
  readonly lines: number | undefined;
  /** The place of the k-th row (from 0) in the file: "line 7", "row 7". */
  locate(rows: readonly number[]): Promise<Place[]>;
}

/** Nothing but white space. What begins with a visible ASCII character needs no look at its end. */
const empty = (text: string) => `${text} IS NULL OR ((${text} < '!' OR ${text} > '~') AND trim(${text}) = '')`;

/**
 * Seconds of a text: a number; a date and time, in UTC unless it names an offset; the date of Twitter's and Goodreads'
 * APIs.
 */
const secondsOf = (
  t: string,
  unit: number,
) => `coalesce(TRY_CAST(${t} AS DOUBLE) / ${unit}, epoch(TRY_CAST(${t} AS TIMESTAMPTZ)),
  epoch(try_strptime(${t}, '%a %b %d %H:%M:%S %z %Y')),
  epoch(TRY_CAST(regexp_replace(${t}, '\\s+(Z|[+-]\\d\\d:?\\d\\d)$', '\\1') AS TIMESTAMPTZ)))`;

/** The INSERT that turns the rows of a query into records. */
export function insertSql(query: RecordQuery): string {
  const { from, columns, broken, blank, swallowed, mended, line, timestampUnit = 1, numbers = [] } = query;
  const { user, item, rating = "NULL::VARCHAR", timestamp = "NULL::VARCHAR", text = "NULL::VARCHAR" } = columns;
  const [ratingIsNumber, timeIsNumber] = [numbers.includes("rating"), numbers.includes("timestamp")];
  const ratingSql = ratingIsNumber
    ? "r::DOUBLE"
    : `CASE WHEN TRY_CAST(r AS DOUBLE) IS NOT NULL THEN TRY_CAST(r AS DOUBLE)
        WHEN lower(trim(r)) = 'true' THEN 1 WHEN lower(trim(r)) = 'false' THEN 0 END`;
  const isBoolean = ratingIsNumber ? "FALSE" : "rating <= 1 AND lower(trim(r)) IN ('true', 'false')";
  // A number is looked at first: most are, and need no look at their text.
  const wrong = (value: string, text: string, isNumber: boolean) =>
    `NOT coalesce(isfinite(${value}), FALSE) AND NOT (${isNumber ? `${text} IS NULL` : empty(text)})`;
  return `INSERT INTO records
    WITH raw AS (
      SELECT ${user} AS u, ${item} AS i, ${rating} AS r, ${timestamp} AS t, ${text} AS x, 
        ${broken ?? "FALSE"} AS broken,
        ${blank ?? "FALSE"} AS blank, ${swallowed ?? "FALSE"} AS swallowed, ${mended ?? "FALSE"} AS mended,
        ${line ?? "NULL"} AS line FROM ${from}
    ), typed AS (
      SELECT *, ${ratingSql} AS rating,
        ${timeIsNumber ? `t::DOUBLE / ${timestampUnit}` : secondsOf("t", timestampUnit)} AS seconds FROM raw
    ), judged AS (
      SELECT *, CASE
        WHEN blank THEN ${PROBLEM.blank}
        WHEN swallowed THEN ${PROBLEM.swallowed}
        WHEN broken THEN ${PROBLEM.broken}
        WHEN ${empty("u")} THEN ${PROBLEM.user}
        WHEN ${empty("i")} THEN ${PROBLEM.item}
        WHEN ${wrong("rating", "r", ratingIsNumber)} THEN ${PROBLEM.rating}
        WHEN ${wrong("seconds", "t", timeIsNumber)} THEN ${PROBLEM.timestamp}
        ELSE 0 END::UTINYINT AS problem FROM typed
    )
    SELECT CASE WHEN problem = 0 THEN u END, CASE WHEN problem = 0 THEN i END, CASE WHEN problem = 0 THEN rating END,
      CASE WHEN problem = 0 THEN seconds END, CASE WHEN problem = 0 AND NOT (${empty("x")}) THEN x END, problem,
        line::INTEGER,
      (CASE WHEN problem <> 0 THEN 0 WHEN mended THEN ${FLAG.mended} ELSE 0 END
        + CASE WHEN problem = 0 AND ${isBoolean} THEN ${FLAG.boolean} ELSE 0 END)::UTINYINT
    FROM judged`;
}

export async function rowCount(engine: Engine): Promise<number> {
  const { n = 0 } = await engine.counts("SELECT count(*) AS n FROM records");
  return n;
}

let loads = 0;

/** Runs `insert` and collects what the CSV reader rejected meanwhile. */
export async function insertAndCollect(
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
      ELSE lower(error_type) || ': ' || lower(error_message) END) AS reason, 
        bool_or(contains(csv_line, chr(10))) AS several
    FROM ${rejects} GROUP BY line ORDER BY line`);
  await engine.run(`DROP TABLE ${rejects}; DROP TABLE ${rejects}_scan`);
  return {
    start,
    end: await rowCount(engine),
    rejected: rejected.map(({ line, reason, several }) => ({
      line: Number(line),
      reason: String(reason),
      several: several === true,
    })),
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
  { skip = 0, encoding = source.encoding }: { readonly skip?: number; readonly encoding?: Encoding },
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
      const lineOf = await lineNumbers(engine, loaded.start, rows);
      const wanted = rows.map((row) => physicalLine(lineOf.get(row) ?? row + 1 + skip, rejectedLines));
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
  encoding: Encoding,
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

/** The column `line` of some of a file's rows, where it is known. */
export async function lineNumbers(
  engine: Engine,
  start: number,
  rows: readonly number[],
): Promise<Map<number, number>> {
  const own = await engine.rows(
    'SELECT rowid::DOUBLE AS "row", line FROM records WHERE rowid IN ' +
      `(${[-1, ...rows.map((row) => start + row)].join(", ")})`,
  );
  return new Map(
    own.flatMap(({ row, line }) => (typeof line === "number" ? [[Number(row) - start, line] as const] : [])),
  );
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
