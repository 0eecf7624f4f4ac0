// What this package needs of a base tokenizer: the stages of `@huggingface/tokenizers`, and the two JSON files it is
// built from.
import type { Tokenizer } from "@huggingface/tokenizers";

/** The part of `Tokenizer` of `@huggingface/tokenizers` that is used here; a `Tokenizer` always fits. */
export type BaseTokenizer = Pick<
  Tokenizer,
  "encode" | "decode" | "normalizer" | "pre_tokenizer" | "model" | "get_added_tokens_decoder"
>;

/** One entry of `added_tokens` in a `tokenizer.json`. */
export interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly single_word?: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly normalized?: boolean;
  readonly special?: boolean;
}

/**
 * A parsed `tokenizer.json`. Only what this package reads is spelled out; everything else is carried through untouched.
 */
export interface TokenizerJson {
  readonly added_tokens?: readonly AddedTokenJson[] | null;
  readonly model: {
    readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

/** A parsed `tokenizer_config.json`. */
export type TokenizerConfigJson = Readonly<Record<string, unknown>>;

/** The model stage, which every usable tokenizer has; throws for one without. */
export function modelOf(tokenizer: BaseTokenizer): NonNullable<BaseTokenizer["model"]> {
  if (!tokenizer.model) throw new TypeError("the base tokenizer has no model; build it from a complete tokenizer.json");
  return tokenizer.model;
}

/** Token string by id, holes included, as the library holds it (not a copy). Its length is the largest id + 1. */
export function piecesOf(tokenizer: BaseTokenizer): readonly (string | undefined)[] {
  return modelOf(tokenizer).vocab;
}

/** Token string by id as `tokenizer.json` states it: the model's vocabulary, then the added tokens over it. */
export function piecesOfJson(json: TokenizerJson): (string | undefined)[] {
  const pieces: (string | undefined)[] = [];
  const { vocab } = json.model;
  if (isPieceList(vocab)) {
    for (const [piece] of vocab) pieces.push(piece);
  } else {
    for (const [piece, id] of Object.entries(vocab)) pieces[id] = piece;
  }
  for (const token of json.added_tokens ?? []) pieces[token.id] = token.content;
  return pieces;
}

function isPieceList(vocab: TokenizerJson["model"]["vocab"]): vocab is readonly (readonly [string, number])[] {
  return Array.isArray(vocab);
}

/**
 * A checksum of (id, token string) pairs as 16 hex digits: FNV-1a over the UTF-16 code units, in two lanes of 32 bits.
 * It tells a mix-up of tokenizers, not an attack.
 */
export function vocabularyChecksum(pieces: readonly (string | undefined)[]): string {
  let a = 0x811c9dc5;
  let b = 0x5bd1e995;
  for (let id = 0; id < pieces.length; id++) {
    const piece = pieces[id];
    if (piece === undefined) continue;
    a = Math.imul(a ^ id, 0x01000193);
    b = Math.imul(b ^ id, 0x0100019b);
    for (let i = 0; i < piece.length; i++) {
      const unit = piece.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul(b ^ unit, 0x0100019b);
      b ^= b >>> 13;
    }
  }
  return [a, b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
}
