// Texts of users and items: streams the records of a metadata file and keeps those of ids that are in the dataset.
import type { DuckDBValue } from "@duckdb/node-api";
import { appendStream } from "../duckdb/append.js";
import type { Engine } from "../duckdb/engine.js";
import { parquetOf } from "../duckdb/files.js";
import { csvRecords } from "./csv-records.js";
import { looseObject } from "./json-lines.js";
import { streamJson } from "./json-stream.js";
import type { MetadataShape } from "./reader.js";
import { snippetOf } from "./records.js";
import { readJsonObject } from "./sequences.js";
import { physicalLine, type SourceFile, streamLines } from "./source.js";
import { wellFormed } from "./text.js";

/** `seq` orders the records of one id: the last one counts. */
export const METADATA_TABLE = `CREATE TABLE metadata (kind VARCHAR, index INTEGER, seq INTEGER, title VARCHAR,
  "text" VARCHAR)`;

export interface LoadedMetadata {
  readonly records: number;
  readonly malformed: number;
  /** Records of ids that are not in the dataset, or that a later record of the same id replaced. */
  readonly unused: number;
  /** Records in whose texts halves of surrogate pairs were replaced. */
  readonly mended: number;
  /** Where the first few malformed records are. */
  readonly examples: readonly { readonly place: string; readonly snippet: string; readonly reason: string }[];
}

interface MetaRecord {
  readonly place: number;
  /** How many records the lines of a malformed one count for. Default 1. */
  readonly count?: number;
  readonly reason?: string | undefined;
  readonly record: Readonly<Record<string, unknown>> | undefined;
  readonly snippet: () => string;
}

const EXAMPLES = 3;

/**
 * Appends what the file says of known ids to the `metadata` table. `index` gives the index of a raw id, or undefined.
 */
export async function loadMetadata(
  engine: Engine,
  source: SourceFile,
  shape: MetadataShape,
  index: (kind: "user" | "item", id: string) => number | undefined,
): Promise<LoadedMetadata> {
  let records = 0;
  let malformed = 0;
  let unused = 0;
  let mended = 0;
  const rejected: number[] = [];
  const examples: { place: number; snippet: string; reason: string }[] = [];
  const taken = { user: new Set<number>(), item: new Set<number>() };
  async function* rows(): AsyncGenerator<DuckDBValue[]> {
    for await (const { place, record, snippet, count = 1, reason } of metaRecords(engine, source, shape, rejected)) {
      records += record ? 1 : count;
      const description = record && shape.describe(record);
      if (!description) {
        malformed += record ? 1 : count;
        if (examples.length < EXAMPLES) {
          examples.push({ place, snippet: snippet(), reason: reason ?? "is not metadata of the format" });
        }
        continue;
      }
      const found = index(description.kind, description.id);
      if (found === undefined || taken[description.kind].has(found)) unused++;
      if (found === undefined) continue;
      taken[description.kind].add(found);
      const [title, text] = [wellFormed(description.title), wellFormed(description.text)];
      if (title !== description.title || text !== description.text) mended++;
      yield [description.kind, found, records, title, text];
    }
  }
  await appendStream(engine, "metadata", ["varchar", "integer", "integer", "varchar", "varchar"], rows());
  const unit = ["json-map", "parquet"].includes(shape.records.kind) ? "record" : "line";
  return {
    records: records + rejected.length,
    malformed: malformed + rejected.length,
    unused,
    mended,
    examples: [
      ...examples.map(({ place, snippet, reason }) => ({
        place: `${unit} ${unit === "line" ? physicalLine(place, rejected) : place}`,
        snippet,
        reason,
      })),
      ...rejected.map((line) => ({
        place: `line ${line}`,
        snippet: "",
        reason: "is not valid UTF-8 text, or too long",
      })),
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
    case "json-stream":
      for await (const { line, text } of streamJson(engine, source)) {
        yield { place: line, record: looseObject(text), snippet: () => snippetOf(text) };
      }
      return;
    case "csv":
      for await (const { line, last, text, cells, problem } of csvRecords(
        streamLines(engine, source, { rejected }),
        records,
      )) {
        const record = cells && Object.fromEntries(records.names.map((name, k) => [name, cells[k]]));
        yield { place: line, count: last - line + 1, reason: problem, record, snippet: () => snippetOf(text) };
      }
      return;
    case "parquet":
      yield* relationRecords(engine, parquetOf(source.path));
  }
}

async function* relationRecords(engine: Engine, from: string): AsyncGenerator<MetaRecord> {
  const names = (await engine.rows(`DESCRIBE SELECT * FROM ${from}`)).map((row) => String(row.column_name));
  let place = 0;
  for await (const chunk of engine.chunks(`SELECT COLUMNS(*)::VARCHAR FROM ${from}`)) {
    for (const record of chunk.getRowObjects(names)) {
      yield { place: ++place, record, snippet: () => snippetOf(JSON.stringify(record)) };
    }
  }
}
