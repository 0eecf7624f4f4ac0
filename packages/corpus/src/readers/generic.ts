// Any CSV, TSV, JSON-lines or Parquet file, by a mapping of its columns; without one, by the usual names.
import { identifier, literal } from "../duckdb/engine.js";
import { CorpusError, CorpusUsageError } from "../errors.js";
import { loadJsonLines, requireKeys } from "./json-lines.js";
import type { ColumnMapping, FormatName, MetadataShape, Probe, ReadContext, Reader } from "./reader.js";
import { loadCsv, loadRelation } from "./records.js";
import { idOf, labelled, plain, sentences } from "./text.js";

/** Column names, in lower case, that are taken for a role when no mapping is given. */
const USUAL: Readonly<Record<keyof ColumnMapping, readonly string[]>> = {
  user: ["user_id", "user", "userid", "uid", "reviewerid", "reviewer_id", "customer_id"],
  item: ["item_id", "item", "itemid", "iid", "asin", "product_id", "movieid", "movie_id", "business_id"],
  rating: ["rating", "stars", "overall", "score", "star_rating"],
  timestamp: ["timestamp", "time", "unixreviewtime", "unix_time", "date", "datetime"],
  text: ["text", "review", "review_text", "reviewtext", "body", "comment"],
};

const ROLES = ["user", "item", "rating", "timestamp", "text"] as const;

/**
 * Parses "user=uid,item=asin,rating=stars".
 * @throws CorpusUsageError on an unknown role, a role named twice, or a missing user or item.
 */
export function parseColumns(text: string): ColumnMapping {
  const mapping = parsePairs(text, ROLES);
  const { user, item } = mapping;
  if (user === undefined || item === undefined) {
    throw new CorpusUsageError(
      `the column mapping ${JSON.stringify(text)} names no ${user === undefined ? "user" : "item"} column: user=… and item=… are required`,
    );
  }
  return { ...mapping, user, item };
}

/**
 * Parses "item=asin,title=name,text=description": the id as `item` or `user`, and what is text.
 * @throws CorpusUsageError on an unknown role, or without exactly one id.
 */
export function parseMetaColumns(text: string): Partial<Record<"item" | "user" | "title" | "text", string>> {
  const mapping = parsePairs(text, ["item", "user", "title", "text"]);
  if ((mapping.item === undefined) === (mapping.user === undefined)) {
    throw new CorpusUsageError(
      `the metadata mapping ${JSON.stringify(text)} names ${mapping.item === undefined ? "no id" : "two ids"}: either item=… or user=… is required`,
    );
  }
  return mapping;
}

/** Parses "role=column" pairs separated by commas. */
function parsePairs<R extends string>(text: string, roles: readonly R[]): Partial<Record<R, string>> {
  const mapping: Partial<Record<R, string>> = {};
  for (const pair of text.split(",")) {
    const [, roleText = "", column = ""] = /^\s*([^=]*?)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
    const role = roles.find((known) => known === roleText);
    if (role === undefined || column === "") {
      throw new CorpusUsageError(
        `${JSON.stringify(pair)} in the column mapping is not role=column with a role of ${roles.join(", ")}`,
      );
    }
    if (mapping[role] !== undefined)
      throw new CorpusUsageError(`the column mapping names ${role} twice: ${JSON.stringify(text)}`);
    mapping[role] = column;
  }
  return mapping;
}

/** The mapping to use: the given one, checked, or the usual names. @throws CorpusError naming the columns there are. */
function resolveColumns(
  { probe, columns }: Pick<ReadContext, "probe" | "columns">,
  names: readonly string[],
): ColumnMapping {
  const { path } = probe.source;
  const there = names.map((name) => JSON.stringify(name)).join(", ");
  if (columns) {
    for (const role of ROLES) {
      const name = columns[role];
      if (name !== undefined && !names.includes(name)) {
        throw new CorpusError(
          `${path} has no column ${JSON.stringify(name)} for ${role}: its columns are ${there}. Correct --columns.`,
        );
      }
    }
    return columns;
  }
  const found = (role: keyof ColumnMapping) => names.find((name) => USUAL[role].includes(name.toLowerCase()));
  const [user, item, rating, timestamp, text] = ROLES.map(found);
  if (user === undefined || item === undefined) {
    throw new CorpusError(
      `${path}: which column is the ${user === undefined ? "user" : "item"} is not clear; its columns are ${there}. Name them with --columns user=…,item=…,rating=…,timestamp=…,text=….`,
    );
  }
  return { user, item, ...(rating && { rating }), ...(timestamp && { timestamp }), ...(text && { text }) };
}

/** SQL expressions of the mapped columns as text. */
function expressions(mapping: ColumnMapping): ColumnMapping {
  const sql = (name: string | undefined) => (name === undefined ? undefined : `${identifier(name)}::VARCHAR`);
  const rating = sql(mapping.rating);
  const timestamp = sql(mapping.timestamp);
  const text = sql(mapping.text);
  return {
    user: `${identifier(mapping.user)}::VARCHAR`,
    item: `${identifier(mapping.item)}::VARCHAR`,
    ...(rating && { rating }),
    ...(timestamp && { timestamp }),
    ...(text && { text }),
  };
}

const DELIMITERS = { csv: [",", ";", "|", "\t"], tsv: ["\t"] } as const;

