// The tokenizer of a text encoder: passed in as it was loaded, and applied with truncation that keeps the special
// tokens.
import { createHash } from "node:crypto";

/** A tokenizer with the files it was made of: what `loadTokenizer` of `@cllm4rec/tokenizer-ext/node` returns. */
export interface TextTokenizer {
  /** A `Tokenizer` of `@huggingface/tokenizers`. */
  readonly tokenizer: {
    encode(text: string, options?: { readonly add_special_tokens?: boolean }): { readonly ids: readonly number[] };
  };
  /** The parsed `tokenizer.json`. */
  readonly json: unknown;
  /** The parsed `tokenizer_config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** SHA-256 (hex) of a tokenizer's files. */
export function tokenizerHash({ json, config }: TextTokenizer): string {
  return createHash("sha256")
    .update(JSON.stringify([json, config]))
    .digest("hex");
}

/**
 * The longest text that `tokenizer_config.json` allows; none where it says nothing or transformers' stand-in for "no
 * limit", 10³⁰.
 */
export function tokenizerLimit({ config }: TextTokenizer): number {
  const limit = config.model_max_length;
  return typeof limit === "number" && limit >= 1 && limit < 1e9 ? Math.floor(limit) : Number.POSITIVE_INFINITY;
}

/**
 * Tokenises texts as sentence-transformers does: special tokens around the text, and of a text that is too long its end
 * is cut, not the special tokens after it.
 * @param maxTokens special tokens included
 * @param vocabularySize ids from there on are refused: the tokenizer belongs to another model
 */
export function truncatingTokenizer(
  { tokenizer }: TextTokenizer,
  maxTokens: number,
  vocabularySize: number,
): (text: string, index: number) => readonly number[] {
  const suffix = specialSuffix(tokenizer);
  if (maxTokens <= suffix.length)
    throw new RangeError(`maxTokens: found ${maxTokens}, expected more than the ${suffix.length} special tokens`);
  return (text, index) => {
    const { ids } = tokenizer.encode(text);
    const kept = ids.length <= maxTokens ? ids : [...ids.slice(0, maxTokens - suffix.length), ...suffix];
    for (const id of kept) {
      if (!(id >= 0 && id < vocabularySize)) {
        throw new RangeError(
          `text ${index}: the tokenizer made id ${id} of it, but the model's vocabulary has ${vocabularySize} rows; ` +
            "pass the tokenizer of this model",
        );
      }
    }
    return kept;
  };
}

/** The special tokens after every text. */
function specialSuffix(tokenizer: TextTokenizer["tokenizer"]): readonly number[] {
  const [whole, text] = [true, false].map((add_special_tokens) => tokenizer.encode("a", { add_special_tokens }).ids);
  const [first, ...rest] = text!;
  if (first === undefined) return [];
  const at = whole!.findIndex((id, t) => id === first && rest.every((next, r) => whole![t + 1 + r] === next));
  return at < 0 ? [] : whole!.slice(at + text!.length);
}
