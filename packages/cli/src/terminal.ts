// What reaches a terminal or a log: text from data can hold bytes that move the cursor, set the window's title or
// reverse the line.
import { Writable } from "node:stream";
import type { Output } from "./context.js";

/**
 * Control characters but line feed and tab (C0, DEL, C1), line separators that some terminals obey, marks and
 * embeddings that reorder text, and halves of surrogate pairs.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/** Each unsafe character as `\uXXXX`. In JSON that is the same string, so JSON stays what it was. */
export function escaped(text: string): string {
  return text.replace(UNSAFE, unicodeEscape);
}

/** A value from data as part of one line: line feeds and tabs are escaped as well. */
export function oneLine(text: string): string {
  return escaped(text).replace(/[\n\t]/g, unicodeEscape);
}

const unicodeEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * A stream whose text is escaped on its way to another one. Commands write results, notices and errors to it; a
 * progress bar, which moves the cursor on purpose, writes to {@link raw}.
 */
export class EscapedOutput extends Writable {
  constructor(readonly raw: Output) {
    super({
      decodeStrings: false,
      write(chunk: string | Uint8Array, _encoding, done) {
        raw.write(typeof chunk === "string" ? escaped(chunk) : chunk);
        done();
      },
    });
  }

  get isTTY(): boolean {
    return this.raw.isTTY ?? false;
  }

  get columns(): number | undefined {
    return this.raw.columns;
  }
}
