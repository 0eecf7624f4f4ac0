// Any CSV, TSV, JSON or Parquet file, by a mapping of its columns; without one, by the usual names.
import { identifier } from "../duckdb/engine.js";
import { parquetOf } from "../duckdb/files.js";
import { CorpusError } from "../errors.js";
import { appendRecords, type RawRecord } from "./append-records.js";
import { isPositional, resolveColumns, usualColumns } from "./column-mapping.js";
import { type CsvShape, detectDelimiter, type Quote, splitCells } from "./csv-dialect.js";
import { describeBy } from "./describe-columns.js";
import { fieldText, loadJsonLines, looseObject, requireKeys } from "./json-lines.js";
import { streamJson } from "./json-stream.js";
import { type CsvFile, csvScanner, loadCsv } from "./load-csv.js";
import type { ColumnMapping, FormatName, Probe, ReadContext, Reader } from "./reader.js";
import { loadRelation } from "./records.js";

const resolve = ({ probe, columns, warn }: ReadContext, names: readonly string[]) =>
  resolveColumns({ path: probe.source.path, names, columns, warn });

const DELIMITERS = { csv: [",", ";", "|", "\t"], tsv: ["\t"] } as const;

const cellsOf = (line: string, shape: Pick<CsvShape, "delimiter" | "quote">): string[] => {
  const cells = splitCells(line, shape);
  return typeof cells === "string" ? line.split(shape.delimiter) : cells;
};

/**
 * How a CSV or TSV file is divided, from its first lines. @throws CorpusError if it has neither a header nor columns by
 * position.
 */
function csvShape(
  { probe: { lines, source }, quote: wanted }: Pick<ReadContext, "probe" | "quote">,
  format: "csv" | "tsv",
  mapping: Readonly<Record<string, string>> | ColumnMapping | undefined,
): CsvShape {
  const quote: Quote = wanted ?? (format === "csv" ? "double" : "none");
  const positional = isPositional(mapping);
  const delimiter = detectDelimiter(lines, { quote, header: !positional, candidates: DELIMITERS[format] });
  const first = lines[0] ?? "";
  const cells = cellsOf(first, { delimiter, quote }).map((cell) => cell.trim());
  if (positional) return { delimiter, quote, names: cells.map((_, index) => String(index + 1)), header: false };
  const repeated = cells.find(
    (name, index) => cells.findIndex((other) => other.toLowerCase() === name.toLowerCase()) < index,
  );
  // The first name may be missing: pandas writes its index so.
  if (cells.length < 2 || cells.slice(1).includes("") || repeated !== undefined) {
    const what =
      repeated === undefined
        ? "a header with a name for each of at least two columns"
        : `distinct column names (${JSON.stringify(repeated)} comes twice)`;
    throw new CorpusError(
      `${source.path}:1: ${what} is expected (format ${format}), found ${JSON.stringify(first.slice(0, 80))}. For ` +
        "a file without a header name the positions with `columns`: user=1,item=2.",
      { options: ["columns"] },
    );
  }
  return { delimiter, quote, names: cells, header: true };
}

/** The file with its shape and columns. A header is passed over where the columns are named by position. */
function csvFile(context: ReadContext, format: "csv" | "tsv"): CsvFile {
  const { probe, columns, warn } = context;
  const shape = csvShape(context, format, columns);
  if (shape.header) {
    return { source: probe.source, shape, mapping: resolve({ ...context, warn }, shape.names) };
  }
  const mapping = resolve(context, shape.names);
  const first = cellsOf(probe.lines[0] ?? "", shape);
  const named = (role: "user" | "item") =>
    usualColumns(role, [first[Number(mapping[role]) - 1]?.trim() ?? ""]).length > 0;
  return { source: probe.source, shape: { ...shape, header: named("user") && named("item") }, mapping };
}

