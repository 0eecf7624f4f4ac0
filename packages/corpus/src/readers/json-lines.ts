// Loading files of one JSON object a line, shared by every format that comes as such.
import { identifier, literal } from "../duckdb/engine.js";
import { CorpusError } from "../errors.js";
import { appendRecords, type RawRecord } from "./append-records.js";
import { listed } from "./column-mapping.js";
import { parsePythonLiteral } from "./python-literal.js";
import type { Probe, ReadContext } from "./reader.js";
import { type LoadedFile, loadLines } from "./records.js";
import { streamLines } from "./source.js";

/** Which keys of the objects are what. */
export interface JsonKeys {
  readonly user: string;
  readonly item: string;
  readonly rating?: string;
  readonly timestamp?: string;
  readonly text?: string;
}

/** Loads interactions by key. A file whose first object is a Python literal is read as such throughout. */
export async function loadJsonLines(
  { engine, probe }: Pick<ReadContext, "engine" | "probe">,
  format: string,
  keys: JsonKeys,
  {
    timestampUnit = 1,
    required = [keys.user, keys.item],
  }: { timestampUnit?: number; required?: readonly string[] } = {},
): Promise<LoadedFile> {
  requireKeys(probe, format, required);
  if (probe.loose) {
    const rejected: number[] = [];
    const records = looseRecords({ engine, probe }, keys, rejected);
    return appendRecords(engine, probe.source, records, { rejected, timestampUnit });
  }
  const structure = literal(JSON.stringify(Object.fromEntries(Object.values(keys).map((key) => [key, "VARCHAR"]))));
  const field = (key: string) => `object.${identifier(key)}`;
  return loadLines(
    engine,
    probe.source,
    {},
    {
      // TRY: a line that is not JSON gives NULL. Values of other types come as their text and are judged as such.
      from: (
        lines,
      ) => `(SELECT l, halved, CASE WHEN halved THEN TRY(from_json(${MENDED}, ${structure})) ELSE whole END AS object
        FROM (SELECT l, whole, whole IS NULL AND ${HALVED} AS halved
          FROM (SELECT l, TRY(from_json(l, ${structure})) AS whole FROM ${lines})))`,
      columns: {
        user: field(keys.user),
        item: field(keys.item),
        ...(keys.rating !== undefined && { rating: field(keys.rating) }),
        ...(keys.timestamp !== undefined && { timestamp: field(keys.timestamp) }),
        ...(keys.text !== undefined && { text: field(keys.text) }),
      },
      broken: `object IS NULL OR NOT starts_with(ltrim(l), '{')`,
      blank: `coalesce(trim(l), '') = ''`,
      mended: "halved AND object IS NOT NULL",
      timestampUnit,
    },
  );
}

/**
 * SQL: a line that is no JSON to DuckDB may hold half of a surrogate pair, such as \\ud83d before anything but its
 * other half.
 */
const HALVED = String.raw`contains(l, '\u') AND regexp_matches(l, '\\u[dD][89a-fA-F]')
  AND NOT regexp_matches(l, '[\x01-\x03]')`;

/** SQL: the line with U+FFFD for each such half. Escaped backslashes and whole pairs are set aside meanwhile. */
const MENDED = (() => {
  const aside = String.raw`replace(l, '\\', chr(1))`;
  const pairs = String.raw`regexp_replace(${aside},
    '\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})', chr(2) || '\1' || chr(3) || '\2', 'g')`;
  const mended = String.raw`regexp_replace(${pairs}, '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\ufffd', 'g')`;
  return String.raw`replace(replace(replace(${mended}, chr(2), '\u'), chr(3), '\u'), chr(1), '\\')`;
})();

/** @throws CorpusError unless the first lines are objects of which at least one has each key. An empty file passes. */
export function requireKeys(probe: Probe, format: string, keys: readonly string[]): void {
  const first = probe.lines.findIndex((line) => line.trim() !== "");
  if (first < 0) return;
  if (!probe.object) {
    throw new CorpusError(
      `${probe.source.path}:${first + 1}: one JSON object a line is expected (format ${format}), found ` +
        `${JSON.stringify(probe.lines[first]!.slice(0, 60))}. Name the right \`format\`.`,
      { options: ["format"] },
    );
  }
  const found = new Set(probe.lines.flatMap((line) => Object.keys(looseObject(line) ?? {})));
  const missing = keys.filter((key) => !found.has(key));
  if (missing.length > 0) {
    throw new CorpusError(
      `${probe.source.path}: the first records have no ${listed(missing)} (format ${format}), only ` +
        `${listed([...found])}. Name the right \`format\`, or the columns with \`columns\`.`,
      { options: ["format", "columns"] },
    );
  }
}

async function* looseRecords(
  { engine, probe }: Pick<ReadContext, "engine" | "probe">,
  keys: JsonKeys,
  rejected: number[],
): AsyncGenerator<RawRecord> {
  for await (const { line, text } of streamLines(engine, probe.source, { rejected })) {
    if (text.trim() === "") continue;
    const object = looseObject(text);
    const value = (key: string | undefined) => fieldText(object, key);
    yield {
      line,
      problem: object === undefined ? "broken" : undefined,
      user: value(keys.user),
      item: value(keys.item),
      rating: value(keys.rating),
      timestamp: value(keys.timestamp),
      text: value(keys.text),
    };
  }
}

/** A field as text, null where there is none. */
export function fieldText(
  object: Readonly<Record<string, unknown>> | undefined,
  key: string | undefined,
): string | null {
  const found = key === undefined ? undefined : object?.[key];
  if (found === undefined || found === null) return null;
  return typeof found === "object" ? JSON.stringify(found) : String(found);
}

/** A line as an object, from JSON or a Python literal; undefined if it is neither. */
export function looseObject(text: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    try {
      value = parsePythonLiteral(text.trim());
    } catch {
      return undefined;
    }
  }
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : undefined;
}