/** Delimiter and column names of a CSV or TSV file from its first line. */
export function csvHeader({ lines, source }: Probe, format: "csv" | "tsv"): { delimiter: string; names: string[] } {
  const first = lines[0] ?? "";
  const candidates = DELIMITERS[format].map((delimiter) => ({ delimiter, names: splitQuoted(first, delimiter) }));
  const { delimiter, names } = candidates.reduce((best, next) => (next.names.length > best.names.length ? next : best));
  const repeated = names.find(
    (name, index) => names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) < index,
  );
  if (names.length < 2 || names.includes("") || repeated !== undefined) {
    const what =
      repeated === undefined
        ? "a header with a name for each of at least two columns"
        : `distinct column names (${JSON.stringify(repeated)} comes twice)`;
    throw new CorpusError(
      `${source.path}:1: ${what} is expected (format ${format}), found ${JSON.stringify(first.slice(0, 80))}.`,
    );
  }
  return { delimiter, names };
}

function splitQuoted(line: string, delimiter: string): string[] {
  const cells = [""];
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!;
    if (character === '"') {
      if (quoted && line[at + 1] === '"') cells[cells.length - 1] += line[++at]!;
      else quoted = !quoted;
    } else if (character === delimiter && !quoted) cells.push("");
    else cells[cells.length - 1] += character;
  }
  return cells.map((cell) => cell.trim());
}

/** Metadata by name: an id column, a title, and everything else as "name: value"; or exactly the mapped columns. */
function describeBy(
  { probe, columns, metaColumns }: ReadContext,
  names: readonly string[],
  records: MetadataShape["records"],
): MetadataShape {
  const { path } = probe.source;
  const there = names.map((name) => JSON.stringify(name)).join(", ");
  for (const [role, name] of Object.entries(metaColumns ?? {})) {
    if (!names.includes(name)) {
      throw new CorpusError(
        `${path} has no column ${JSON.stringify(name)} for ${role}: its columns are ${there}. Correct --meta-columns.`,
      );
    }
  }
  const usual = (role: "user" | "item") =>
    names.find((name) => name === columns?.[role]) ?? names.find((name) => USUAL[role].includes(name.toLowerCase()));
  const itemId = metaColumns ? metaColumns.item : usual("item");
  const userId = metaColumns ? metaColumns.user : usual("user");
  const idName = itemId ?? userId;
  if (idName === undefined) {
    throw new CorpusError(
      `${path}: no item or user id among its columns ${there}. Name it with --meta-columns item=…,title=…,text=….`,
    );
  }
  const kind = itemId === undefined ? "user" : "item";
  const titleName = metaColumns ? metaColumns.title : names.find((name) => /^(title|name)$/i.test(name));
  const textName = metaColumns?.text ?? names.find((name) => /^text$/i.test(name));
  return {
    records,
    describe(record) {
      const id = idOf(record[idName]);
      if (id === undefined) return undefined;
      const title = titleName === undefined ? null : plain(record[titleName]);
      if (textName !== undefined) return { kind, id, title, text: plain(record[textName]) };
      const rest = metaColumns
        ? []
        : Object.keys(record)
            .filter((name) => name !== idName && name !== titleName)
            .map((name) => labelled(name.replaceAll("_", " "), plain(record[name])));
      return { kind, id, title, text: sentences(title, ...rest) };
    },
  };
}

function delimited(format: "csv" | "tsv"): Reader {
  return {
    format,
    about: `any ${format.toUpperCase()} file with a header, by --columns`,
    recognises: ({ name }) => name.endsWith(`.${format}`) || (format === "tsv" && name.endsWith(".tab")),
    async load(context) {
      const { engine, probe } = context;
      const { delimiter, names } = csvHeader(probe, format);
      const columns = expressions(resolveColumns(context, names));
      return loadCsv(engine, probe.source, { delimiter, names, header: true }, { columns });
    },
    async metadata(context) {
      const { delimiter, names } = csvHeader(context.probe, format);
      return describeBy(context, names, { kind: "csv", delimiter, names });
    },
  };
}

export const csv = delimited("csv");
export const tsv = delimited("tsv");

export const jsonl: Reader = {
  format: "jsonl",
  about: "any file of one JSON object a line, by --columns",
  recognises: ({ object }) => object !== undefined,
  async load(context) {
    requireKeys(context.probe, "jsonl", []);
    const names = keysOf(context.probe);
    if (names.length === 0) return loadJsonLines(context, "jsonl", { user: "user", item: "item" }, { required: [] });
    return loadJsonLines(context, "jsonl", resolveColumns(context, names));
  },
  async metadata(context) {
    requireKeys(context.probe, "jsonl", []);
    return describeBy(context, keysOf(context.probe), { kind: "json" });
  },
};

/** The keys of all objects in the first lines. */
function keysOf({ lines }: Probe): string[] {
  const keys = lines.flatMap((line) => {
    try {
      return Object.keys(JSON.parse(line) ?? {});
    } catch {
      return [];
    }
  });
  return [...new Set(keys)];
}

async function parquetNames({ engine, probe }: ReadContext): Promise<string[]> {
  const rows = await engine.rows(`DESCRIBE SELECT * FROM read_parquet(${literal(probe.source.path)})`);
  return rows.map((row) => String(row.column_name));
}

export const parquet: Reader = {
  format: "parquet",
  about: "any Parquet file, by --columns",
  recognises: ({ parquet }) => parquet,
  async load(context) {
    const { engine, probe } = context;
    const columns = expressions(resolveColumns(context, await parquetNames(context)));
    return loadRelation(engine, probe.source, { from: `read_parquet(${literal(probe.source.path)})`, columns });
  },
  async metadata(context) {
    return describeBy(context, await parquetNames(context), { kind: "parquet" });
  },
};

export const GENERIC_FORMATS: readonly FormatName[] = ["csv", "tsv", "jsonl", "parquet"];
