// The records of a CSV file, line by line: the careful reading, for files in which a quote does not do what it should,
// and for metadata. A quoted field may hold line ends. Where its quote is never closed, or closes in the middle of
// text, or what it holds are records themselves, none of its lines can be trusted: all of them are malformed.
import { CellSplitter, type CsvShape, splitCells } from "./csv-dialect.js";
import { MAX_LINE_BYTES } from "./source.js";

/** One record of a file, or a stretch of lines that is none. */
export interface CsvRecord {
  /** The lines that it takes, counted from 1. */
  readonly line: number;
  readonly last: number;
  /** The first of them. */
  readonly text: string;
  readonly cells: readonly string[] | undefined;
  /** Why there are no cells. */
  readonly problem?: string;
}

/** The columns that a line must have to count as a record, as indices. */
export interface RecordSigns {
  readonly columns: number;
  readonly user?: number;
  readonly item?: number;
  readonly rating?: number;
  readonly timestamp?: number;
}

const isNumber = (text: string) => text.trim() !== "" && Number.isFinite(Number(text));

/**
 * Whether lines that a quoted field swallowed look like records: as many cells, ids without white space, and a rating
 * or a time that is one. Where the file has neither, every line must look like one.
 */
export function lookLikeRecords(lines: readonly string[], delimiter: string, signs: RecordSigns): boolean {
  const { columns, user, item, rating, timestamp } = signs;
  if (user === undefined || item === undefined || lines.length === 0) return false;
  const isId = (text: string | undefined) => text !== undefined && /^"?[^\s"]+"?$/.test(text);
  const looksLikeOne = (line: string): boolean => {
    const cells = line.split(delimiter);
    if (cells.length !== columns || !isId(cells[user]) || !isId(cells[item])) return false;
    const unquoted = (index: number) => (cells[index] ?? "").replaceAll('"', "").trim();
    if (rating !== undefined && !/^(true|false|)$/i.test(unquoted(rating)) && !isNumber(unquoted(rating))) return false;
    const time = timestamp === undefined ? "" : unquoted(timestamp);
    return time === "" || isNumber(time) || !Number.isNaN(Date.parse(time));
  };
  return rating === undefined && timestamp === undefined ? lines.every(looksLikeOne) : lines.some(looksLikeOne);
}

/** Records in the order of the file; empty lines between them are none. */
export async function* csvRecords(
  lines: AsyncIterable<{ readonly line: number; readonly text: string }>,
  shape: CsvShape,
  signs: RecordSigns = { columns: shape.names.length },
): AsyncGenerator<CsvRecord> {
  let skip = shape.header;
  let open: OpenRecord | undefined;
  for await (const { line, text } of lines) {
    let record: CsvRecord | undefined;
    if (open) {
      if (open.push(line, text)) {
        record = open.close(shape, signs);
        open = undefined;
      }
    } else if (text !== "") {
      const cells = splitCells(text, shape);
      if (cells === "open") open = new OpenRecord(line, text, shape.delimiter);
      else if (cells === "trailing") record = malformed(line, line, text, "has text after a closing quote");
      else if (cells.length !== shape.names.length) record = malformed(line, line, text, fields(cells.length, shape));
      else record = { line, last: line, text, cells };
    }
    if (!record) continue;
    if (!skip) yield record;
    skip = false;
  }
  if (open) yield open.close(shape, signs);
}

const malformed = (line: number, last: number, text: string, problem: string): CsvRecord => ({
  ...{ line, last, text },
  cells: undefined,
  problem,
});

const fields = (found: number, { names }: CsvShape) =>
  `has ${found} ${found === 1 ? "field" : "fields"}, ${names.length} are expected`;

/** A record whose last field is open at the end of a line. */
class OpenRecord {
  readonly #splitter: CellSplitter;
  readonly #lines: string[] = [];
  #length = 0;
  #last: number;
  #state: ReturnType<CellSplitter["push"]> | "long" = "open";

  constructor(
    readonly line: number,
    readonly text: string,
    delimiter: string,
  ) {
    this.#splitter = new CellSplitter(delimiter);
    this.#last = line;
    this.push(line, text);
  }

  /** Takes the next line. True once the record has ended, well or badly. */
  push(line: number, text: string): boolean {
    this.#last = line;
    this.#length += text.length + 1;
    if (this.#length > MAX_LINE_BYTES) {
      // Kept no further: its lines are only counted, up to one on which a quote might close it.
      this.#state = "long";
      this.#lines.length = 0;
      return (text.split('"').length - 1) % 2 === 1;
    }
    this.#lines.push(text);
    this.#state = this.#splitter.push(text);
    return this.#state !== "open";
  }

  close(shape: CsvShape, signs: RecordSigns): CsvRecord {
    const { line, text } = this;
    const last = this.#last;
    const swallowed =
      last === line + 1
        ? `: line ${last} is swallowed`
        : last > line
          ? `: lines ${line + 1} to ${last} are swallowed`
          : "";
    const { cells } = this.#splitter;
    switch (this.#state) {
      case "open":
        return malformed(line, last, text, `opens a quote that is never closed${swallowed}`);
      case "long":
        return malformed(
          line,
          last,
          text,
          `opens a quote that is not closed within ${MAX_LINE_BYTES / 2 ** 20} MiB${swallowed}`,
        );
      case "trailing":
        return malformed(line, last, text, `opens a quote that is closed in the middle of text${swallowed}`);
      case undefined:
        if (cells.length !== shape.names.length)
          return malformed(line, last, text, `${fields(cells.length, shape)}${swallowed}`);
        if (lookLikeRecords(this.#lines.slice(1), shape.delimiter, signs)) {
          return malformed(line, last, text, `opens a quote that holds other records${swallowed}`);
        }
        return { line, last, text, cells };
    }
  }
}
