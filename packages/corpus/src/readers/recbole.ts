// RecBole's atomic files: tab-separated with a typed header; .inter holds interactions, .item and .user describe.
// Source: recbole.io/docs/user_guide/data/atomic_files.html. Fields are not quoted; a token_seq is separated by spaces.
import { CorpusError } from "../errors.js";
import { isNoText, labelledColumns } from "./describe-columns.js";
import type { Probe, Reader } from "./reader.js";
import { loadLines } from "./records.js";
import { loadSequences } from "./sequences.js";
import { idOf, plain, sentences } from "./text.js";

const FIELD = /^([^:\t]+):(token|token_seq|float|float_seq)$/;

interface Field {
  readonly name: string;
  readonly type: string;
}

/** @throws CorpusError unless the first line is a typed header. */
function header({ lines, source }: Probe): Field[] {
  return (lines[0] ?? "")
    .trimEnd()
    .split("\t")
    .map((cell) => {
      const field = FIELD.exec(cell);
      if (!field) {
        throw new CorpusError(
          `${source.path}:1: a RecBole header such as "user_id:token<tab>item_id:token" is expected, found the ` +
            `cell ${JSON.stringify(cell.slice(0, 60))}. Name the right \`format\`.`,
          { options: ["format"] },
        );
      }
      return { name: field[1]!, type: field[2]! };
    });
}

/** The SQL of a field by name, or undefined. */
function fieldSql(fields: readonly Field[], ...names: string[]): string | undefined {
  const index = fields.findIndex(({ name }) => names.includes(name));
  return index < 0 ? undefined : `f[${index + 1}]`;
}

export const recbole: Reader = {
  format: "recbole",
  about:
    "RecBole atomic files: *.inter, also *.train/valid/test.inter, whose split is kept; metadata *.item and *.user",
  recognises: ({ name, lines }) =>
    /\.(inter|item|user)$/.test(name) &&
    (lines[0] ?? "")
      .trimEnd()
      .split("\t")
      .every((cell) => FIELD.test(cell)),
  describes: (probe) => /\.(item|user)$/.test(probe.name) && recbole.recognises(probe),
  async load({ engine, probe, part }) {
    const fields = header(probe);
    const user = fieldSql(fields, "user_id");
    const item = fieldSql(fields, "item_id");
    const history = fieldSql(fields, "item_id_list");
    if (user === undefined || (item === undefined && history === undefined)) {
      throw new CorpusError(
        `${probe.source.path}:1: user_id and item_id are expected in the header, found ` +
          `${fields.map(({ name }) => name).join(", ")}.`,
      );
    }
    const split = (lines: string) => `(SELECT l, string_split(l, chr(9)) AS f FROM ${lines})`;
    const broken = `len(f) <> ${fields.length}`;
    const blank = "coalesce(trim(l), '') = ''";
    // What a line of a held-out file asks for is its target; the history before it is in the other files.
    const targetOnly = part !== undefined && part !== "train" && item !== undefined;
    if (history === undefined || targetOnly) {
      const rating = fieldSql(fields, "rating", "label");
      const timestamp = fieldSql(fields, "timestamp");
      const text = fieldSql(fields, "review_text", "reviewText", "review", "text");
      return loadLines(
        engine,
        probe.source,
        { skip: 1 },
        {
          from: split,
          columns: {
            user,
            item: item!,
            ...(rating && { rating }),
            ...(timestamp && { timestamp }),
            ...(text && { text }),
          },
          broken,
          blank,
        },
      );
    }
    // A history and its target are one interaction each; the position replaces the time.
    const list =
      `list_filter(list_concat(string_split(${history}, ' ')${item === undefined ? "" : `, [${item}]`}), lambda x ` +
      ": x <> '')";
    return loadSequences(engine, probe.source, {
      skip: 1,
      fields: "string_split(l, chr(9))",
      user,
      list,
      broken,
    });
  },
  async metadata({ probe }) {
    const fields = header(probe);
    const kind = fields.some(({ name }) => name === "item_id") ? "item" : "user";
    const idName = `${kind}_id`;
    if (!fields.some(({ name }) => name === idName)) {
      throw new CorpusError(
        `${probe.source.path}:1: item_id or user_id is expected in the header, found ` +
          `${fields.map(({ name }) => name).join(", ")}.`,
      );
    }
    const others = fields.map(({ name }) => name).filter((name) => name !== idName);
    const titleName = others.find((name) => /(^|_)(title|name)$/.test(name));
    const texts = others.filter((name) => name !== titleName && !isNoText(name));
    return {
      records: { kind: "lines", separator: "\t", names: fields.map(({ name }) => name), skip: 1 },
      describe(record) {
        const id = idOf(record[idName]);
        if (id === undefined) return undefined;
        const title = titleName === undefined ? null : plain(record[titleName]);
        return { kind, id, title, text: sentences(title, ...labelledColumns(record, texts)) };
      },
    };
  },
};
