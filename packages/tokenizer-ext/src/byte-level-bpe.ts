// GPT-2's older pair of files, vocab.json and merges.txt, to the tokenizer.json that the tokenizer library takes.
import type { AddedTokenJson, TokenizerJson } from "./base-tokenizer.js";

/** Contents of the two files. */
export interface ByteLevelBpeOptions {
  /** `vocab.json`: token string (in the byte-level alphabet) → id. */
  readonly vocab: Readonly<Record<string, number>>;
  /** `merges.txt` as one string, or its lines, best merge first; a first line `#version: …` is skipped. */
  readonly merges: string | readonly string[];
  /** Entries of `vocab` that are special tokens. Default: `<|endoftext|>`, where the vocabulary has it. */
  readonly specialTokens?: readonly string[];
  /** Put a space before the text if it has none (GPT-2: no, the default; RoBERTa: yes). */
  readonly addPrefixSpace?: boolean;
}

/**
 * The `tokenizer.json` of a byte-level BPE (Radford et al. 2019, §2.2): pass it to `new Tokenizer(json, {})`.
 *
 * @throws Error for a merge that is not two tokens, whose parts or result are missing from the vocabulary, or a special
 * token that is missing.
 */
export function byteLevelBpe(options: ByteLevelBpeOptions): TokenizerJson {
  const { vocab, addPrefixSpace = false } = options;
  const has = (token: string) => Object.hasOwn(vocab, token);
  const specialTokens = options.specialTokens ?? ["<|endoftext|>"].filter(has);
  const added: AddedTokenJson[] = specialTokens.map((content) => {
    const id = Object.hasOwn(vocab, content) ? vocab[content] : undefined;
    if (id === undefined) {
      throw new Error(
        `special token ${JSON.stringify(content)} is not in the vocabulary of ${Object.keys(vocab).length} tokens`,
      );
    }
    return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  });
  const lines = typeof options.merges === "string" ? options.merges.split(/\r?\n/) : options.merges;
  const merges: string[] = [];
  lines.forEach((line, index) => {
    if (line === "" || (index === 0 && line.startsWith("#version"))) return;
    const [left, right, ...rest] = line.split(" ");
    if (!left || !right || rest.length > 0 || !has(left) || !has(right) || !has(left + right)) {
      throw new Error(
        `merges, line ${index + 1}: found ${JSON.stringify(line.slice(0, 80))}, expected two tokens of the ` +
          "vocabulary, separated by one space, whose concatenation is in the vocabulary too. Do vocab.json and " +
          "merges.txt belong together?",
      );
    }
    merges.push(line);
  });
  const byteLevel = { type: "ByteLevel", add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.sort((a, b) => a.id - b.id),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
}
