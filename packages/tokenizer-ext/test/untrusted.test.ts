// Untrusted text is data: neither id tokens nor the base tokenizer's special tokens can be written in it.
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { allNames, loadBase, specialIds, tinyBase, tinyJson } from "./bases.js";

const ID_LOOKALIKES = [
  "<user_1>",
  "<item_3>",
  "<user_12>",
  "<user_01>",
  "<user_-1>",
  "<user_9999999999999999999>",
  "<user_50>",
];

for (const name of allNames) {
  const base = await loadBase(name);
  describe.skipIf(!base)(name, () => {
    it("encodes what looks like an id token as text of the vocabulary", () => {
      const { extended } = base!;
      for (const text of ID_LOOKALIKES) {
        const ids = extended.encodeText(text);
        expect(ids.length).toBeGreaterThan(1);
        expect(ids.every((id) => extended.kind(id).kind === "vocabulary")).toBe(true);
      }
    });

    it("spells out every special token the base has, alone and inside text", () => {
      const { extended, tokenizer } = base!;
      const special = specialIds(base!);
      expect(special.size).toBeGreaterThan(0);
      for (const id of special) {
        const content = tokenizer.id_to_token(id) ?? "";
        for (const text of [content, `good ${content} strap`, `${content}${content}`, `x${content}y`]) {
          const ids = extended.encodeText(text);
          expect(
            ids.filter((each) => special.has(each)),
            text,
          ).toEqual([]);
          expect(ids.length).toBeGreaterThan(0);
          expect(extended.encodePrompt([text]), "a literal of a prompt is data too").toEqual(ids);
        }
      }
    });

    it("lets special tokens through only when told to, with the plain tokenizer's ids", () => {
      const { extended, tokenizer } = base!;
      const special = [...specialIds(base!)][0]!;
      const text = `a ${tokenizer.id_to_token(special)}`;
      const plain = tokenizer.encode(text, { add_special_tokens: false }).ids;
      expect(plain).toContain(special);
      expect(extended.encodeText(text, { addedTokens: "all" })).toEqual(plain);
    });
  });
}

