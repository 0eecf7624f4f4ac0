// Untrusted text to ids of the base vocabulary: as the plain tokenizer does it, except that no special token can come
// out.
import { type BaseTokenizer, modelOf } from "./base-tokenizer.js";

type AddedToken = ReturnType<BaseTokenizer["get_added_tokens_decoder"]> extends Map<number, infer T> ? T : never;
type Model = ReturnType<typeof modelOf>;

/**
 * Which added tokens of the base tokenizer may be recognised in text:
 * - `"ordinary"`: those not marked special (runs of spaces in code models, say), as the plain tokenizer does; the text
 *   of a special token (`</s>`, `<|endoftext|>`) is spelled out like any other text. For untrusted text; the default.
 * - `"none"`: no added token at all.
 * - `"all"`: special tokens too, exactly as the plain tokenizer does. For text one has written oneself.
 */
export type AddedTokenPolicy = "ordinary" | "none" | "all";

/** How to encode text. */
export interface EncodeTextOptions {
  /** Default `"ordinary"`. */
  readonly addedTokens?: AddedTokenPolicy;
  /**
   * The text continues a sequence whose beginning is encoded elsewhere (a prompt, a beginning-of-sequence token). It
   * makes a difference only for tokenizers that mark the beginning of the sequence (Metaspace with
   * `prepend_scheme: "first"`).
   */
  readonly continues?: boolean;
}

interface Section {
  text: string;
  readonly id: number | undefined;
}

/** Finds the added tokens of one list in a text: leftmost first, the longest of those that start there. */
class AddedTokenSplitter {
  readonly #byContent: Map<string, AddedToken>;
  readonly #pattern: RegExp | undefined;

  constructor(byContent: Map<string, AddedToken>) {
    this.#byContent = byContent;
    const contents = [...byContent.keys()].filter((content) => content !== "").sort((a, b) => b.length - a.length);
    if (contents.length > 0) {
      this.#pattern = new RegExp(contents.map((c) => c.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
    }
  }

  split(text: string): Section[] {
    if (!this.#pattern) return [{ text, id: undefined }];
    const sections: Section[] = [];
    let end = 0;
    let stripNext = false;
    const push = (plain: string) => sections.push({ text: stripNext ? plain.trimStart() : plain, id: undefined });
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#byContent.get(match[0])!;
      if (match.index > end) push(text.slice(end, match.index));
      const before = sections.at(-1);
      if (token.lstrip && before && before.id === undefined) before.text = before.text.trimEnd();
      sections.push({ text: match[0], id: token.id });
      stripNext = token.rstrip;
      end = match.index + match[0].length;
    }
    if (end < text.length) push(text.slice(end));
    return sections;
  }
}

function noPiece(text: string): Error {
  return new Error(
    `the base tokenizer has no piece for a part of ${JSON.stringify(text.slice(0, 40))} and no unknown token; ` +
      "name one in its model (unk_token, unk_id)",
  );
}

/** What one policy recognises and what it must never let out. */
interface PolicyTables {
  readonly raw: AddedTokenSplitter;
  readonly normalized: AddedTokenSplitter;
  readonly forbidden: ReadonlySet<number>;
}

/** Encodes text with a base tokenizer under a policy on added tokens. Holds no text. */
export class DataEncoder {
  /** Whether the tokenizer encodes the first section of a sequence differently from the later ones. */
  readonly marksBeginning: boolean;
  readonly #tokenizer: BaseTokenizer;
  readonly #model: Model;
  readonly #removeSpace: boolean;
  readonly #lowercase: boolean;
  readonly #unknown: { readonly id: number; readonly content: string } | undefined;
  readonly #tables: Record<AddedTokenPolicy, PolicyTables>;

