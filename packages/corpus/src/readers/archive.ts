// What a file is on disk: its compression, its SHA-256, and whether a compressed file is whole.
// DuckDB reads a truncated gzip or zstd stream without a word, so that both are checked here.
import { createHash } from "node:crypto";
import fs from "node:fs";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import { CorpusError, reasonOf } from "../errors.js";
import { checkZstdFrames } from "./zstd-frames.js";

export type Compression = "none" | "gzip" | "zstd";

/** By the first bytes, whatever the name says. @throws CorpusError if the file cannot be read. */
export function detectCompression(file: string): Compression {
  const magic = Buffer.alloc(4);
  let length: number;
  try {
    const descriptor = fs.openSync(file, "r");
    try {
      length = fs.readSync(descriptor, magic, 0, 4, 0);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    throw new CorpusError(`${file} cannot be read: ${reasonOf(error)}`);
  }
  if (length >= 2 && magic[0] === 0x1f && magic[1] === 0x8b) return "gzip";
  if (length === 4 && magic.readUInt32LE() === 0xfd2fb528) return "zstd";
  return "none";
}

/** What one pass over a file tells. */
export interface FileFacts {
  /** Of the file on disk. */
  readonly bytes: number;
  readonly sha256: string;
  /**
   * Physical lines of the (decompressed) content; undefined for zstd, where line ends are mixed, and with an observer.
   */
  readonly lines: number | undefined;
}

/**
 * Reads the file once. @throws CorpusError if it is compressed and ends early or fails its checksum.
 * @param unpackTo where to write the decompressed content of a gzip file; nowhere if left out.
 */
export async function checkFile(
  file: string,
  compression: Compression,
  {
    signal,
    unpackTo,
    observe,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly unpackTo?: string | undefined;
    /** Receives the (decompressed) content block by block; nothing of a zstd file. */
    readonly observe?: ((block: Buffer) => void) | undefined;
  } = {},
): Promise<FileFacts> {
  const hash = createHash("sha256");
  const counter = new LineCounter(compression === "zstd" ? undefined : observe);
  let bytes = 0;
  async function* hashed(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const block of blocks) {
      hash.update(block);
      bytes += block.length;
      yield block;
    }
  }
  const blocks = fs.createReadStream(file, { highWaterMark: 1 << 20 });
  const options = signal ? { signal } : {};
  if (compression === "gzip") {
    try {
      const unpacked = zlib.createGunzip({ chunkSize: 1 << 20 });
      if (unpackTo === undefined) await pipeline(blocks, hashed, unpacked, counter.pass, discard, options);
      else await pipeline(blocks, hashed, unpacked, counter.pass, fs.createWriteStream(unpackTo), options);
    } catch (error) {
      throw damaged(file, "gzip", error, signal);
    }
  } else {
    await pipeline(blocks, hashed, counter.pass, discard, options);
    if (compression === "zstd") {
      try {
        checkZstdFrames(file);
      } catch (error) {
        throw damaged(file, "zstd", error, signal);
      }
    }
  }
  return { bytes, sha256: hash.digest("hex"), lines: compression === "zstd" ? undefined : counter.lines };
}

const LF = 10;
const CR = 13;

function occurrences(block: Buffer, byte: number): number {
  let count = 0;
  for (let at = block.indexOf(byte); at >= 0; at = block.indexOf(byte, at + 1)) count++;
  return count;
}

async function discard(blocks: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of blocks);
}

class LineCounter {
  #lineFeeds = 0;
  #carriageReturns = 0;
  #last = LF;

  constructor(private readonly observe: ((block: Buffer) => void) | undefined) {}

  readonly pass = async function* (this: LineCounter, blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const block of blocks) {
      if (this.observe) {
        // Whoever looks at the content counts what matters in it.
        this.observe(block);
        yield block;
        continue;
      }
      this.#lineFeeds += occurrences(block, LF);
      this.#carriageReturns += occurrences(block, CR);
      this.#last = block.at(-1) ?? this.#last;
      yield block;
    }
  }.bind(this);

  get lines(): number | undefined {
    if (this.observe) return undefined;
    if (this.#carriageReturns !== 0 && this.#carriageReturns !== this.#lineFeeds) return undefined;
    return this.#lineFeeds + (this.#last === LF ? 0 : 1);
  }
}

function damaged(file: string, kind: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return error;
  const reason = reasonOf(error);
  return new CorpusError(`${file} is a damaged or truncated ${kind} file (${reason}). Fetch it again.`);
}
