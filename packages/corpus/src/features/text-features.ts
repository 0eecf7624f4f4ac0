// Texts as rows of an encoder's numbers, computed once: a file in a cache folder holds the row of every text, by the
// hash of its content.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { removeAbandoned } from "../abandoned-files.js";
import { CorpusError, CorpusUsageError, reasonOf } from "../errors.js";
import type { DenseFeatures } from "./feature-block.js";
import { type FeatureRows, readFeatureFile, writeFeatureFile } from "./feature-file.js";

// Shape legend: D texts, n texts in the file, K width.

const HASH = 32;
/** Texts that the encoder is given at once: what an error or an abort loses of a long computation. */
const PART = 8192;

/**
 * The part of an encoder that is needed; `openSentenceEncoder` and `openBackboneEncoder` of `@cllm4rec/backbone` return
 * one.
 */
export interface TextEncoderModel {
  /** K */
  readonly width: number;
  /** 64 hex digits that change whenever the rows might: SHA-256 of weights, config, tokenizer and settings. */
  readonly fingerprint: string;
  /** [texts, K], row-major. */
  encode(
    texts: readonly string[],
    options: {
      readonly batch?: number;
      readonly signal?: AbortSignal;
      readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
    },
  ): Promise<Float32Array>;
}

export interface TextFeaturesOptions {
  /** Folder for cache files, one for each encoder; made if absent. Without it, nothing is read or kept. */
  readonly cacheDirectory?: string;
  /** Texts in a batch of the encoder; its own default where absent. */
  readonly batch?: number;
  /** Called while rows are computed, with how many of those that the cache lacks are done. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** Called when a cache file is there but unusable, before it is made again. */
  readonly onRebuild?: (event: { readonly file: string; readonly problem: string }) => void;
  /** Ends the computation with the signal's reason. Rows that are complete by then are kept in the cache. */
  readonly signal?: AbortSignal;
}

export interface TextFeatures extends DenseFeatures {
  /** How many different texts were computed now; the others came from the cache. */
  readonly computed: number;
}

/**
 * The rows of texts, computed where the cache does not have them. Equal texts are computed once. Every byte of the
 * cache file is verified; a damaged one, or one of another encoder, is made again. Two processes may use one folder:
 * the file is always that of one of them, complete, and rows that only the other had are computed again when they are
 * needed.
 * @param texts [D]; null or empty, an absent text, gives a row of zeros
 * @throws CorpusUsageError for a fingerprint that is not 64 hex digits; CorpusError where the encoder returns the wrong
 *   number of values or one that is not finite, or the folder cannot be written
 */
export async function textFeatures(
  texts: readonly (string | null)[],
  encoder: TextEncoderModel,
  options: TextFeaturesOptions = {},
): Promise<TextFeatures> {
  const { width, fingerprint } = encoder;
  const { cacheDirectory, onRebuild } = options;
  if (!/^[0-9a-f]{64}$/.test(fingerprint))
    throw new CorpusUsageError(`fingerprint: found ${JSON.stringify(fingerprint)}, expected 64 hex digits`);
  const file =
    cacheDirectory === undefined ? undefined : path.join(cacheDirectory, `${fingerprint.slice(0, 32)}.features`);
  const known = new RowStore(width);
  if (file !== undefined) {
    await inFolder(file, async () => {
      await fs.mkdir(path.dirname(file), { recursive: true });
      removeAbandoned(path.dirname(file), "features");
      const found = await readFeatureFile(file, fingerprint, width);
      if (typeof found !== "string") known.add(found);
      else if (found !== "absent") onRebuild?.({ file, problem: found });
    });
  }
  const hashes = texts.map((text) => (text ? hashText(text) : undefined));
  const missing = new Map<string, string>();
  for (const [d, hash] of hashes.entries()) if (hash && !known.has(hash)) missing.set(hash, texts[d]!);
  if (missing.size > 0) {
    const before = known.size;
    try {
      await compute(missing, encoder, options, known);
    } finally {
      if (file !== undefined && known.size > before)
        await inFolder(file, () => writeFeatureFile(file, fingerprint, width, known.all()));
    }
  }
  const values = new Float32Array(texts.length * width);
  for (const [d, hash] of hashes.entries()) if (hash) values.set(known.row(hash), d * width);
  return { rows: texts.length, columns: width, values, computed: missing.size };
}

async function compute(
  missing: ReadonlyMap<string, string>,
  encoder: TextEncoderModel,
  { batch, signal, onProgress }: TextFeaturesOptions,
  into: RowStore,
): Promise<void> {
  const entries = [...missing];
  const total = entries.length;
  for (let at = 0; at < total; at += PART) {
    const part = entries.slice(at, at + PART);
    const values = await encoder.encode(
      part.map(([, text]) => text),
      {
        ...(batch !== undefined && { batch }),
        ...(signal && { signal }),
        ...(onProgress && { onProgress: ({ done }) => onProgress({ done: at + done, total }) }),
      },
    );
    const expected = part.length * encoder.width;
    if (values.length !== expected)
      throw new CorpusError(
        `the encoder returned ${values.length} values for ${part.length} texts, expected ${expected}`,
      );
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const text = part[Math.floor(bad / encoder.width)]![1];
      throw new CorpusError(
        `the encoder returned ${values[bad]} for the text ${JSON.stringify(text.slice(0, 60))}, expected finite ` +
          "numbers; check the model",
      );
    }
    into.add({ hashes: Buffer.from(part.map(([hash]) => hash).join(""), "hex"), values });
  }
}

/** Rows by the hash of their text, in the parts that they came in. */
class RowStore {
  readonly #places = new Map<string, Float32Array>();
  readonly #parts: FeatureRows[] = [];

  constructor(private readonly width: number) {}

  get size(): number {
    return this.#places.size;
  }

  has(hash: string): boolean {
    return this.#places.has(hash);
  }

  row(hash: string): Float32Array {
    return this.#places.get(hash)!;
  }

  add(part: FeatureRows): void {
    this.#parts.push(part);
    const hex = Buffer.from(part.hashes.buffer, part.hashes.byteOffset, part.hashes.byteLength).toString("hex");
    for (let at = 0, r = 0; at < hex.length; at += 2 * HASH, r++)
      this.#places.set(hex.slice(at, at + 2 * HASH), part.values.subarray(r * this.width, (r + 1) * this.width));
  }

  all(): FeatureRows {
    const [first, ...rest] = this.#parts;
    if (first && rest.length === 0) return first;
    const hashes = Buffer.concat(this.#parts.map((part) => part.hashes));
    const values = new Float32Array((hashes.length / HASH) * this.width);
    let at = 0;
    for (const part of this.#parts) {
      values.set(part.values, at);
      at += part.values.length;
    }
    return { hashes, values };
  }
}

/** SHA-256 (hex) of a text; UTF-16 keeps lone surrogates apart. */
const hashText = (text: string): string => createHash("sha256").update(text, "utf16le").digest("hex");

async function inFolder(file: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && "syscall" in error)) throw error;
    throw new CorpusError(`feature cache ${file}: ${reasonOf(error)}; free space or choose another cache folder`, {
      cause: error,
    });
  }
}
