// Files in which a line holds a user's items in time order; the position in the sequence replaces the time.
// S3-Rec and its descendants: "user item item …"; and one JSON object {"user": [items]} for a whole data set.
import type { Engine } from "../duckdb/engine.js";
import { CorpusError, reasonOf } from "../errors.js";
import { appendRecords, type RawRecord } from "./append-records.js";
import type { Probe, ReadContext, Reader } from "./reader.js";
import { type LoadedFile, loadLines } from "./records.js";
import { type SourceFile, streamLines } from "./source.js";
import { idOf, plain, sentences } from "./text.js";

/** Loads lines that hold several interactions each. A line without any item is malformed. */
export function loadSequences(
  engine: Engine,
  source: SourceFile,
  {
    skip,
    fields,
    user,
    list,
    broken,
  }: {
    readonly skip: number;
    /** SQL over `l`: the line as a list, named `f` in the other expressions. */
    readonly fields: string;
    readonly user: string;
    /** SQL over `f`: the items as a list of strings. */
    readonly list: string;
    readonly broken: string;
  },
): Promise<LoadedFile> {
  const unusable = `(${broken}) OR len(coalesce(${list}, [])) = 0`;
  return loadLines(
    engine,
    source,
    { skip },
    {
      from: (lines) => `(
        SELECT f, line, unnest(CASE WHEN ${unusable} THEN [{'item': '-', 'position': 0}]
          ELSE list_transform(${list}, lambda x, k : {'item': x, 'position': k}) END) AS step
        FROM (SELECT l, ${fields} AS f, row_number() OVER () + ${skip} AS line FROM ${lines})
        WHERE coalesce(trim(l), '') <> '')`,
      columns: { user, item: "step.item", timestamp: "step.position::VARCHAR" },
      broken: "step.position = 0",
      line: "line",
    },
  );
}

export const s3rec: Reader = {
  format: "s3rec",
  about: 'one user a line, "user item item …" in time order (S3-Rec, SASRec-style data)',
  recognises: ({ name, lines }) =>
    /\.(txt|seq)$/.test(name) && lines.length > 0 && lines.every((line) => /^\d+( \d+){2,}\s*$/.test(line)),
  load({ engine, probe }) {
    return loadSequences(engine, probe.source, {
      skip: 0,
      fields: "list_filter(string_split_regex(l, '\\s+'), lambda x : x <> '')",
      user: "f[1]",
      list: "f[2:]",
      broken: "FALSE",
    });
  },
  async metadata({ probe }) {
    throw new CorpusError(
      `${probe.source.path}: s3rec sequences have no text metadata (the attributes of *_item2attributes.json are ` +
        "numbers without names). Leave `meta` out.",
      { options: ["meta"] },
    );
  },
};

async function* records({ engine, probe }: ReadContext): AsyncGenerator<RawRecord> {
  const nothing = { rating: null, timestamp: null, text: null } as const;
  for (const [user, items] of Object.entries(await readJsonObject(engine, probe.source))) {
    if (!Array.isArray(items)) {
      yield { ...nothing, line: 1, problem: "broken", user, item: null };
      continue;
    }
    for (const [position, item] of items.entries()) {
      yield { ...nothing, line: 1, user, item: idOf(item) ?? null, timestamp: String(position + 1) };
    }
  }
}

/** A file that is one JSON object. */
export async function readJsonObject(engine: Engine, source: SourceFile): Promise<Record<string, unknown>> {
  const rejected: number[] = [];
  const lines: string[] = [];
  for await (const { text } of streamLines(engine, source, { rejected })) lines.push(text);
  let value: unknown;
  try {
    if (rejected.length > 0) throw new Error(`line ${rejected[0]} is not valid UTF-8 text, or too long`);
    value = JSON.parse(lines.join("\n"));
  } catch (error) {
    throw new CorpusError(`${source.path} is not one JSON object: ${reasonOf(error)}.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CorpusError(
      `${source.path}: one JSON object, {"id": …}, is expected, found ${JSON.stringify(value).slice(0, 40)}.`,
    );
  }
  return Object.fromEntries(Object.entries(value));
}

const isSequence = (value: unknown) =>
  Array.isArray(value) && value.every((item) => typeof item === "string" || typeof item === "number");

/**
 * Whether the file's one object, as far as it was seen, has only such values. A record with lists in it is no object of
 * sequences.
 */
function allValues({ object, stream }: Probe, wanted: (value: unknown) => boolean): boolean {
  const first = object ?? stream?.[0];
  return (stream === undefined || stream.length <= 1) && (first === undefined || Object.values(first).every(wanted));
}

export const sequencesJson: Reader = {
  format: "sequences-json",
  about: 'one JSON object {"user": [item, …]} in time order; metadata {"item": {"title", "description", …}}',
  recognises: (probe) =>
    /\.json$/.test(probe.name) && /^\s*\{\s*"[^"]*"\s*:\s*\[\s*["\d]/.test(probe.start) && allValues(probe, isSequence),
  describes: (probe) =>
    /\.json$/.test(probe.name) &&
    /^\s*\{\s*"[^"]*"\s*:\s*\{/.test(probe.start) &&
    allValues(probe, (value) => typeof value === "object" && value !== null && !Array.isArray(value)),
  async load(context) {
    const loaded = await appendRecords(context.engine, context.probe.source, records(context));
    return { ...loaded, locate: async (rows) => rows.map((row) => ({ place: `interaction ${row + 1}`, snippet: "" })) };
  },
  metadata: async () => ({
    records: { kind: "json-map" },
    describe(record) {
      const id = idOf(record.id);
      if (id === undefined) return undefined;
      const title = plain(record.title);
      const rest = [plain(record.brand), plain(record.categories), plain(record.description, " ")];
      return { kind: "item", id, title, text: sentences(title, ...rest, plain(record.text)) };
    },
  }),
};
