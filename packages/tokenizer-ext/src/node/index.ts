// Files of tokenizers in Node: the only part of the package that touches a file system.
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import {
  byteLevelBpe,
  EXTENSION_FILE,
  ExtendedTokenizer,
  type HuggingFaceExportOptions,
  huggingFaceTokenizerConfig,
  huggingFaceTokenizerJsonChunks,
  type TokenizerConfigJson,
  type TokenizerJson,
} from "../index.js";

/** The text of anything that was thrown. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A tokenizer with the files it came from, parsed. */
export interface LoadedTokenizer {
  readonly tokenizer: Tokenizer;
  /** `tokenizer.json`, built from `vocab.json` and `merges.txt` where there was none. */
  readonly json: TokenizerJson;
  /** `tokenizer_config.json`, or `{}` where there was none. */
  readonly config: TokenizerConfigJson;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new Error(`${file}: cannot be read (${reasonOf(error)})`, {
      cause: error,
    });
  }
}

function parseRecord(file: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file}: not valid JSON (${reasonOf(error)}); fetch the file again`, {
      cause: error,
    });
  }
  if (!isRecord(value))
    throw new Error(`${file}: found ${JSON.stringify(value)?.slice(0, 40)}, expected a JSON object`);
  return value;
}

function isVocabulary(value: unknown): value is TokenizerJson["model"]["vocab"] {
  return Array.isArray(value)
    ? value.every((entry) => Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number")
    : isRecord(value) && Object.values(value).every(Number.isInteger);
}

function isTokenizerJson(value: Record<string, unknown>): value is Record<string, unknown> & TokenizerJson {
  const { model, added_tokens: added } = value;
  return (
    isRecord(model) &&
    isVocabulary(model.vocab) &&
    (added === undefined ||
      added === null ||
      (Array.isArray(added) &&
        added.every((token) => isRecord(token) && Number.isInteger(token.id) && typeof token.content === "string")))
  );
}

async function readTokenizerJson(directory: string): Promise<TokenizerJson> {
  const file = path.join(directory, "tokenizer.json");
  const text = await readIfThere(file);
  if (text !== undefined) {
    const json = parseRecord(file, text);
    if (!isTokenizerJson(json)) {
      throw new Error(
        `${file}: no usable model.vocab and added_tokens found, expected a Hugging Face tokenizer.json; fetch the ` +
          "file again",
      );
    }
    // Old files leave out what is null, and the library insists on the keys.
    return {
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      ...json,
      added_tokens: json.added_tokens ?? [],
    };
  }
  const vocabFile = path.join(directory, "vocab.json");
  const [vocabText, merges] = await Promise.all([
    readIfThere(vocabFile),
    readIfThere(path.join(directory, "merges.txt")),
  ]);
  if (vocabText === undefined || merges === undefined) {
    throw new Error(
      `${directory}: found neither tokenizer.json nor vocab.json with merges.txt; expected a Hugging Face ` +
        "tokenizer directory",
    );
  }
  const vocab = parseRecord(vocabFile, vocabText);
  if (!isIdMap(vocab)) throw new Error(`${vocabFile}: found values that are not whole numbers, expected token → id`);
  try {
    return byteLevelBpe({ vocab, merges });
  } catch (error) {
    throw new Error(`${directory}: ${reasonOf(error)}`, { cause: error });
  }
}

function isIdMap(value: Record<string, unknown>): value is Record<string, number> {
  return Object.values(value).every(Number.isInteger);
}

/**
 * Reads a Hugging Face tokenizer directory: `tokenizer.json`, or GPT-2's older `vocab.json` + `merges.txt`, and
 * `tokenizer_config.json` where there is one.
 *
 * @throws Error naming the file, what was found and what was expected.
 */
export async function loadTokenizer(directory: string): Promise<LoadedTokenizer> {
  const json = await readTokenizerJson(directory);
  const configFile = path.join(directory, "tokenizer_config.json");
  const configText = await readIfThere(configFile);
  const config = configText === undefined ? {} : parseRecord(configFile, configText);
  try {
    return { tokenizer: new Tokenizer(json, config), json, config };
  } catch (error) {
    throw new Error(`${directory}: the tokenizer library cannot build this tokenizer (${reasonOf(error)})`, {
      cause: error,
    });
  }
}

/** Writes `chunks` to a file beside `file` and renames it: readers see the old file or the whole new one. */
async function writeAtomically(file: string, chunks: Iterable<string>): Promise<void> {
  await fs.mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    const handle = await fs.open(temporary, "wx");
    try {
      for (const chunk of chunks) await handle.appendFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

/** Writes `tokenizer_extension.json` into the base tokenizer's directory, atomically. */
export async function saveExtension(directory: string, extended: ExtendedTokenizer): Promise<void> {
  await writeAtomically(path.join(directory, EXTENSION_FILE), [`${JSON.stringify(extended, null, 2)}\n`]);
}

/**
 * Reads a directory that holds a base tokenizer and a `tokenizer_extension.json` beside it.
 *
 * @throws Error naming the file if one is missing, malformed, or belongs to another tokenizer.
 */
export async function loadExtended(
  directory: string,
): Promise<LoadedTokenizer & { readonly extended: ExtendedTokenizer }> {
  const file = path.join(directory, EXTENSION_FILE);
  const text = await readIfThere(file);
  if (text === undefined) throw new Error(`${file}: not found; write it with saveExtension`);
  const extension = parseRecord(file, text);
  const loaded = await loadTokenizer(directory);
  try {
    return { ...loaded, extended: ExtendedTokenizer.fromJSON(extension, loaded.tokenizer) };
  } catch (error) {
    throw new Error(`${file}: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Writes `tokenizer.json` (streamed) and `tokenizer_config.json` for Python's transformers and tokenizers; see
 * `huggingFaceTokenizerJson` for what the export means. Give a directory other than the base tokenizer's.
 */
export async function saveHuggingFace(
  directory: string,
  extended: ExtendedTokenizer,
  base: { readonly json: TokenizerJson; readonly config?: TokenizerConfigJson },
  options: HuggingFaceExportOptions = {},
): Promise<void> {
  extended.checkBase(base.json);
  await writeAtomically(
    path.join(directory, "tokenizer.json"),
    huggingFaceTokenizerJsonChunks(base.json, extended, options),
  );
  const config = huggingFaceTokenizerConfig(base.config);
  await writeAtomically(path.join(directory, "tokenizer_config.json"), [`${JSON.stringify(config, null, 2)}\n`]);
}
