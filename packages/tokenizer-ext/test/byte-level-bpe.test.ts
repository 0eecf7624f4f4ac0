// tokenizer.json from vocab.json and merges.txt.
import { byteLevelBpe } from "@cllm4rec/tokenizer-ext";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";

const vocab = { a: 0, b: 1, c: 2, ab: 3, abc: 4, "<|endoftext|>": 5, Ġ: 6 };

describe("byteLevelBpe", () => {
  it("merges by rank, and takes merges.txt as it is or as lines", () => {
    for (const merges of ["#version: 0.2\na b\nab c\n", "a b\r\nab c", ["a b", "ab c"]]) {
      const tokenizer = new Tokenizer(byteLevelBpe({ vocab, merges }), {});
      expect(tokenizer.encode("abcab c<|endoftext|>").ids).toEqual([4, 3, 6, 2, 5]);
    }
  });

  it("marks special tokens and may put a space before the text", () => {
    const json = byteLevelBpe({ vocab, merges: "a b", specialTokens: ["c"], addPrefixSpace: true });
    expect(json.added_tokens).toEqual([
      { id: 2, content: "c", single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ]);
    expect(new Tokenizer(json, {}).encode("ab").ids).toEqual([6, 3]);
  });

  it("has no special token where the vocabulary has none", () => {
    expect(byteLevelBpe({ vocab: { a: 0 }, merges: [] }).added_tokens).toEqual([]);
  });

  it.each([
    ["a z", "merges, line 1"],
    ["a b\nb a", "merges, line 2"],
    ["a b c", 'found "a b c"'],
    ["a", 'found "a"'],
    ["a toString", 'found "a toString"'],
  ])("refuses merges %j", (merges, message) => {
    expect(() => byteLevelBpe({ vocab, merges })).toThrow(message);
  });

  it("refuses a special token that is not there", () => {
    expect(() => byteLevelBpe({ vocab, merges: "", specialTokens: ["</s>"] })).toThrow(
      'special token "</s>" is not in the vocabulary of 7 tokens',
    );
  });
});
