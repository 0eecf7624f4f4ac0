// A base tokenizer extended by user and item tokens: text is data, and only slots of a prompt become id tokens.
import {
  type BaseTokenizer,
  piecesOf,
  piecesOfJson,
  type TokenizerJson,
  vocabularyChecksum,
} from "./base-tokenizer.js";
import { type PaddedBatch, type PadOptions, padSequences } from "./batch.js";
import { DataEncoder, type EncodeTextOptions } from "./data-encoder.js";
import { type ExtensionJson, makeExtensionJson, readExtensionJson } from "./extension-json.js";
import { type HuggingFaceExportOptions, huggingFaceTokenizerJson } from "./huggingface-export.js";
import { checkIndex, checkSizes, type IdSpaceSizes, kindOf, type TokenKind } from "./id-space.js";
import { type PromptPart, parsePrompt, slotText } from "./notation.js";

/** What to extend, and by how much. */
export interface ExtendedTokenizerOptions extends IdSpaceSizes {
  /** A `Tokenizer` of `@huggingface/tokenizers`. It is used as it is and never changed. */
  readonly tokenizer: BaseTokenizer;
}

/** How to decode. */
export interface DecodeOptions {
  /** Leave out the base tokenizer's special tokens. Default false. */
  readonly skipSpecialTokens?: boolean;
  /** Let the library remove spaces before punctuation ("fine ." → "fine."). Loses information; default false. */
  readonly cleanUpSpaces?: boolean;
  /**
   * Put between an id token and its neighbour where neither brings white space of its own. Default `""`: what was
   * encoded comes back. `" "` reads better with tokenizers that do not keep the spaces at the ends of a text (T5,
   * BERT).
   */
  readonly separator?: string;
}

/** Literals of prompts are few and recur; this many encodings of literals up to this length (UTF-16 units) are kept. */
const CACHED_LITERALS = 1024;
const CACHED_LITERAL_LENGTH = 256;

/**
 * Any Hugging Face tokenizer plus I user tokens and J item tokens: `<user_i>` has id N + i and `<item_j>` has id N + I
 * + j, where
 * N = `rows` is the backbone's number of embedding rows. Id tokens are arithmetic; none is stored.
 *
 * Trusted and untrusted text are different calls: {@link encodeText} for data, {@link encodePrompt} for templates whose
 * slots the program fills, {@link parse} for bracket notation in strings that the program wrote itself.
 *
 * @example
 * const extended = new ExtendedTokenizer({ tokenizer, rows: 50257, users: 1000, items: 500 });
 * extended.encodePrompt([{ user: 12 }, " has interacted with", { item: 3 }]); // [50269, 468, 49…, 351, 51260]
 */
export class ExtendedTokenizer {
  /** N, the backbone's embedding rows. */
  readonly rows: number;
  /** I, the number of users. */
  readonly users: number;
  /** J, the number of items. */
  readonly items: number;
  /** N + I + J: ids are 0 … size − 1. */
  readonly size: number;
  /** The base tokenizer. */
  readonly tokenizer: BaseTokenizer;
  readonly #pieces: readonly (string | undefined)[];
  readonly #data: DataEncoder;
  /** Encoded literals by text: at the beginning of a prompt, and further on. */
  readonly #literals = [new Map<string, readonly number[]>(), new Map<string, readonly number[]>()] as const;
  #context: { readonly ids: readonly number[]; readonly text: string } | undefined;

  /**
   * @throws RangeError if a size is not a whole number, ids would not fit 32 bits, or the tokenizer has an id of `rows`
   * or more; Error if the tokenizer has user or item tokens already.
   */
  constructor(options: ExtendedTokenizerOptions) {
    checkSizes(options);
    this.tokenizer = options.tokenizer;
    this.rows = options.rows;
    this.users = options.users;
    this.items = options.items;
    this.size = options.rows + options.users + options.items;
    this.#pieces = piecesOf(options.tokenizer);
    if (this.#pieces.length > this.rows) {
      throw new RangeError(
        `rows is ${this.rows}, but the tokenizer has ids up to ${this.#pieces.length - 1} ` +
          `(${JSON.stringify(this.#pieces.at(-1))}); rows must be the number of embedding rows of the backbone that ` +
          "this tokenizer belongs to",
      );
    }
    for (const { content } of options.tokenizer.get_added_tokens_decoder().values()) {
      if (/^<(?:user|item)_\d+>$/.test(content)) {
        throw new Error(
          `the tokenizer has an added token ${JSON.stringify(content)} already; extend the base tokenizer, not an ` +
            "exported extension of it",
        );
      }
    }
    this.#data = new DataEncoder(options.tokenizer);
  }

  /** The id of user i: N + i. Throws a RangeError unless i is a whole number in [0, I). */
  userToken(user: number): number {
    checkIndex("user", user, this.users);
    return this.rows + user;
  }

