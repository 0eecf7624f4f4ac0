// Texts of users and items: streams the records of a metadata file and keeps those of ids that are in the dataset.
import type { DuckDBValue } from "@duckdb/node-api";
import { appendStream } from "../duckdb/append.js";
import { type Engine, literal } from "../duckdb/engine.js";
import { looseObject } from "./json-lines.js";
import type { MetadataShape } from "./reader.js";
import { csvOf, snippetOf } from "./records.js";
import { readJsonObject } from "./sequences.js";
import { physicalLine, type SourceFile, streamLines } from "./source.js";

/** `seq` orders the records of one id: the last stands. */
export const METADATA_TABLE = `CREATE TABLE metadata (kind VARCHAR, index INTEGER, seq INTEGER, title VARCHAR, "text" VARCHAR)`;

export interface LoadedMetadata {
  readonly records: number;
  readonly malformed: number;
  /** Records of ids that are not in the dataset, or that a later record of the same id replaced. */
  readonly unused: number;
  /** Where the first few malformed records are. */
  readonly examples: readonly { readonly place: string; readonly snippet: string }[];
}

interface MetaRecord {
  readonly place: number;
  readonly record: Readonly<Record<string, unknown>> | undefined;
  readonly snippet: () => string;
}

const EXAMPLES = 3;

/** Appends what the file says of known ids to the `metadata` table. `index` gives the index of a raw id, or undefined. */
export async function loadMetadata(
  engine: Engine,
  source: SourceFile,
  shape: MetadataShape,
  index: (kind: "user" | "item", id: string) => number | undefined,
): Promise<LoadedMetadata> {
  let records = 0;
  let malformed = 0;
  let unused = 0;
  const rejected: number[] = [];
  const examples: { place: number; snippet: string }[] = [];
  const taken = { user: new Set<number>(), item: new Set<number>() };
  async function* rows(): AsyncGenerator<DuckDBValue[]> {
    for await (const { place, record, snippet } of metaRecords(engine, source, shape, rejected)) {
      records++;
      const description = record && shape.describe(record);
      if (!description) {
        malformed++;
        if (examples.length < EXAMPLES) examples.push({ place, snippet: snippet() });
        continue;
      }
      const found = index(description.kind, description.id);
      if (found === undefined || taken[description.kind].has(found)) unused++;
      if (found === undefined) continue;
      taken[description.kind].add(found);
      yield [description.kind, found, records, description.title, description.text];
    }
  }
  await appendStream(engine, "metadata", ["varchar", "integer", "integer", "varchar", "varchar"], rows());
  const unit = shape.records.kind === "json" || shape.records.kind === "lines" ? "line" : "record";
  return {
    records: records + rejected.length,
    malformed: malformed + rejected.length,
    unused,
    examples: [
      ...examples.map(({ place, snippet }) => ({
        place: `${unit} ${unit === "line" ? physicalLine(place, rejected) : place}`,
        snippet,
      })),
      ...rejected.map((line) => ({ place: `line ${line}`, snippet: "" })),
    ].slice(0, EXAMPLES),
  };
}

async function* metaRecords(
  engine: Engine,
  source: SourceFile,
  { records }: MetadataShape,
  rejected: number[],
): AsyncGenerator<MetaRecord> {
  switch (records.kind) {
    case "json":
      for await (const { line, text } of streamLines(engine, source, { rejected })) {
        if (text.trim() === "") continue;
        yield { place: line, record: looseObject(text), snippet: () => snippetOf(text) };
      }
      return;
    case "lines": {
      const { separator, names, skip, encoding } = records;
      for await (const { line, text } of streamLines(engine, source, { rejected, ...(encoding && { encoding }) })) {
        if (line <= skip || text.trim() === "") continue;
        const cells = text.split(separator);
        const record =
          cells.length === names.length ? Object.fromEntries(names.map((name, k) => [name, cells[k]])) : undefined;
        yield { place: line, record, snippet: () => snippetOf(text) };
      }
      return;
    }
    case "json-map": {
      let place = 0;
      for (const [id, value] of Object.entries(await readJsonObject(engine, source))) {
        const object = typeof value === "object" && value !== null && !Array.isArray(value);
        yield {
          place: ++place,
          record: object ? { ...value, id } : undefined,
          snippet: () => snippetOf(`${id}: ${JSON.stringify(value)}`),
        };
      }
      return;
    }
    case "csv": {
      const shape = { ...records, header: true };
      yield* relationRecords(engine, csvOf(source, shape, "stream_rejects"), rejected);
      return;
    }
    case "parquet":
      yield* relationRecords(engine, `read_parquet(${literal(source.path)})`);
  }
}

async function* relationRecords(engine: Engine, from: string, rejected?: number[]): AsyncGenerator<MetaRecord> {
  const chunks = engine.chunks(
    `SELECT COLUMNS(*)::VARCHAR FROM ${from}`,
    rejected &&
      (async (rows) => {
        for (const row of await rows("SELECT DISTINCT line::DOUBLE AS line FROM stream_rejects ORDER BY line")) {
          rejected.push(Number(row.line));
        }
      }),
  );
  const names = (await engine.rows(`DESCRIBE SELECT * FROM ${from}`)).map((row) => String(row.column_name));
  let place = 0;
  for await (const chunk of chunks) {
    for (const record of chunk.getRowObjects(names)) {
      yield { place: ++place, record, snippet: () => snippetOf(JSON.stringify(record)) };
    }
  }
}
