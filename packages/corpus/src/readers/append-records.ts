// Records that JavaScript made, judged by the same SQL as those that DuckDB reads itself.
import { appendStream } from "../duckdb/append.js";
import type { Engine } from "../duckdb/engine.js";
import { insertSql, type LoadedFile, snippetOf } from "./records.js";
import { physicalLine, type SourceFile, streamLines } from "./source.js";

/** One record before it is judged; `broken` when the line was not of the format. */
export interface RawRecord {
  readonly line: number;
  readonly broken: boolean;
  readonly user: string | null;
  readonly item: string | null;
  readonly rating: string | null;
  readonly timestamp: string | null;
  readonly text: string | null;
}

/** Appends records to the `records` table. `rejected` holds, once the stream has ended, the lines that were not text. */
export async function appendRecords(
  engine: Engine,
  source: SourceFile,
  records: AsyncIterable<RawRecord>,
  { rejected = [], timestampUnit = 1 }: { readonly rejected?: readonly number[]; readonly timestampUnit?: number } = {},
): Promise<LoadedFile> {
  const count = async () => (await engine.counts("SELECT count(*) AS n FROM records")).n ?? 0;
  const start = await count();
  await engine.run(
    `CREATE TABLE raw_records (line INTEGER, broken VARCHAR, u VARCHAR, i VARCHAR, r VARCHAR, t VARCHAR, x VARCHAR)`,
  );
  const lines: number[] = [];
  await appendStream(
    engine,
    "raw_records",
    ["integer", "varchar", "varchar", "varchar", "varchar", "varchar", "varchar"],
    (async function* () {
      for await (const { line, broken, user, item, rating, timestamp, text } of records) {
        lines.push(line);
        yield [line, broken ? "" : null, user, item, rating, timestamp, text];
      }
    })(),
  );
  await engine.run(
    insertSql({
      from: "(SELECT * FROM raw_records ORDER BY rowid)",
      columns: { user: "u", item: "i", rating: "r", timestamp: "t", text: "x" },
      broken: "broken IS NOT NULL",
      line: "line",
      timestampUnit,
    }),
  );
  await engine.run("DROP TABLE raw_records");
  return {
    source,
    start,
    end: await count(),
    rejected: rejected.map((line) => ({ line, reason: "is not valid UTF-8 text, or too long" })),
    lines: undefined,
    async locate(rows) {
      const wanted = rows.map((row) => lines[row] ?? 0);
      const texts = new Map<number, string>();
      for await (const { line, text } of streamLines(engine, source)) {
        if (wanted.includes(line)) texts.set(line, snippetOf(text));
        if (line >= Math.max(0, ...wanted)) break;
      }
      return wanted.map((line) => ({ place: `line ${physicalLine(line, rejected)}`, snippet: texts.get(line) ?? "" }));
    },
  };
}
