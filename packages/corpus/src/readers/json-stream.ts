// JSON files in which a record is not a line: an array of objects, or objects one after another over several lines
// each. The text is divided at brackets and quotes alone, so that an object that is not valid JSON is the only one
// lost.
import fs from "node:fs";
import zlib from "node:zlib";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError, reasonOf } from "../errors.js";
import { type SourceFile, streamLines } from "./source.js";

/** The text of one object of the file and the line at which it begins. */
export interface JsonPiece {
  readonly line: number;
  readonly text: string;
}

const OPEN: Readonly<Record<string, string>> = { "{": "}", "[": "]" };
const SPACE = /\s/;

/** Divides a text into its outermost objects. */
export class JsonSplitter {
  /** Closing brackets that are awaited inside an object. */
  readonly #closers: string[] = [];
  #parts: string[] = [];
  #begin = 1;
  #line = 1;
  #inArray = false;
  #inString = false;
  #escaped = false;

  /**
   * Takes the next part of the text and appends the objects that it completes to `pieces`.
   * @throws Error naming the line at which the text is not a sequence of objects.
   */
  push(text: string, pieces: JsonPiece[]): void {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const character = text[at]!;
      if (character === "\n") this.#line++;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (character === "\\") this.#escaped = true;
        else if (character === '"') this.#inString = false;
        else if (character === "\n") throw new Error(`line ${this.#line - 1}: a string has no closing quote`);
      } else if (this.#closers.length === 0) {
        if (SPACE.test(character) || character === "," || character === "\ufeff") continue;
        if (character === "[" && !this.#inArray) this.#inArray = true;
        else if (character === "]" && this.#inArray) this.#inArray = false;
        else if (character === "{") {
          this.#closers.push("}");
          this.#begin = this.#line;
          from = at;
        } else
          throw new Error(
            `line ${this.#line}: an object is expected, found ${JSON.stringify(text.slice(at, at + 20))}`,
          );
      } else if (character === '"') this.#inString = true;
      else if (OPEN[character] !== undefined) this.#closers.push(OPEN[character]);
      else if (character === "}" || character === "]") {
        const expected = this.#closers.pop();
        if (expected !== character) {
          throw new Error(
            `line ${this.#line}: ${expected} is expected, found ${character}, in the object that begins at line ` +
              `${this.#begin}`,
          );
        }
        if (this.#closers.length > 0) continue;
        pieces.push({ line: this.#begin, text: this.#parts.join("") + text.slice(from, at + 1) });
        this.#parts = [];
        from = at + 1;
      }
    }
    if (this.#closers.length > 0) this.#parts.push(text.slice(from));
  }

  /** @throws Error if the text ends inside an object or an array. */
  end(): void {
    if (this.#closers.length > 0) throw new Error(`line ${this.#begin}: an object begins here and does not end`);
    if (this.#inArray) throw new Error(`line ${this.#line}: the array does not end`);
  }
}

/** What the start of a file shows: its complete objects, or undefined where it is no sequence of objects. */
export function splitStart(start: string): string[] | undefined {
  if (!/^\s*(\[\s*)?(\{|$)/.test(start)) return undefined;
  const pieces: JsonPiece[] = [];
  try {
    new JsonSplitter().push(start, pieces);
  } catch {
    // After an object or more it is a damaged file of this kind, which reading it will name the line of.
    if (pieces.length === 0) return undefined;
  }
  return pieces.map(({ text }) => text);
}

/** The objects of a file. @throws CorpusError naming the line at which the file is not a sequence of objects. */
export async function* streamJson(engine: Engine, source: SourceFile): AsyncGenerator<JsonPiece> {
  const splitter = new JsonSplitter();
  const place = (error: unknown) =>
    new CorpusError(
      `${source.path}, ${reasonOf(error)}: an array of JSON objects, or one after another, is expected (format ` +
        "json). Correct the file.",
    );
  for await (const text of streamText(engine, source)) {
    const pieces: JsonPiece[] = [];
    try {
      splitter.push(text, pieces);
    } catch (error) {
      throw place(error);
    }
    yield* pieces;
  }
  try {
    splitter.end();
  } catch (error) {
    throw place(error);
  }
}

/** The text of a file in parts, whatever its lines are. @throws CorpusError if it is not text. */
async function* streamText(engine: Engine, source: SourceFile): AsyncGenerator<string> {
  const notText = () =>
    new CorpusError(
      `${source.path} is not ${source.encoding} text. Name its \`encoding\`, or write it again in UTF-8.`,
      {
        options: ["encoding"],
      },
    );
  if (source.compression === "zstd") {
    const rejected: number[] = [];
    for await (const { text } of streamLines(engine, source, { rejected })) yield `${text}\n`;
    if (rejected.length > 0) throw notText();
    return;
  }
  const { unpacked, path, compression, encoding } = source;
  const file = fs.createReadStream(unpacked ?? path, { highWaterMark: 1 << 20 });
  const blocks = compression === "gzip" && unpacked === undefined ? file.pipe(zlib.createGunzip()) : file;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const block of blocks as AsyncIterable<Buffer>) {
      yield encoding === "latin-1" ? block.toString("latin1") : decoder.decode(block, { stream: true });
    }
    if (encoding !== "latin-1") yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw notText();
    throw error;
  } finally {
    file.destroy();
  }
}
