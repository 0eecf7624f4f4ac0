// Loading a CSV or TSV file: DuckDB reads it, and every line is looked at beside it. Where the two disagree, or where a
// quoted field does not end as it should, the file is read again with care.
import { type Engine, literal } from "../duckdb/engine.js";
import { appendRecords, type RawRecord } from "./append-records.js";
import type { CsvShape } from "./csv-dialect.js";
import { csvRecords, lookLikeRecords, type RecordSigns } from "./csv-records.js";
import { type CsvScan, CsvScanner } from "./csv-scan.js";
import type { ColumnMapping } from "./reader.js";
import { insertAndCollect, type LoadedFile, type RecordColumns, snippetOf } from "./records.js";
import { CSV_BUFFER_BYTES, MAX_LINE_BYTES, readFrom, type SourceFile, streamLines } from "./source.js";

/** A CSV file and which of its columns are what, by name. */
export interface CsvFile {
  readonly source: SourceFile;
  readonly shape: CsvShape;
  readonly mapping: ColumnMapping;
}

/** What looks at the lines of the file while it is loaded. */
export function csvScanner({ source, shape, mapping }: CsvFile): CsvScanner {
  const signs = signsOf(shape, mapping);
  const encoding = source.encoding === "latin-1" ? "latin1" : "utf8";
  return new CsvScanner(shape, (lines) => lookLikeRecords(lines, shape.delimiter, signs), encoding);
}

function signsOf({ names }: CsvShape, { user, item, rating, timestamp }: ColumnMapping): RecordSigns {
  return {
    columns: names.length,
    user: names.indexOf(user),
    item: names.indexOf(item),
    ...(rating !== undefined && { rating: names.indexOf(rating) }),
    ...(timestamp !== undefined && { timestamp: names.indexOf(timestamp) }),
  };
}

/** Loads the file. `scan` is what the scanner found, for a file whose content it was shown. */
export async function loadCsv(
  engine: Engine,
  csv: CsvFile,
  scan: () => Promise<CsvScan | undefined>,
): Promise<LoadedFile> {
  // Rows that turn out to be wrong must leave no gap in the row numbers: the table's rows are counted by them.
  await engine.run("BEGIN TRANSACTION");
  let loaded: Awaited<ReturnType<typeof insertAndCollect>>;
  try {
    loaded = await insertAndCollect(engine, (rejects) => ({
      columns: columnsSql(csv),
      from: csvOf(csv.source, csv.shape, rejects),
    }));
    const { sound, records } = (await scan()) ?? (await scanLines(engine, csv));
    const found = loaded.end - loaded.start + loaded.rejected.length + (csv.shape.header ? 1 : 0);
    // A rejected record of several lines: its quote may have swallowed those that follow the first.
    const swallows = loaded.rejected.some(({ several }) => several);
    if (!sound || swallows || found !== records) {
      await engine.run("ROLLBACK");
      return loadWithCare(engine, csv);
    }
    await engine.run("COMMIT");
  } catch (error) {
    await engine.run("ROLLBACK").catch(() => {});
    throw error;
  }
  return { source: csv.source, ...loaded, lines: undefined, ...places(engine, csv, loaded) };
}

/** Shows the scanner a file that Node cannot unpack. */
async function scanLines(engine: Engine, csv: CsvFile): Promise<CsvScan> {
  const scanner = csvScanner(csv);
  const encoding = csv.source.encoding === "latin-1" ? "latin1" : "utf8";
  let block = "";
  for await (const { text } of streamLines(engine, csv.source)) {
    block += `${text}\n`;
    if (block.length < 1 << 20) continue;
    scanner.push(Buffer.from(block, encoding));
    block = "";
  }
  scanner.push(Buffer.from(block, encoding));
  return scanner.end();
}

/** The names of the columns in SQL: those of the file may repeat one another but for case, or be empty. */
const sqlName = (index: number) => `c${index}`;