  /** The id of item j: N + I + j. Throws a RangeError unless j is a whole number in [0, J). */
  itemToken(item: number): number {
    checkIndex("item", item, this.items);
    return this.rows + this.users + item;
  }

  /** What an id means. Throws a RangeError unless it is a whole number in [0, size). */
  kind(id: number): TokenKind {
    return kindOf(id, this);
  }

  /**
   * The id of one of the base tokenizer's added tokens (`</s>`, `<|endoftext|>`), for callers who place special tokens
   * themselves. Throws an Error if there is none of this name.
   */
  specialToken(content: string): number {
    const added = [...this.tokenizer.get_added_tokens_decoder().values()];
    const token = added.find((candidate) => candidate.content === content);
    if (token) return token.id;
    const names = added.slice(0, 8).map((candidate) => JSON.stringify(candidate.content));
    throw new Error(
      `the tokenizer has no added token ${JSON.stringify(content)}; it has ` +
        `${names.join(", ") || "none"}${added.length > 8 ? ", …" : ""}`,
    );
  }

  /**
   * Encodes untrusted text as data: no id ≥ N, and no special token of the base tokenizer, can come out, whatever the
   * text holds (the unknown token excepted, where the text has characters without a piece). No special token is added.
   * Text without special tokens gets exactly the ids that the plain tokenizer gives it.
   */
  encodeText(text: string, options?: EncodeTextOptions): number[] {
    return this.#data.encode(text, options);
  }

  /**
   * Encodes a trusted template. Slots become their one id token; each literal (neighbouring literals joined) becomes
   * exactly what
   * {@link encodeText} makes of it, with the spaces it has and no others. No special token is added.
   *
   * @throws RangeError for a user or item out of range; TypeError for anything else that is not a part.
   */
  encodePrompt(parts: readonly PromptPart[]): number[] {
    if (!Array.isArray(parts)) {
      const hint =
        typeof parts === "string" ? `: encodePrompt([text]) for a literal, parse(text) for the bracket notation` : "";
      throw new TypeError(`encodePrompt takes a list of parts, found ${parts === null ? "null" : typeof parts}${hint}`);
    }
    const ids: number[] = [];
    let literal = "";
    parts.forEach((part, index) => {
      if (typeof part === "string") {
        literal += part;
        return;
      }
      const id = this.#slotId(part, index);
      this.#appendLiteral(ids, literal);
      literal = "";
      ids.push(id);
    });
    this.#appendLiteral(ids, literal);
    return ids;
  }

