// How a CSV or TSV file is divided: its delimiter, whether fields may be quoted, its columns, and the cells of one
// record. Quoting is RFC 4180's: a field that begins with a quote ends with one, and a doubled quote inside it is a
// quote. As DuckDB does, spaces around the quotes are passed over, and a quote inside an unquoted field is text.

/** "double": fields may be in double quotes; "none": a quote is a character like any other. */
export const QUOTES = ["double", "none"] as const;
export type Quote = (typeof QUOTES)[number];

export interface CsvShape {
  /** One ASCII character. */
  readonly delimiter: string;
  readonly quote: Quote;
  /** Names of all columns, in the order of the file. */
  readonly names: readonly string[];
  /** Whether the first line holds the names. */
  readonly header: boolean;
}

/** "open": the text ends inside a quoted field; "trailing": something follows the closing quote of a field. */
export type QuoteProblem = "open" | "trailing";

/** Divides a record into cells, line by line: a quoted field may continue in the next one. */
export class CellSplitter {
  /** The cells that are complete. */
  readonly cells: string[] = [];
  /** What the open field holds so far. */
  #text = "";
  #open = false;

  constructor(private readonly delimiter: string) {}

  /**
   * Takes the record's next line. Done: undefined; "open": its last field continues on the next line; "trailing": it is
   * no CSV record.
   */
  push(line: string): QuoteProblem | undefined {
    let at = 0;
    if (this.#open) {
      this.#text += "\n";
      at = this.#closing(line, 0);
    } else at = this.#cell(line, 0);
    while (at >= 0) {
      if (at >= line.length) return undefined;
      if (line[at] !== this.delimiter) return "trailing";
      at = this.#cell(line, at + 1);
    }
    return "open";
  }

  /** Takes the cell that begins at `at`. Returns where it ends, or −1 if it does not. */
  #cell(line: string, at: number): number {
    let start = at;
    while (line[start] === " ") start++;
    if (line[start] === '"') {
      this.#open = true;
      this.#text = "";
      return this.#closing(line, start + 1);
    }
    const end = line.indexOf(this.delimiter, at);
    this.cells.push(line.slice(at, end < 0 ? line.length : end));
    return end < 0 ? line.length : end;
  }

  /** Inside quotes from `at` on: where the cell ends, spaces after its quote included, or −1. */
  #closing(line: string, at: number): number {
    for (;;) {
      const quote = line.indexOf('"', at);
      if (quote < 0) {
        this.#text += line.slice(at);
        return -1;
      }
      this.#text += line.slice(at, quote);
      at = quote + 1;
      if (line[at] !== '"') break;
      this.#text += '"';
      at++;
    }
    this.#open = false;
    this.cells.push(this.#text);
    while (line[at] === " ") at++;
    return at;
  }
}

/** The cells of a record that is one line, or what is wrong with its quotes. */
export function splitCells(
  line: string,
  { delimiter, quote }: Pick<CsvShape, "delimiter" | "quote">,
): string[] | QuoteProblem {
  if (quote === "none" || !line.includes('"')) return line.split(delimiter);
  const splitter = new CellSplitter(delimiter);
  return splitter.push(line) ?? splitter.cells;
}

/** Delimiters that are recognised, in the order of preference. */
const DELIMITERS = [",", "\t", ";", "|"] as const;

/**
 * The delimiter that gives the first line the most cells; of a file without a header, one that gives every line as
 * many.
 */
export function detectDelimiter(
  lines: readonly string[],
  { quote, header, candidates = DELIMITERS }: { quote: Quote; header: boolean; candidates?: readonly string[] },
): string {
  const used = header ? lines.slice(0, 1) : lines.filter((line) => line !== "");
  const least = (delimiter: string) =>
    Math.min(
      ...used.map((line) => {
        const cells = splitCells(line, { delimiter, quote });
        return typeof cells === "string" ? 1 : cells.length;
      }),
    );
  return candidates.reduce((best, next) => (least(next) > least(best) ? next : best));
}
