// The token cache: free texts tokenised once, kept on disk under a key made of their content and of what tokenised
// them. A damaged file is noticed when it is opened and made again; two processes may build the same file at the same
// time.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { removeAbandoned } from "../abandoned-files.js";
import { CorpusError, CorpusUsageError, reasonOf } from "../errors.js";
import type { TextCorpus } from "./texts.js";
import { TokenFileReader, TokenFileWriter } from "./token-file.js";
import type { PromptTokenizer } from "./types.js";

const PROGRESS_EVERY = 1000;

/** What decides a token cache. */
export interface TokenCacheOptions {
  /** Folder for cache files; made if absent. It may hold files of other corpora and tokenizers. */
  readonly directory: string;
  readonly tokenizer: Pick<PromptTokenizer, "rows" | "encodeText">;
  /** What tells this tokenizer from every other: {@link hashTokenizer} of its parsed files. */
  readonly tokenizerIdentity: string;
  readonly corpus: TextCorpus;
  /**
   * Put before every text when it is encoded. Default "". With GPT-2, " " makes the first word one in the middle of a
   * sentence.
   */
  readonly textPrefix?: string;
  /** Called about every thousand texts while tokenising, and once at the end. */
  readonly onProgress?: (progress: { readonly texts: number; readonly tokens: number }) => void;
  /** Called when a cache file is there but unusable, before it is made again. */
  readonly onRebuild?: (event: { readonly file: string; readonly problem: string }) => void;
  /** Ends the tokenising with the signal's reason; nothing is left behind. */
  readonly signal?: AbortSignal;
}

/** Tokenised texts by index, read from disk as they are asked for. */
export interface TokenCache {
  readonly file: string;
  /** SHA-256 (hex) of what decides the tokens. */
  readonly key: string;
  readonly kind: TextCorpus["kind"];
  /** Number of texts with at least one token. */
  readonly documents: number;
  readonly tokens: number;
  /** Texts that were left out because they have no token. */
  readonly emptyTexts: number;
  /** Whether this call found a usable file (true) or tokenised the texts (false). */
  readonly reused: boolean;
  user(document: number): number;
  item(document: number): number;
  tokenCount(document: number): number;
  /** Copies the first `count` tokens of a text to the start of `target`. */
  read(document: number, count: number, target: Int32Array): void;
  /** Releases the file. Reading after that throws. */
  close(): void;
}

/**
 * SHA-256 (hex) of a tokenizer's parsed `tokenizer.json` and `tokenizer_config.json`: changes whenever its tokens
 * might.
 */
export function hashTokenizer(json: unknown, config: unknown = {}): string {
  return createHash("sha256")
    .update(JSON.stringify([json, config]))
    .digest("hex");
}

/** SHA-256 of every text with its user and item, for corpora that do not bring a hash of their content. */
async function hashTexts(corpus: TextCorpus, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  for await (const { user, item, text } of corpus.read()) {
    signal?.throwIfAborted();
    hash.update(`${user},${item},${text.length}:`).update(text, "utf16le"); // UTF-16 keeps lone surrogates apart
  }
  return hash.digest("hex");
}

/**
 * Opens the cache file of a corpus, tokenising the texts first if there is none or it is damaged.
 *
 * Every byte of an existing file is verified (about one second a gigabyte). The prompt is not part of the key, since no
 * prompt is in the file: prompts, maximum lengths and layouts can change without tokenising again. Memory does not grow
 * with the corpus.
 *
 * @throws {@link CorpusError} naming the file if the folder cannot be written (disk full, no permission), or if the
 * tokenizer makes an id outside the vocabulary from a text.
 */
export async function openTokenCache(options: TokenCacheOptions): Promise<TokenCache> {
  const { directory, tokenizer, tokenizerIdentity, corpus, textPrefix = "", onRebuild, signal } = options;
  if (tokenizerIdentity === "")
    throw new CorpusUsageError("tokenizerIdentity is empty; use hashTokenizer() on the parsed tokenizer.json");
  signal?.throwIfAborted();
  const contentHash = corpus.contentHash ?? (await hashTexts(corpus, signal));
  const key = createHash("sha256")
    .update(JSON.stringify([1, corpus.kind, tokenizerIdentity, tokenizer.rows, textPrefix, contentHash]))
    .digest("hex");
  const file = path.join(directory, `${corpus.kind}-${key.slice(0, 32)}.tokens`);
  const failed = (error: unknown): never => {
    if (!(error instanceof Error && "code" in error && "syscall" in error)) throw error;
    throw new CorpusError(`token cache ${file}: ${reasonOf(error)}; free space or choose another cache folder`, {
      cause: error,
    });
  };
  let reader: TokenFileReader | string;
  let reused = true;
  try {
    fs.mkdirSync(directory, { recursive: true });
    reader = TokenFileReader.open(file, key);
    if (typeof reader === "string") {
      if (reader !== "absent") onRebuild?.({ file, problem: reader });
      removeAbandoned(directory, "tokens");
      await build(file, key, options);
      reused = false;
      reader = TokenFileReader.open(file, key);
    }
  } catch (error) {
    return failed(error);
  }
  if (typeof reader === "string") {
    throw new CorpusError(
      `token cache ${file} was just written and is ${reader}; check the disk or choose another cache folder`,
    );
  }
  const opened = reader;
  return {
    file,
    key,
    kind: corpus.kind,
    documents: opened.documents,
    tokens: opened.tokens,
    emptyTexts: opened.emptyTexts,
    reused,
    user: (document) => opened.user(document),
    item: (document) => opened.item(document),
    tokenCount: (document) => opened.tokenCount(document),
    read: (document, count, target) => opened.read(document, count, target),
    close: () => opened.close(),
  };
}

async function build(file: string, key: string, options: TokenCacheOptions): Promise<void> {
  const { tokenizer, corpus, textPrefix = "", onProgress, signal } = options;
  const writer = new TokenFileWriter(file, key, tokenizer.rows);
  try {
    let texts = 0;
    let emptyTexts = 0;
    for await (const { user, item, text } of corpus.read()) {
      signal?.throwIfAborted();
      const ids = text === "" ? [] : tokenizer.encodeText(textPrefix + text);
      for (const id of ids) {
        if (!(id >= 0 && id < tokenizer.rows)) {
          throw new CorpusError(
            `${corpus.kind}, text ${texts} (user ${user}, item ${item}): the tokenizer made id ${id} of it; text ` +
              `may only have ids below ${tokenizer.rows}`,
          );
        }
      }
      if (ids.length === 0) emptyTexts++;
      else writer.add(user, item, ids);
      if (++texts % PROGRESS_EVERY === 0) {
        onProgress?.({ texts, tokens: writer.tokens });
        await new Promise(setImmediate); // sources that never wait would otherwise starve timers and signals
      }
    }
    onProgress?.({ texts, tokens: writer.tokens });
    writer.finish(emptyTexts);
  } finally {
    writer.abandon();
  }
}
