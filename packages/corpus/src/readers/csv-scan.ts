// A look at every line of a CSV file beside DuckDB's own reading, so that a quote that swallows lines does not go
// unnoticed. It hops from quote to quote; a line without one costs a search for the next line end.
import type { CsvShape } from "./csv-dialect.js";

const LF = 10;
const CR = 13;
const QUOTE = 34;
const SPACE = 32;

/** What the lines of a file say of its records. */
export interface CsvScan {
  /** Whether every quoted field ends where it should, and none of several lines holds records. */
  readonly sound: boolean;
  /**
   * Records that a reader must find, the header and malformed ones included: lines that begin outside quotes and are
   * not empty.
   */
  readonly records: number;
}

/** Longer lines, and records of more lines, are for the careful reader. */
const MAX_LINE_BYTES = 16 * 2 ** 20;
const MAX_LINES = 10_000;

export class CsvScanner {
  #sound = true;
  #records = 0;
  #started = false;
  #carry: Buffer = Buffer.alloc(0);
  #open = false;
  /** The lines that a quoted field of the record has swallowed so far. */
  #lines: string[] = [];
  readonly #delimiter: number;
  readonly #quoted: boolean;

  /** @param holdsRecords whether these lines, which a quoted field swallowed, look like records of their own. */
  constructor(
    { delimiter, quote }: Pick<CsvShape, "delimiter" | "quote">,
    private readonly holdsRecords: (lines: readonly string[]) => boolean,
    private readonly encoding: "utf8" | "latin1",
  ) {
    this.#delimiter = delimiter.charCodeAt(0);
    this.#quoted = quote === "double";
  }

  /** Takes the next block of the file. */
  push(block: Buffer): void {
    if (!this.#sound) return;
    const end = block.lastIndexOf(LF) + 1;
    const whole = block.subarray(0, end);
    if (end > 0) this.#scan(this.#carry.length === 0 ? whole : Buffer.concat([this.#carry, whole]));
    // A copy: the stream may reuse its block.
    const rest = block.subarray(end);
    this.#carry = end > 0 ? Buffer.from(rest) : Buffer.concat([this.#carry, rest]);
    if (this.#carry.length > MAX_LINE_BYTES) this.#sound = false;
  }

  end(): CsvScan {
    if (this.#sound && this.#carry.length > 0) this.#scan(this.#carry);
    this.#carry = Buffer.alloc(0);
    return { sound: this.#sound && !this.#open, records: this.#records };
  }

  /** Whole lines. */
  #scan(block: Buffer): void {
    let start = !this.#started && block.readUIntBE(0, Math.min(3, block.length)) === 0xefbbbf ? 3 : 0;
    this.#started = true;
    let quote = this.#quoted ? block.indexOf(QUOTE) : -1;
    if (quote < 0 && !this.#open) {
      this.#records += filledLines(block, start);
      return;
    }
    while (this.#sound && start < block.length) {
      const feed = block.indexOf(LF, start);
      const next = feed < 0 ? block.length : feed + 1;
      let end = feed < 0 ? block.length : feed;
      if (end > start && block[end - 1] === CR) end--;
      if (quote >= 0 && quote < start) quote = block.indexOf(QUOTE, start);
      const before = this.#open;
      if (!before && end > start) this.#records++;
      if (quote >= 0 && quote < end) this.#follow(block, start, end, quote);
      if (before) this.#lines.push(block.toString(this.encoding, start, end));
      if (this.#lines.length > MAX_LINES) this.#sound = false;
      else if (before && !this.#open) {
        if (this.holdsRecords(this.#lines)) this.#sound = false;
        this.#lines = [];
      }
      start = next;
    }
  }

  /** Follows the quotes of one line, of which the first is at `quote`. */
  #follow(block: Buffer, start: number, end: number, quote: number): void {
    let at = this.#open ? quote : this.#opened(block, start, end, quote);
    // Inside a field; `at` is the next quote.
    while (at >= 0 && at < end) {
      if (at + 1 < end && block[at + 1] === QUOTE) {
        at = block.indexOf(QUOTE, at + 2);
        continue;
      }
      let after = at + 1;
      while (after < end && block[after] === SPACE) after++;
      this.#open = false;
      if (after < end && block[after] !== this.#delimiter) this.#sound = false;
      if (!this.#sound || after >= end) return;
      at = this.#opened(block, after, end, block.indexOf(QUOTE, after));
    }
  }

  /**
   * Enters the first field that a quote from `quote` on begins. Returns the quote after that one; −1 if no field begins
   * before `end`.
   */
  #opened(block: Buffer, start: number, end: number, quote: number): number {
    for (let at = quote; at >= 0 && at < end; at = block.indexOf(QUOTE, at + 1)) {
      let before = at - 1;
      while (before >= start && block[before] === SPACE) before--;
      if (before >= start && block[before] !== this.#delimiter) continue;
      this.#open = true;
      return block.indexOf(QUOTE, at + 1);
    }
    return -1;
  }
}

/**
 * Lines that are not empty, of whole lines without quotes. One step a byte is cheaper than a search a line where lines
 * are short.
 */
function filledLines(block: Buffer, start: number): number {
  let count = 0;
  let filled = false;
  for (let at = start; at < block.length; at++) {
    const byte = block[at]!;
    if (byte === LF) {
      if (filled) count++;
      filled = false;
    } else if (byte !== CR || (at + 1 < block.length && block[at + 1] !== LF)) filled = true;
  }
  return filled ? count + 1 : count;
}