function delimited(format: "csv" | "tsv"): Reader {
  const extension = (name: string) => name.endsWith(`.${format}`) || (format === "tsv" && name.endsWith(".tab"));
  return {
    format,
    about:
      `any ${format.toUpperCase()} file, by its header or by positions, ` +
      `${format === "csv" ? "quoted" : "without quoting"} by default`,
    recognises: (probe) =>
      extension(probe.name) || (otherName(probe) && hasUsualHeader(probe, format, ["user", "item"])),
    describes: (probe) => extension(probe.name) || (otherName(probe) && hasUsualHeader(probe, format, ["item"])),
    scanner: (context) => csvScanner(csvFile({ ...context, warn: () => {} }, format)),
    load(context) {
      const csv = csvFile(context, format);
      if (csv.shape.header && isPositional(context.columns)) {
        context.warn(`${csv.source.path}: its first line holds the names of the columns and is no record`, []);
      }
      return loadCsv(context.engine, csv, context.scan);
    },
    async metadata(context) {
      const shape = csvShape(context, format, context.metaColumns);
      return describeBy(context, shape.names, { kind: "csv", ...shape });
    },
  };
}

/** Names of files that say nothing, or nothing reliable, of what is in them. */
const otherName = ({ name, object, stream, parquet }: Probe) =>
  object === undefined && stream === undefined && !parquet && !/\.(csv|tsv|tab|jsonl?|ndjson|parquet)$/.test(name);

function hasUsualHeader({ lines }: Probe, format: "csv" | "tsv", roles: readonly ("user" | "item")[]): boolean {
  const quote = format === "csv" ? "double" : "none";
  const delimiter = detectDelimiter(lines, { quote, header: true, candidates: DELIMITERS[format] });
  const names = cellsOf(lines[0] ?? "", { delimiter, quote }).map((cell) => cell.trim());
  return names.length > 1 && roles.every((role) => usualColumns(role, names).length > 0);
}

export const csv = delimited("csv");
export const tsv = delimited("tsv");

export const jsonl: Reader = {
  format: "jsonl",
  about: "any file of one JSON object (or Python literal) a line",
  recognises: ({ object }) => object !== undefined,
  describes: ({ object }) => object !== undefined,
  async load(context) {
    requireKeys(context.probe, "jsonl", []);
    const names = keysOf(context.probe);
    if (names.length === 0) return loadJsonLines(context, "jsonl", { user: "user", item: "item" }, { required: [] });
    return loadJsonLines(context, "jsonl", resolve(context, names));
  },
  async metadata(context) {
    requireKeys(context.probe, "jsonl", []);
    return describeBy(context, keysOf(context.probe), { kind: "json" });
  },
};

/** The keys of all objects in the first lines. */
function keysOf({ lines }: Probe): string[] {
  return [...new Set(lines.flatMap((line) => Object.keys(looseObject(line) ?? {})))];
}

export const json: Reader = {
  format: "json",
  about: "a JSON array of objects, or objects one after another over several lines each",
  recognises: ({ stream }) => stream !== undefined,
  describes: ({ stream }) => stream !== undefined,
  async load(context) {
    const { engine, probe } = context;
    const columns = resolve(context, streamKeys(probe));
    return appendRecords(engine, probe.source, streamRecords(context, columns));
  },
  async metadata(context) {
    return describeBy(context, streamKeys(context.probe), { kind: "json-stream" });
  },
};

/** The keys of the first objects. @throws CorpusError if the file does not begin with any. */
function streamKeys({ stream, source, start }: Probe): string[] {
  const keys = [...new Set((stream ?? []).flatMap((object) => Object.keys(object)))];
  if (keys.length > 0) return keys;
  throw new CorpusError(
    `${source.path}: an array of JSON objects, or one after another, is expected (format json), found ` +
      `${JSON.stringify(start.slice(0, 60))}. Name the right \`format\`.`,
    { options: ["format"] },
  );
}

