// Saving beside the base tokenizer, loading, and the export for Python (whose reading of it the goldens prove).
import {
  ExtendedTokenizer,
  huggingFaceTokenizerConfig,
  huggingFaceTokenizerJson,
  huggingFaceTokenizerJsonChunks,
  type TokenizerJson,
} from "@cllm4rec/tokenizer-ext";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { allNames, golden, loadBase, tinyBase, tinyJson, tinyNames } from "./bases.js";

describe("toJSON and fromJSON", () => {
  it.each(allNames)("%s: come back the same", async (name) => {
    const base = await loadBase(name);
    if (!base) return;
    const { extended, tokenizer } = base;
    const saved = JSON.stringify(extended);
    const loaded = ExtendedTokenizer.fromJSON(JSON.parse(saved), tokenizer);
    expect([loaded.rows, loaded.users, loaded.items]).toEqual([extended.rows, extended.users, extended.items]);
    expect(JSON.stringify(loaded)).toBe(saved);
    expect(saved.length).toBeLessThan(250);
  });

  it("refuse another base tokenizer", async () => {
    const saved: unknown = JSON.parse(JSON.stringify((await tinyBase("llama-first")).extended));
    const other = (await tinyBase("llama-prepend")).tokenizer;
    // the two share their vocabulary: nothing to tell them apart by
    const same = ExtendedTokenizer.fromJSON(saved, other);
    expect(same.rows).toBe(608);
    const { tokenizer } = await tinyBase("byte-bpe");
    expect(() => ExtendedTokenizer.fromJSON(saved, tokenizer)).toThrow(
      /^the file belongs to another base tokenizer: it states 600 ids with checksum [0-9a-f]{16}, the tokenizer passed in has 421 with [0-9a-f]{16}$/,
    );
  });

  it("tell a vocabulary of the same size but another order", async () => {
    const { tokenizer: json, config } = tinyJson("byte-bpe");
    const vocab = { ...json.model.vocab };
    if (Array.isArray(vocab)) throw new Error("a BPE vocabulary is an object");
    const swapped: Record<string, number> = { ...tinyVocabulary(json) };
    [swapped.a, swapped.b] = [swapped.b!, swapped.a!];
    const other = new Tokenizer({ ...json, model: { ...json.model, vocab: swapped } }, config);
    const saved: unknown = JSON.parse(JSON.stringify((await tinyBase("byte-bpe")).extended));
    expect(() => ExtendedTokenizer.fromJSON(saved, other)).toThrow(/another base tokenizer/);
  });

  it.each([
    [null, "the top level is null, expected an object"],
    [[], "the top level is [], expected an object"],
    [{}, 'format is missing, expected "cllm4rec-tokenizer-extension"'],
    [{ format: "cllm4rec-tokenizer-extension", version: 2 }, "version is 2, expected 1"],
    [{ format: "cllm4rec-tokenizer-extension", version: 1, rows: "9" }, 'rows is "9", expected a number'],
    [
      { format: "cllm4rec-tokenizer-extension", version: 1, rows: 421, users: 1 },
      "items is missing, expected a number",
    ],
    [
      { format: "cllm4rec-tokenizer-extension", version: 1, rows: 421, users: -1, items: 1 },
      "users is -1, expected a whole number",
    ],
    [
      { format: "cllm4rec-tokenizer-extension", version: 1, rows: 421, users: 1, items: 1 },
      "base is missing, expected an object",
    ],
    [
      { format: "cllm4rec-tokenizer-extension", version: 1, rows: 421, users: 1, items: 1, base: { pieces: 421 } },
      "base.checksum is missing, expected a string",
    ],
  ])("refuse %j", async (json, message) => {
    const { tokenizer } = await tinyBase("byte-bpe");
    expect(() => ExtendedTokenizer.fromJSON(json, tokenizer)).toThrow(message);
  });
});

