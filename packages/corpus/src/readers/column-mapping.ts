// Which column of a generic file is what: a mapping as text, and the usual names that apply without one.
import { CorpusError, CorpusUsageError } from "../errors.js";
import type { ColumnMapping, MetaColumns } from "./reader.js";

export const ROLES = ["user", "item", "rating", "timestamp", "text"] as const;

/**
 * Column names that are taken for a role when no mapping is given: lower case, letters and digits only, the preferred
 * first.
 */
const USUAL: Readonly<Record<keyof ColumnMapping, readonly string[]>> = {
  user: ["userid", "user", "uid", "reviewerid", "customerid", "visitorid", "username"],
  item: [
    ...["itemid", "item", "iid", "parentasin", "asin", "productid", "movieid", "businessid", "bookid", "appid"],
    ...["gameid", "songid", "trackid", "artistid", "recipeid", "newsid", "isbn"],
  ],
  rating: ["rating", "stars", "overall", "score", "starrating", "bookrating", "recommended", "isrecommended"],
  timestamp: [
    ...["timestamp", "time", "unixreviewtime", "unixtime", "date", "datetime"],
    ...["reviewdate", "dateadded", "dateupdated", "createdat"],
  ],
  text: ["text", "review", "reviewtext", "reviewbody", "body", "comment"],
};

const plainly = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

/** The columns whose names are usual for a role, the preferred first. */
export function usualColumns(role: keyof ColumnMapping, names: readonly string[]): string[] {
  return USUAL[role].flatMap((usual) => names.filter((name) => plainly(name) === usual));
}

/**
 * Parses "user=uid,item=asin,rating=stars", or by position "user=1,item=2,rating=3".
 * @throws CorpusUsageError on an unknown role, a role named twice, a missing user or item, or one column for two roles.
 */
export function parseColumns(text: string): ColumnMapping {
  const mapping = parsePairs(text, ROLES);
  const { user, item } = mapping;
  if (user === undefined || item === undefined) {
    throw new CorpusUsageError(
      `the column mapping ${JSON.stringify(text)} names no ${user === undefined ? "user" : "item"} column: user=… ` +
        "and item=… are required",
    );
  }
  const parsed = { ...mapping, user, item };
  checkColumns(parsed);
  return parsed;
}

/** @throws CorpusUsageError if one column is to be two of user, item, rating and timestamp. */
export function checkColumns(columns: ColumnMapping): void {
  const roles = ["user", "item", "rating", "timestamp"] as const;
  for (const [k, role] of roles.entries()) {
    const name = columns[role];
    const other = name === undefined ? undefined : roles.slice(0, k).find((earlier) => columns[earlier] === name);
    if (other !== undefined) {
      throw new CorpusUsageError(
        `the column mapping takes the column ${JSON.stringify(name)} for ${other} and for ${role}: each is a ` +
          "column of its own",
      );
    }
  }
}

/**
 * Parses "item=asin,title=name,text=description": the id as `item` or `user`, and what is text.
 * @throws CorpusUsageError on an unknown role, or without exactly one id.
 */
export function parseMetaColumns(text: string): MetaColumns {
  const mapping = parsePairs(text, ["item", "user", "title", "text"]);
  if ((mapping.item === undefined) === (mapping.user === undefined)) {
    throw new CorpusUsageError(
      `the metadata mapping ${JSON.stringify(text)} names ${mapping.item === undefined ? "no id" : "two ids"}: ` +
        "either item=… or user=… is required",
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

/** Whether a mapping names columns by their positions, from 1, as those of a file without a header are. */
export function isPositional(mapping: Readonly<Record<string, string>> | ColumnMapping | undefined): boolean {
  const columns = Object.values(mapping ?? {}).filter((column) => column !== undefined);
  return columns.length > 0 && columns.every((column) => /^[1-9]\d{0,4}$/.test(column));
}

export interface ResolveContext {
  readonly path: string;
  readonly names: readonly string[];
  readonly columns: ColumnMapping | undefined;
  /** Tells the caller about a choice that was not the only one. */
  readonly warn: (message: string, options: readonly string[]) => void;
}

export const listed = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(", ");

/** The mapping to use: the given one, checked, or the usual names. @throws CorpusError naming the columns there are. */
export function resolveColumns({ path, names, columns, warn }: ResolveContext): ColumnMapping {
  if (columns) {
    for (const role of ROLES) {
      const name = columns[role];
      if (name !== undefined && !names.includes(name)) throw noColumn(path, name, role, names, "columns");
    }
    return columns;
  }
  const [users, items, [rating], [timestamp], [text]] = ROLES.map((role) => usualColumns(role, names)) as [
    string[],
    string[],
    string[],
    string[],
    string[],
  ];
  const [[user], [item]] = [users, items];
  if (user === undefined || item === undefined) {
    throw new CorpusError(
      `${path}: which column is the ${user === undefined ? "user" : "item"} is not clear; its columns are ` +
        `${listed(names)}. Name them with \`columns\`: user=…,item=…,rating=…,timestamp=…,text=….`,
      { options: ["columns"] },
    );
  }
  for (const [role, [taken, ...others]] of [["user", users] as const, ["item", items] as const]) {
    if (others.length === 0) continue;
    warn(
      `${path}: the ${role} is taken from the column ${JSON.stringify(taken)}, not from ${listed(others)}. ` +
        "`columns` names another",
      ["columns"],
    );
  }
  return { user, item, ...(rating && { rating }), ...(timestamp && { timestamp }), ...(text && { text }) };
}

/** The error for a mapped column that a file does not have. */
export function noColumn(
  path: string,
  name: string,
  role: string,
  names: readonly string[],
  option: "columns" | "metaColumns",
): CorpusError {
  return new CorpusError(
    `${path} has no column ${JSON.stringify(name)} for ${role}: its columns are ${listed(names)}. Correct ` +
      `\`${option}\`.`,
    { options: [option] },
  );
}