async function* streamRecords({ engine, probe }: ReadContext, columns: ColumnMapping): AsyncGenerator<RawRecord> {
  for await (const { line, text } of streamJson(engine, probe.source)) {
    const object = looseObject(text);
    const value = (key: string | undefined) => fieldText(object, key);
    yield {
      line,
      problem: object === undefined ? "broken" : undefined,
      ...{ user: value(columns.user), item: value(columns.item), rating: value(columns.rating) },
      ...{ timestamp: value(columns.timestamp), text: value(columns.text) },
    };
  }
}

async function parquetColumns({ engine, probe }: ReadContext): Promise<Map<string, string>> {
  const rows = await engine.rows(`DESCRIBE SELECT * FROM ${parquetOf(probe.source.path)}`);
  return new Map(rows.map((row) => [String(row.column_name), String(row.column_type)]));
}

/** Types whose values are the same doubles with and without a way through text. (A FLOAT's 0.1 is not.) */
const NUMBER_TYPES: ReadonlySet<string> = new Set([
  ...["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "DOUBLE"],
]);

export const parquet: Reader = {
  format: "parquet",
  about: "any Parquet file",
  recognises: ({ parquet }) => parquet,
  describes: ({ parquet }) => parquet,
  async load(context) {
    const { engine, probe } = context;
    const types = await parquetColumns(context);
    const { user, item, rating, timestamp, text } = resolve(context, [...types.keys()]);
    const isNumber = (name: string | undefined) => NUMBER_TYPES.has(types.get(name ?? "") ?? "");
    const sql = (name: string) => `${identifier(name)}::VARCHAR`;
    const number = (name: string) => (isNumber(name) ? identifier(name) : sql(name));
    const id = (name: string) => idSql(name, types.get(name) ?? "");
    return loadRelation(engine, probe.source, {
      from: parquetOf(probe.source.path),
      columns: {
        user: id(user),
        item: id(item),
        ...(rating !== undefined && { rating: number(rating) }),
        ...(timestamp !== undefined && { timestamp: number(timestamp) }),
        ...(text !== undefined && { text: sql(text) }),
      },
      numbers: [
        ...(isNumber(rating) ? ["rating" as const] : []),
        ...(isNumber(timestamp) ? ["timestamp" as const] : []),
      ],
    });
  },
  async metadata(context) {
    const types = await parquetColumns(context);
    const names = [...types.keys()].filter((name) => !/^__index_level_\d+__$/.test(name));
    return describeBy(context, names, { kind: "parquet" });
  },
};

/**
 * An id as text. A table library keeps whole numbers as floats where some are missing: 7.0 is the id 7, and NaN is
 * none.
 */
export function idSql(name: string, type: string): string {
  const column = identifier(name);
  if (type !== "DOUBLE" && type !== "FLOAT") return `${column}::VARCHAR`;
  return `CASE WHEN NOT isfinite(${column}) THEN NULL WHEN ${column} = trunc(${column}) AND 
    abs(${column}) < 9007199254740992
    THEN ${column}::BIGINT::VARCHAR ELSE ${column}::VARCHAR END`;
}

export const GENERIC_READERS: readonly Reader[] = [parquet, tsv, csv, jsonl, json];
export const GENERIC_FORMATS: readonly FormatName[] = GENERIC_READERS.map(({ format }) => format);

/**
 * The generic reader of a file, whatever its name: by its content. Undefined where nothing in it is divided into
 * columns.
 */
export function genericReader(probe: Probe): Reader | undefined {
  const known = GENERIC_READERS.find((reader) => reader.recognises(probe));
  if (known) return known;
  const cells = (delimiter: string) => (probe.lines[0] ?? "").split(delimiter).length;
  const widest = DELIMITERS.csv.reduce((best, next) => (cells(next) > cells(best) ? next : best));
  if (cells(widest) < 2) return undefined;
  return widest === "\t" ? tsv : csv;
}