function columnsSql({ shape: { names }, mapping: { user, item, rating, timestamp, text } }: CsvFile): RecordColumns {
  const sql = (name: string) => sqlName(names.indexOf(name));
  return {
    user: sql(user),
    item: sql(item),
    ...(rating !== undefined && { rating: sql(rating) }),
    ...(timestamp !== undefined && { timestamp: sql(timestamp) }),
    ...(text !== undefined && { text: sql(text) }),
  };
}

/** A table function over a CSV file, every column as VARCHAR under the name `c0`, `c1`, …. */
function csvOf(source: SourceFile, { delimiter, quote, names, header }: CsvShape, rejects: string): string {
  const { file, compression } = readFrom(source);
  const columns = names.map((_, index) => `${sqlName(index)}: 'VARCHAR'`).join(", ");
  const quoting = quote === "none" ? "quote = '', escape = ''" : `quote = '"', escape = '"'`;
  return `read_csv(${file}, columns = {${columns}}, delim = ${literal(delimiter)}, ${quoting}, comment = '',
    header = ${header}, auto_detect = false, strict_mode = true, null_padding = false, compression = '${compression}', 
    encoding = '${source.encoding}',
    max_line_size = ${MAX_LINE_BYTES}, buffer_size = ${CSV_BUFFER_BYTES}, hive_partitioning = false,
    store_rejects = true, rejects_limit = 0, rejects_table = '${rejects}', rejects_scan = '${rejects}_scan')`;
}

/** Where DuckDB's rows and rejects are in the file: it counts records, the header included, not lines. */
function places(
  engine: Engine,
  { source, shape }: CsvFile,
  { rejected }: Pick<LoadedFile, "rejected">,
): Pick<LoadedFile, "locate" | "locateRejected"> {
  const records = () => csvRecords(streamLines(engine, source), { ...shape, header: false });
  const isRejected = new Set(rejected.map(({ line }) => line));
  return {
    async locate(rows) {
      const found = new Map<number, { place: string; snippet: string }>();
      const last = Math.max(-1, ...rows);
      let [number, row] = [0, 0];
      for await (const { line, text } of records()) {
        number++;
        if ((shape.header && number === 1) || isRejected.has(number)) continue;
        if (rows.includes(row)) found.set(row, { place: `line ${line}`, snippet: snippetOf(text) });
        if (row++ >= last) break;
      }
      return rows.map((wanted) => found.get(wanted) ?? { place: `record ${wanted + 1}`, snippet: "" });
    },
    async locateRejected(numbers) {
      const found = new Map<number, number>();
      const last = Math.max(0, ...numbers);
      let number = 0;
      for await (const { line } of records()) {
        if (numbers.includes(++number)) found.set(number, line);
        if (number >= last) break;
      }
      return numbers.map((wanted) => found.get(wanted) ?? wanted);
    },
  };
}

/** Reads the file in JavaScript: slower, but every line is a record, part of one, or malformed. */
function loadWithCare(engine: Engine, { source, shape, mapping }: CsvFile): Promise<LoadedFile> {
  const index = (name: string | undefined) => (name === undefined ? -1 : shape.names.indexOf(name));
  const [user, item, rating, timestamp, text] = [
    ...[index(mapping.user), index(mapping.item), index(mapping.rating)],
    ...[index(mapping.timestamp), index(mapping.text)],
  ];
  const nothing = { user: null, item: null, rating: null, timestamp: null, text: null } as const;
  const rejected: number[] = [];
  async function* rawRecords(): AsyncGenerator<RawRecord> {
    const lines = streamLines(engine, source, { rejected });
    for await (const { line, last, cells, problem } of csvRecords(lines, shape, signsOf(shape, mapping))) {
      if (cells) {
        const cell = (at: number | undefined) => cells[at ?? -1] ?? null;
        yield {
          line,
          user: cell(user),
          item: cell(item),
          rating: cell(rating),
          timestamp: cell(timestamp),
          text: cell(text),
        };
        continue;
      }
      yield { ...nothing, line, problem: "broken", reason: problem };
      for (let swallowed = line + 1; swallowed <= last; swallowed++) {
        yield { ...nothing, line: swallowed, problem: "swallowed" };
      }
    }
  }
  return appendRecords(engine, source, rawRecords(), { rejected });
}
