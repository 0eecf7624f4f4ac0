// Texts from metadata of no known format: an id, a title, and every other column as "name: value", or exactly the
// mapped columns. What sums up reviews would carry held-out interactions into training; links and ids of other things
// say nothing to a reader.
import { CorpusError } from "../errors.js";
import { listed, noColumn, usualColumns } from "./column-mapping.js";
import type { MetadataShape, ReadContext } from "./reader.js";
import { idOf, labelled, plain, sentences } from "./text.js";

/** Columns that sum up reviews or purchases, in words between underscores. */
const AGGREGATE =
  /(^|_)(average|avg|mean|count|counts|num|number|total|stars?|ratings?|score|rank|ranks|salesrank|votes?|helpful|useful|popularity|popular|similar|also|related|together|likes|views|sales|sold|reviews|recommendations|metascore)(_|$)/;
/** … except where a count is of the thing itself. */
const OWN_COUNT =
  /(^|_)(pages?|tracks?|chapters?|episodes?|seasons?|players?|discs?|pieces?|words?|minutes|volumes?)(_|$)/;
/** Columns of links and pictures. */
const LINK =
  /(^|_)(url|urls|uri|link|links|href|image|images|img|picture|thumbnail|thumb|poster|cover|photo|photos|video|videos|website|screenshots?)(_|$)/;
/** Columns of ids of the thing or of others. */
const ID = /(^|_)(id|ids|uuid|guid|isbn|isbn10|isbn13|asin|asins|ean|upc|gtin|index|level)(_|$)/;
const URL_VALUE = /^(https?|ftp):\/\/\S+$|^\/\/\S+\.\S+$|^www\.\S+$/i;

/** `imageURL` and `similar-books` as words between underscores. */
const words = (name: string) =>
  name
    .replace(/([a-z\d])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_");

/** Whether a column of unknown metadata stays out of the texts. */
export function isNoText(name: string): boolean {
  const text = words(name);
  return (AGGREGATE.test(text) && !OWN_COUNT.test(text)) || LINK.test(text) || ID.test(text);
}

const isUrl = (value: unknown): boolean =>
  (typeof value === "string" && URL_VALUE.test(value.trim())) ||
  (Array.isArray(value) && value.length > 0 && value.every(isUrl));

/** "name: value" of each column that is text, or null. */
export function labelledColumns(
  record: Readonly<Record<string, unknown>>,
  names: readonly string[],
): (string | null)[] {
  return names.map((name) =>
    isUrl(record[name]) ? null : labelled(name.replaceAll("_", " ").trim(), plain(record[name])),
  );
}

/**
 * The shape of a metadata file with these columns. @throws CorpusError if none of them is an id, or a mapped one is
 * missing.
 */
export function describeBy(
  { probe, columns, metaColumns, warn }: ReadContext,
  names: readonly string[],
  records: MetadataShape["records"],
): MetadataShape {
  const { path } = probe.source;
  for (const [role, name] of Object.entries(metaColumns ?? {})) {
    if (!names.includes(name)) throw noColumn(path, name, role, names, "metaColumns");
  }
  const usual = (role: "user" | "item") =>
    names.find((name) => name === columns?.[role]) ?? usualColumns(role, names)[0];
  const itemId = metaColumns ? metaColumns.item : usual("item");
  const userId = metaColumns ? metaColumns.user : usual("user");
  const idName = itemId ?? userId;
  if (idName === undefined) {
    throw new CorpusError(
      `${path}: no item or user id among its columns ${listed(names)}. Name it with \`metaColumns\`: ` +
        "item=…,title=…,text=….",
      { options: ["metaColumns"] },
    );
  }
  const kind = itemId === undefined ? "user" : "item";
  const titleName = metaColumns ? metaColumns.title : names.find((name) => /^(title|name)$/i.test(name));
  const textName = metaColumns ? metaColumns.text : names.find((name) => /^text$/i.test(name));
  const others =
    metaColumns || textName ? [] : names.filter((name) => name !== idName && name !== titleName && name !== "");
  const leftOut = others.filter(isNoText);
  if (leftOut.length > 0) {
    warn(
      `${path}: not in the texts, as ids, links or sums of reviews: ${leftOut.join(", ")}. \`metaColumns\` names ` +
        "what is text",
      ["metaColumns"],
    );
  }
  const texts = others.filter((name) => !isNoText(name));
  return {
    records,
    describe(record) {
      const id = idOf(record[idName]);
      if (id === undefined) return undefined;
      const title = titleName === undefined ? null : plain(record[titleName]);
      if (textName !== undefined) return { kind, id, title, text: plain(record[textName]) };
      return { kind, id, title, text: sentences(title, ...labelledColumns(record, texts)) };
    },
  };
}