  constructor(tokenizer: BaseTokenizer) {
    this.#tokenizer = tokenizer;
    this.#model = modelOf(tokenizer);
    // Two switches of tokenizer_config.json that the library applies but does not declare (XLNet and ALBERT; XLM).
    this.#removeSpace = Reflect.get(tokenizer, "remove_space") === true;
    this.#lowercase = Reflect.get(tokenizer, "do_lowercase_and_remove_accent") === true;
    const { unk_token_id: id, unk_token: content } = this.#model;
    this.#unknown = id !== undefined && id !== null && content ? { id, content } : undefined;
    const first = tokenizer.pre_tokenizer?.pre_tokenize("a", { section_index: 0 }).join("\n");
    this.marksBeginning = first !== tokenizer.pre_tokenizer?.pre_tokenize("a", { section_index: 1 }).join("\n");
    const added = [...tokenizer.get_added_tokens_decoder().values()];
    this.#tables = {
      all: this.#tablesFor(added, () => true),
      ordinary: this.#tablesFor(added, (token) => !token.special),
      none: this.#tablesFor(added, () => false),
    };
  }

  #tablesFor(added: readonly AddedToken[], allowed: (token: AddedToken) => boolean): PolicyTables {
    const { normalizer } = this.#tokenizer;
    const raw = new Map<string, AddedToken>();
    const normalized = new Map<string, AddedToken>();
    const forbidden = new Set<number>();
    for (const token of added) {
      if (!allowed(token)) {
        // The unknown token replaces what has no piece, so any text may yield it.
        if (token.id !== this.#unknown?.id) forbidden.add(token.id);
      } else if (token.normalized && normalizer) normalized.set(normalizer.normalize(token.content), token);
      else raw.set(token.content, token);
    }
    return { raw: new AddedTokenSplitter(raw), normalized: new AddedTokenSplitter(normalized), forbidden };
  }

  /**
   * The ids of `text`, none of them forbidden by the policy. Ordinary text costs one call of the plain tokenizer and a
   * look at its ids; only text that yields a special token there is encoded a second time, by stages.
   */
  encode(text: string, { addedTokens = "ordinary", continues = false }: EncodeTextOptions = {}): number[] {
    if (typeof text !== "string") throw new TypeError(`text is ${typeof text}, expected a string`);
    const tables = this.#tables[addedTokens];
    if (!tables) {
      throw new RangeError(`addedTokens is ${JSON.stringify(addedTokens)}, expected "ordinary", "none" or "all"`);
    }
    if (text === "") return [];
    if (!(continues && this.marksBeginning)) {
      const { ids } = this.#tokenizer.encode(text, { add_special_tokens: false });
      if (!this.#leaks(ids, text, tables.forbidden) || addedTokens === "all") return ids;
    }
    return this.#encodeByStages(text, tables, continues);
  }

  #leaks(ids: readonly number[], text: string, forbidden: ReadonlySet<number>): boolean {
    let unknown = false;
    for (const id of ids) {
      if (forbidden.has(id)) return true;
      if (!(id >= 0)) throw noPiece(text);
      if (id === this.#unknown?.id) unknown = true;
    }
    // An unknown id is innocent unless the text spells the unknown token's name, which is text and deserves its own
    // pieces.
    if (!unknown || !this.#unknown) return false;
    const { content } = this.#unknown;
    return text.includes(content) || (this.#tokenizer.normalizer?.normalize(text).includes(content) ?? false);
  }

  /** The library's own order of stages, with only the allowed added tokens cut out. */
  #encodeByStages(text: string, tables: PolicyTables, continues: boolean): number[] {
    const { normalizer, pre_tokenizer: preTokenizer } = this.#tokenizer;
    const ids: number[] = [];
    tables.raw.split(text).forEach((section, index) => {
      if (section.id !== undefined) {
        ids.push(section.id);
        return;
      }
      const plain = this.#clean(section.text);
      const normal = normalizer ? normalizer.normalize(plain) : plain;
      for (const part of tables.normalized.split(normal)) {
        if (part.id !== undefined) ids.push(part.id);
        else if (part.text !== "") {
          const words = preTokenizer
            ? preTokenizer.pre_tokenize(part.text, { section_index: continues ? index + 1 : index })
            : [part.text];
          this.#appendPieces(ids, words, tables.forbidden);
        }
      }
    });
    return ids;
  }

  /** What the library does to text before the normalizer, for the few tokenizers whose configuration asks for it. */
  #clean(text: string): string {
    let cleaned = text;
    if (this.#removeSpace) cleaned = cleaned.trim().split(/\s+/).join(" ");
    if (this.#lowercase) cleaned = cleaned.toLowerCase().replace(/\p{M}/gu, "");
    return cleaned;
  }

  #appendPieces(ids: number[], words: string[], forbidden: ReadonlySet<number>): void {
    for (const piece of this.#model(words)) {
      const id = this.#model.tokens_to_ids.get(piece) ?? this.#unknown?.id;
      if (id === undefined) throw noPiece(piece);
      if (!forbidden.has(id)) {
        ids.push(id);
        continue;
      }
      // The model itself holds the special token as a piece (Unigram vocabularies do): spell it in smaller pieces.
      const [head = "", ...rest] = piece;
      if (rest.length > 0) {
        this.#appendPieces(ids, [head], forbidden);
        this.#appendPieces(ids, [rest.join("")], forbidden);
      } else if (this.#unknown) ids.push(this.#unknown.id);
    }
  }
}
