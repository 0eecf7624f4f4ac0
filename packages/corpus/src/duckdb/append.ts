// Bulk transfer of JavaScript values into a DuckDB table, in chunks of DuckDB's vector size.
import {
  BIGINT,
  DOUBLE,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  UTINYINT,
  VARCHAR,
} from "@duckdb/node-api";
import type { Engine } from "./engine.js";

const TYPES = {
  integer: INTEGER,
  double: DOUBLE,
  varchar: VARCHAR,
  bigint: BIGINT,
  utinyint: UTINYINT,
} satisfies Record<string, DuckDBType>;

/**
 * Appends `rows` rows to `table`; `value(row, column)` gives what goes where, null included. The table's column types
 * must match.
 */
export async function appendColumns(
  engine: Engine,
  table: string,
  types: readonly (keyof typeof TYPES)[],
  rows: number,
  value: (row: number, column: number) => DuckDBValue,
): Promise<void> {
  const appender = await engine.connection.createAppender(table);
  const chunkTypes = types.map((type) => TYPES[type]);
  for (let start = 0; start < rows; start += 2048) {
    const size = Math.min(2048, rows - start);
    const chunk = DuckDBDataChunk.create(chunkTypes, size);
    for (let column = 0; column < types.length; column++) {
      const vector = chunk.getColumnVector(column);
      for (let i = 0; i < size; i++) vector.setItem(i, value(start + i, column));
      vector.flush();
    }
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}

/** Appends rows as they come, each with one value a column. */
export async function appendStream(
  engine: Engine,
  table: string,
  types: readonly (keyof typeof TYPES)[],
  rows: AsyncIterable<readonly DuckDBValue[]>,
): Promise<void> {
  let batch: (readonly DuckDBValue[])[] = [];
  for await (const row of rows) {
    if (batch.push(row) < BATCH) continue;
    await appendColumns(engine, table, types, batch.length, (row, column) => batch[row]![column]!);
    batch = [];
  }
  await appendColumns(engine, table, types, batch.length, (row, column) => batch[row]![column]!);
}

/** Rows held in JavaScript at a time. */
const BATCH = 8 * 2048;