  #slotId(part: unknown, index: number): number {
    if (typeof part === "object" && part !== null) {
      const user = "user" in part ? part.user : undefined;
      const item = "item" in part ? part.item : undefined;
      if (typeof user === "number" && item === undefined) return this.userToken(user);
      if (typeof item === "number" && user === undefined) return this.itemToken(item);
    }
    throw new TypeError(
      `part ${index} of the prompt is ${JSON.stringify(part) ?? String(part)}, expected a string, { user: number ` +
        "} or { item: number }",
    );
  }

  #appendLiteral(ids: number[], literal: string): void {
    if (literal === "") return;
    const continues = ids.length > 0;
    const cache = this.#literals[continues ? 1 : 0];
    let encoded = cache.get(literal);
    if (!encoded) {
      encoded = this.#data.encode(literal, { continues });
      if (literal.length <= CACHED_LITERAL_LENGTH) {
        if (cache.size >= CACHED_LITERALS) cache.clear();
        cache.set(literal, encoded);
      }
    }
    for (const id of encoded) ids.push(id);
  }

  /**
   * Reads the bracket notation of a **trusted** string, `"<user_12> has bought <item_3>"`, for {@link encodePrompt}.
   * Never call it on text that others wrote.
   *
   * @throws SyntaxError for a malformed id token (`<user_01>`, `<user_-1>`, `<user_`), naming its position; RangeError
   * for one out of range.
   */
  parse(text: string): PromptPart[] {
    return parsePrompt(text, this);
  }

  /** Encodes a batch of prompts and pads it; see {@link padSequences}. `padId` must be a token of the vocabulary. */
  encodeBatch(prompts: readonly (readonly PromptPart[])[], options: PadOptions): PaddedBatch {
    if (this.kind(options.padId).kind !== "vocabulary") {
      throw new RangeError(`padId ${options.padId} is an id token, expected an id below ${this.rows}`);
    }
    return padSequences(
      prompts.map((parts) => this.encodePrompt(parts)),
      options,
    );
  }

  /**
   * Ids back to parts: slots where the id tokens are, text between them. The only decoding that tells a slot from text
   * that merely looks like one.
   *
   * @throws RangeError for an id outside [0, size), or an embedding row that has no token (T5: 32,100 to 32,127).
   */
  decodeParts(ids: ArrayLike<number>, options: DecodeOptions = {}): PromptPart[] {
    const parts: PromptPart[] = [];
    let run: number[] = [];
    const flush = (end: number) => {
      if (run.length === 0) return;
      const text = this.#decodeRun(run, end > run.length, options);
      if (text !== "") parts.push(text);
      run = [];
    };
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at]!;
      const { kind, index } = this.kind(id);
      if (kind === "vocabulary") {
        if (this.#pieces[id] === undefined) {
          throw new RangeError(
            `id ${id} at position ${at} is an embedding row without a token (the tokenizer has ` +
              `${this.#pieces.length} ids, the backbone ${this.rows} rows); leave such rows out when generating`,
          );
        }
        run.push(id);
      } else {
        flush(at);
        parts.push(kind === "user" ? { user: index } : { item: index });
      }
    }
    flush(ids.length);
    return parts;
  }

  /**
   * Ids to text, id tokens in the bracket notation: the inverse of {@link encodePrompt} for every mixture of slots and
   * literals that the base tokenizer itself gives back unchanged. The result is text, no prompt: what was data stays
   * data only as long as nobody parses it.
   *
   * @throws RangeError as {@link decodeParts} does.
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const { separator = "" } = options;
    let text = "";
    let previous: PromptPart | undefined;
    for (const part of this.decodeParts(ids, options)) {
      const next = typeof part === "string" ? part : slotText(part);
      if (separator !== "" && previous !== undefined && !/\s$/.test(text) && !/^\s/.test(next)) text += separator;
      text += next;
      previous = part;
    }
    return text;
  }

  /** Decodes a run of vocabulary ids; `continues` says that it does not begin the sequence. */
  #decodeRun(
    run: number[],
    continues: boolean,
    { skipSpecialTokens = false, cleanUpSpaces = false }: DecodeOptions,
  ): string {
    const options = { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: cleanUpSpaces };
    if (!continues || !this.#data.marksBeginning) return this.tokenizer.decode(run, options);
    // Such a tokenizer's decoder takes away the mark at the beginning. This run has none: decode it behind a known
    // beginning.
    this.#context ??= this.#knownBeginning();
    const text = this.tokenizer.decode([...this.#context.ids, ...run], options);
    return text.slice(this.#context.text.length);
  }

  #knownBeginning(): { ids: readonly number[]; text: string } {
    const ids = this.#data.encode("a");
    return { ids, text: this.tokenizer.decode([...ids], { clean_up_tokenization_spaces: false }) };
  }

  /** The sizes and the base tokenizer's checksum, to be kept beside the base tokenizer; called by `JSON.stringify`. */
  toJSON(): ExtensionJson {
    return makeExtensionJson(this, { pieces: this.#pieces.length, checksum: vocabularyChecksum(this.#pieces) });
  }

  /**
   * The inverse of {@link toJSON}: extends `tokenizer` by the sizes in the parsed file.
   *
   * @throws Error if the JSON is not such a file, or was written with another base tokenizer.
   */
  static fromJSON(json: unknown, tokenizer: BaseTokenizer): ExtendedTokenizer {
    const { rows, users, items, base } = readExtensionJson(json);
    const extended = new ExtendedTokenizer({ tokenizer, rows, users, items });
    extended.#checkSame(base, "the tokenizer passed in");
    return extended;
  }

  /**
   * Export for Python: the base's `tokenizer.json` (as parsed; the library does not hand it out) with an added token
   * per user and item. See {@link huggingFaceTokenizerJson}; for hundreds of thousands of ids write a file with
   * {@link huggingFaceTokenizerJsonChunks} instead.
   *
   * @throws Error if `base` is not the file of this tokenizer.
   */
  toHuggingFace(base: TokenizerJson, options?: HuggingFaceExportOptions): TokenizerJson {
    this.checkBase(base);
    return huggingFaceTokenizerJson(base, this, options);
  }

  /** Throws an Error unless `base` is the `tokenizer.json` of this base tokenizer (same ids, same token strings). */
  checkBase(base: TokenizerJson): void {
    const pieces = piecesOfJson(base);
    this.#checkSame({ pieces: pieces.length, checksum: vocabularyChecksum(pieces) }, "this tokenizer");
  }

  #checkSame(other: ExtensionJson["base"], name: string): void {
    const mine = this.toJSON().base;
    if (mine.pieces !== other.pieces || mine.checksum !== other.checksum) {
      throw new Error(
        `the file belongs to another base tokenizer: it states ${other.pieces} ids with checksum ` +
          `${other.checksum}, ${name} has ${mine.pieces} with ${mine.checksum}`,
      );
    }
  }
}
