// Export as a Hugging Face tokenizer.json with one added token per user and item, for programs in Python.
import { type AddedTokenJson, piecesOfJson, type TokenizerConfigJson, type TokenizerJson } from "./base-tokenizer.js";
import { checkSizes, type IdSpaceSizes } from "./id-space.js";

/** Above this many added tokens an export is called large: about 13 MB of JSON. */
const LARGE_EXPORT = 100_000;

/** Entries written to one chunk of text. */
const CHUNK = 4096;

/** Options of the export. */
export interface HuggingFaceExportOptions {
  /** Called once when the export is large (more than 100,000 added tokens). Default: `console.warn`. */
  readonly warn?: (message: string) => void;
}

function addedToken(id: number, content: string): AddedTokenJson {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
}

/**
 * The tokens to add, in ascending id order. Python's tokenizers number added tokens consecutively after the largest id,
 * whatever the file says, so embedding rows without a piece (T5: 32,100 to 32,127) are filled by tokens `<row_32100>`,
 * ….
 */
function* newTokens(pieces: readonly (string | undefined)[], sizes: IdSpaceSizes): Generator<AddedTokenJson> {
  for (let id = pieces.length; id < sizes.rows; id++) yield addedToken(id, `<row_${id}>`);
  for (let i = 0; i < sizes.users; i++) yield addedToken(sizes.rows + i, `<user_${i}>`);
  for (let j = 0; j < sizes.items; j++) yield addedToken(sizes.rows + sizes.users + j, `<item_${j}>`);
}

function check(base: TokenizerJson, sizes: IdSpaceSizes, options: HuggingFaceExportOptions): (string | undefined)[] {
  checkSizes(sizes);
  const pieces = piecesOfJson(base);
  if (pieces.length > sizes.rows) {
    throw new RangeError(`rows is ${sizes.rows}, but tokenizer.json has ids up to ${pieces.length - 1}`);
  }
  const hole = Array.from(pieces).indexOf(undefined); // indexOf alone passes over the holes of a sparse array
  if (hole >= 0) {
    throw new Error(
      `tokenizer.json has no token with id ${hole} though it has larger ones; Python would number the added ` +
        "tokens differently, so this tokenizer cannot be exported",
    );
  }
  const count = sizes.rows - pieces.length + sizes.users + sizes.items;
  if (count > LARGE_EXPORT) {
    const message =
      `exporting ${count.toLocaleString("en")} added tokens: about ${Math.round((count * 130) / 1e6)} MB of JSON, ` +
      "which transformers takes many seconds to load. Ids are arithmetic (user i = N + i, item j = N + I + j): " +
      "where possible, add them to the encoded text instead";
    if (options.warn) options.warn(message);
    else console.warn(message);
  }
  return pieces;
}

/**
 * The base `tokenizer.json` with added tokens `<user_i>` at N + i and `<item_j>` at N + I + j, which transformers and
 * tokenizers read as it is. The base object is not changed.
 *
 * Python has no untrusted text: there, `<user_3>` becomes an id token wherever it occurs, in a review too.
 *
 * @throws RangeError if N is smaller than the tokenizer; Error if its ids have holes.
 */
export function huggingFaceTokenizerJson(
  base: TokenizerJson,
  sizes: IdSpaceSizes,
  options: HuggingFaceExportOptions = {},
): TokenizerJson {
  const pieces = check(base, sizes, options);
  return { ...base, added_tokens: [...(base.added_tokens ?? []), ...newTokens(pieces, sizes)] };
}

/**
 * The same file as pieces of text, to be written one after the other: the memory needed does not grow with the number
 * of users and items.
 */
export function* huggingFaceTokenizerJsonChunks(
  base: TokenizerJson,
  sizes: IdSpaceSizes,
  options: HuggingFaceExportOptions = {},
): Generator<string, void, undefined> {
  const pieces = check(base, sizes, options);
  const { version = "1.0", added_tokens, ...rest } = base;
  yield `{"version":${JSON.stringify(version)},"added_tokens":[`;
  let chunk: string[] = [];
  let separator = "";
  const join = () => {
    const text = separator + chunk.join(",\n");
    separator = ",\n";
    chunk = [];
    return text;
  };
  for (const tokens of [added_tokens ?? [], newTokens(pieces, sizes)]) {
    for (const token of tokens) {
      chunk.push(JSON.stringify(token));
      if (chunk.length === CHUNK) yield join();
    }
  }
  if (chunk.length > 0) yield join();
  yield `],${JSON.stringify(rest).slice(1)}\n`;
}

/** Names of special tokens that transformers reads from `tokenizer_config.json`. */
const SPECIAL_NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/**
 * A `tokenizer_config.json` to lie beside the export, so that `AutoTokenizer.from_pretrained(directory)` loads it as it
 * is: the generic fast tokenizer, with the base's names for its special tokens.
 */
export function huggingFaceTokenizerConfig(base: TokenizerConfigJson = {}): TokenizerConfigJson {
  const kept = [...SPECIAL_NAMES, "model_max_length", "chat_template", "padding_side", "truncation_side"].filter(
    (name) => base[name] !== undefined && base[name] !== null,
  );
  return {
    ...Object.fromEntries(kept.map((name) => [name, base[name]])),
    clean_up_tokenization_spaces: false,
    tokenizer_class: "PreTrainedTokenizerFast",
  };
}