function tinyVocabulary(json: TokenizerJson): Readonly<Record<string, number>> {
  const { vocab } = json.model;
  return Object.fromEntries(Array.isArray(vocab) ? [] : Object.entries(vocab));
}

describe("the export for Python", () => {
  it.each(tinyNames)("%s: the library reads it too, and encodes trusted strings to the same ids", async (name) => {
    const { extended, json, config } = await tinyBase(name);
    const before = JSON.stringify(json);
    const exported = extended.toHuggingFace(json);
    expect(JSON.stringify(json)).toBe(before);
    const reader = new Tokenizer(exported, config);
    for (const { text, ids } of golden(name).prompts) {
      if (text === "") continue;
      expect(reader.encode(text, { add_special_tokens: false }).ids).toEqual(ids);
    }
    expect(reader.token_to_id("<user_49>")).toBe(extended.userToken(49));
    expect(reader.token_to_id("<item_39>")).toBe(extended.itemToken(39));
  });

  it("fills embedding rows without a token, so that Python's consecutive numbering comes out right", async () => {
    const { extended, json } = await tinyBase("unigram");
    const added = extended.toHuggingFace(json).added_tokens ?? [];
    const news = added.filter((token) => token.id >= 191);
    expect(news.map((token) => token.id)).toEqual(Array.from({ length: 5 + 50 + 40 }, (_, n) => 191 + n));
    expect(news.slice(0, 6).map((token) => token.content)).toEqual([
      "<row_191>",
      "<row_192>",
      "<row_193>",
      "<row_194>",
      "<row_195>",
      "<user_0>",
    ]);
    expect(news.at(-1)).toEqual({
      id: 285,
      content: "<item_39>",
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: false,
    });
  });

  it("is the same whether made as one object or streamed in chunks", async () => {
    const { json } = await tinyBase("byte-bpe");
    const sizes = { rows: 430, users: 9_000, items: 1_000 };
    const chunks = [...huggingFaceTokenizerJsonChunks(json, sizes)];
    expect(chunks.length).toBeGreaterThan(4);
    expect(JSON.parse(chunks.join(""))).toEqual(huggingFaceTokenizerJson(json, sizes));
  });

  it("warns once when it gets large, and not before", async () => {
    const { json } = await tinyBase("byte-bpe");
    const said: string[] = [];
    const warn = (message: string) => void said.push(message);
    const read = (users: number) => {
      for (const chunk of huggingFaceTokenizerJsonChunks(json, { rows: 421, users, items: 0 }, { warn }))
        expect(chunk).not.toBe("");
    };
    read(100_000);
    expect(said).toEqual([]);
    read(100_001);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^exporting 100,001 added tokens: about 13 MB of JSON/);
  });

  it("refuses a tokenizer.json of another base, one with holes, and too few rows", async () => {
    const { extended, json } = await tinyBase("byte-bpe");
    expect(() => extended.toHuggingFace(tinyJson("unigram").tokenizer)).toThrow(/another base tokenizer/);
    const hole = { ...json, added_tokens: [...(json.added_tokens ?? []), { id: 425, content: "<far>" }] };
    expect(() => huggingFaceTokenizerJson(hole, { rows: 430, users: 1, items: 1 })).toThrow(
      /no token with id 421 though it has larger ones/,
    );
    expect(() => huggingFaceTokenizerJson(json, { rows: 420, users: 1, items: 1 })).toThrow(
      "rows is 420, but tokenizer.json has ids up to 420",
    );
  });

  it("comes with a configuration that makes AutoTokenizer take the file as it is", () => {
    expect(
      huggingFaceTokenizerConfig({
        tokenizer_class: "T5Tokenizer",
        eos_token: "</s>",
        pad_token: null,
        extra_ids: 100,
      }),
    ).toEqual({ tokenizer_class: "PreTrainedTokenizerFast", eos_token: "</s>", clean_up_tokenization_spaces: false });
  });
});