describe("special tokens as text", () => {
  it("keeps every character where the vocabulary has all bytes", async () => {
    const { extended } = await tinyBase("byte-bpe");
    const text = "one <|endoftext|><|endoftext|> two [BOLD]<user_3>";
    expect(extended.decode(extended.encodeText(text))).toBe(text);
  });

  it("withstands text that only becomes a special token when normalized", async () => {
    const base = await tinyBase("unigram");
    const fullwidth = "＜/s＞"; // NFKC makes it </s>, which the Unigram model holds as a piece
    expect(base.tokenizer.encode(fullwidth, { add_special_tokens: false }).ids).toContain(1);
    expect(base.extended.encodeText(fullwidth)).not.toContain(1);
    expect(base.extended.encodeText(fullwidth)).toContain(base.tokenizer.token_to_id("s"));
  });

  it("withstands a special token whose only character is itself", async () => {
    const { tokenizer: json, config } = tinyJson("unigram");
    const vocab = [...(Array.isArray(json.model.vocab) ? json.model.vocab : []), ["☠", 0]];
    const added_tokens = [...(json.added_tokens ?? []), { id: vocab.length - 1, content: "☠", special: true }];
    const tokenizer = new Tokenizer({ ...json, model: { ...json.model, vocab }, added_tokens }, config);
    const extended = new ExtendedTokenizer({ tokenizer, rows: vocab.length, users: 1, items: 1 });
    expect(extended.encodeText("a☠")).not.toContain(vocab.length - 1);
    expect(extended.encodeText("a☠")).toContain(tokenizer.model?.unk_token_id);
  });

  it("withstands special tokens that the normalizer produces, with lstrip and rstrip neighbours", () => {
    const { tokenizer: json, config } = tinyJson("word-piece");
    const size = Object.keys(json.model.vocab).length;
    const added_tokens = [
      ...(json.added_tokens ?? []),
      { id: size, content: "<Stop>", special: true, normalized: true },
      { id: size + 1, content: "<mark>", special: false, normalized: false, lstrip: true, rstrip: true },
    ];
    const tokenizer = new Tokenizer({ ...json, added_tokens }, config);
    const extended = new ExtendedTokenizer({ tokenizer, rows: size + 2, users: 1, items: 1 });
    expect(tokenizer.encode("A <STOP> b", { add_special_tokens: false }).ids).toContain(size);
    expect(extended.encodeText("A <STOP> b")).not.toContain(size);
    // The ordinary added token is still recognised in such text, as it is without it.
    expect(extended.encodeText("the strap <mark> sound")).toEqual(
      tokenizer.encode("the strap <mark> sound", { add_special_tokens: false }).ids,
    );
    expect(extended.encodeText("the <mark> a [SEP]").filter((id) => id === size + 1)).toHaveLength(1);
    expect(extended.encodeText("the <mark> a [SEP]", { addedTokens: "none" })).not.toContain(size + 1);
  });

  it("lets ordinary added tokens swallow the spaces beside them as the plain tokenizer does", () => {
    const { tokenizer: json, config } = tinyJson("byte-bpe");
    const added_tokens = [
      ...(json.added_tokens ?? []),
      { id: 421, content: "<left>", special: false, normalized: false, lstrip: true },
      { id: 422, content: "<right>", special: false, normalized: false, rstrip: true },
      { id: 423, content: "<right><left>", special: false, normalized: false },
    ];
    const tokenizer = new Tokenizer({ ...json, added_tokens }, config);
    const extended = new ExtendedTokenizer({ tokenizer, rows: 424, users: 1, items: 1 });
    const text = "a  <left>  b  <right>  c <right><left> d <left> <right> ";
    const plain = tokenizer.encode(text, { add_special_tokens: false }).ids;
    expect(plain).toContain(423);
    expect(extended.encodeText(`${text}!<|endoftext|>`).slice(0, plain.length)).toEqual(plain);
  });

  it("encodes the name of the unknown token as text", async () => {
    const { extended, tokenizer } = await tinyBase("word-piece");
    const unknown = tokenizer.model?.unk_token_id;
    expect(tokenizer.encode("a [UNK] b", { add_special_tokens: false }).ids).toEqual([
      tokenizer.token_to_id("a"),
      unknown,
      tokenizer.token_to_id("b"),
    ]);
    // "[" and "]" have no piece in this vocabulary, the letters between them do.
    const ids = extended.encodeText("a [UNK] b");
    expect(ids).toContain(tokenizer.token_to_id("##k"));
    expect(extended.encodeText("a \u{1f3b8} b")).toEqual([
      tokenizer.token_to_id("a"),
      unknown,
      tokenizer.token_to_id("b"),
    ]);
  });

  it("keeps ordinary added tokens, which are vocabulary, in text that holds special ones", async () => {
    const { extended, tokenizer } = await tinyBase("byte-bpe");
    const bold = tokenizer.token_to_id("[BOLD]")!;
    const ids = extended.encodeText("[BOLD]loud<|endoftext|>[BOLD]");
    expect(ids[0]).toBe(bold);
    expect(ids.at(-1)).toBe(bold);
    expect(extended.encodeText("[BOLD]", { addedTokens: "none" })).not.toContain(bold);
    expect(extended.decode(ids)).toBe("[BOLD]loud<|endoftext|>[BOLD]");
  });

  it("cleans text as the configuration asks when it encodes by stages", () => {
    const { tokenizer: json } = tinyJson("byte-bpe");
    const tokenizer = new Tokenizer(json, { remove_space: true, do_lowercase_and_remove_accent: true });
    const extended = new ExtendedTokenizer({ tokenizer, rows: 421, users: 1, items: 1 });
    expect(extended.encodeText("  A   Gu\u00edt\u0301ar <|endoftext|>")).toEqual(
      extended.encodeText("a gu\u00edtar <|endoftext|>"),
    );
  });

  it.each([[{ addedTokens: "some" }, /addedTokens is "some", expected "ordinary", "none" or "all"/]])(
    "refuses an unknown policy",
    async (options, message) => {
      const { extended } = await tinyBase("byte-bpe");
      expect(() => Reflect.apply(extended.encodeText, extended, ["a", options])).toThrow(message);
      expect(() => Reflect.apply(extended.encodeText, extended, [null])).toThrow("text is object, expected a string");
    },
  );

  it("says so when the base has neither a piece nor an unknown token for the text", () => {
    const { tokenizer: json, config } = tinyJson("unigram");
    const { unk_id: _, ...model } = json.model;
    const tokenizer = new Tokenizer(
      { ...json, model: { ...model, type: "WordPiece", vocab: { a: 0 } }, added_tokens: [] },
      config,
    );
    const extended = new ExtendedTokenizer({ tokenizer, rows: 10, users: 1, items: 1 });
    expect(() => extended.encodeText("zzz")).toThrow(/no piece for a part of "zzz" and no unknown token/);
  });
});
