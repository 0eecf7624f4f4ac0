// Records that JavaScript made, judged by the same SQL as those that DuckDB reads itself.
import { appendStream } from "../duckdb/append.js";
import type { Engine } from "../duckdb/engine.js";
import { insertSql, type LoadedFile, lineNumbers, snippetOf } from "./records.js";
import { physicalLine, type SourceFile, streamLines } from "./source.js";
import { wellFormed } from "./text.js";

/** One record before it is judged. */
export interface RawRecord {
  readonly line: number;
  /** The line is not of the format, or belongs to a quoted field that began on another one. */
  readonly problem?: "broken" | "swallowed" | undefined;
  /** What is wrong with it, where more can be said than that. */
  readonly reason?: string | undefined;
  readonly user: string | null;
  readonly item: string | null;
  readonly rating: string | null;
  readonly timestamp: string | null;
  readonly text: string | null;
}

/** Reasons that are kept, each with its row: only the first few records are ever shown. */
const REASONS_KEPT = 10;

/**
 * Appends records to the `records` table. `rejected` holds, once the stream has ended, the lines that were not text.
 */
export async function appendRecords(
  engine: Engine,
  source: SourceFile,
  records: AsyncIterable<RawRecord>,
  { rejected = [], timestampUnit = 1 }: { readonly rejected?: readonly number[]; readonly timestampUnit?: number } = {},
): Promise<LoadedFile> {
  const count = async () => (await engine.counts("SELECT count(*) AS n FROM records")).n ?? 0;
  const start = await count();
  await engine.run(
    "CREATE TABLE raw_records (line INTEGER, problem VARCHAR, mended INTEGER, u VARCHAR, i VARCHAR, r VARCHAR, t " +
      "VARCHAR, x VARCHAR)",
  );
  const reasons = new Map<number, string>();
  let row = 0;
  await appendStream(
    engine,
    "raw_records",
    ["integer", "varchar", "integer", "varchar", "varchar", "varchar", "varchar", "varchar"],
    (async function* () {
      for await (const { line, problem, reason, user, item, rating, timestamp, text } of records) {
        if (reason !== undefined && reasons.size < REASONS_KEPT) reasons.set(row, reason);
        row++;
        const ids = [wellFormed(user), wellFormed(item)] as const;
        const body = wellFormed(text);
        const mended = ids[0] !== user || ids[1] !== item || body !== text;
        yield [line, problem ?? null, mended ? 1 : 0, ...ids, rating, timestamp, body];
      }
    })(),
  );
  await engine.run(
    insertSql({
      from: "(SELECT * FROM raw_records ORDER BY rowid)",
      columns: { user: "u", item: "i", rating: "r", timestamp: "t", text: "x" },
      broken: "coalesce(problem = 'broken', FALSE)",
      swallowed: "coalesce(problem = 'swallowed', FALSE)",
      mended: "mended = 1",
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
      const lineOf = await lineNumbers(engine, start, rows);
      const wanted = rows.map((row) => lineOf.get(row) ?? 0);
      const last = Math.max(0, ...wanted);
      const texts = new Map<number, string>();
      for await (const { line, text } of streamLines(engine, source)) {
        if (wanted.includes(line)) texts.set(line, snippetOf(text));
        if (line >= last) break;
      }
      return wanted.map((line, k) => {
        const reason = reasons.get(rows[k]!);
        return {
          place: `line ${physicalLine(line, rejected)}`,
          snippet: texts.get(line) ?? "",
          ...(reason !== undefined && { reason }),
        };
      });
    },
  };
}
