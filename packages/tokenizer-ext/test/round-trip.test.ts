// The space rule beside id tokens, spelled out per family, and decoding to text and to parts.
import { describe, expect, it } from "vitest";
import { loadBase, tinyBase } from "./bases.js";

const USER = { user: 1 };
const ITEM = { item: 2 };

describe("the space rule: a literal keeps the spaces it has, and gets no others", () => {
  it("byte-level BPE (GPT-2): spaces are part of the pieces, nothing is lost", async () => {
    const { extended, tokenizer } = await tinyBase("byte-bpe");
    const ids = extended.encodePrompt([USER, " has interacted with ", ITEM, ITEM]);
    expect(ids.map((id) => tokenizer.id_to_token(id) ?? id)).toEqual([
      422,
      ...tokenizer.tokenize(" has interacted with "),
      421 + 50 + 2,
      421 + 50 + 2,
    ]);
    // a space before an id token is a token of its own
    expect(tokenizer.tokenize(" has interacted with ").at(-1)).toBe("Ġ");
    expect(extended.decode(ids)).toBe("<user_1> has interacted with <item_2><item_2>");
    expect(extended.decode(extended.encodePrompt([USER, "has"]))).toBe("<user_1>has");
  });

  it("Llama with a Prepend normalizer: each literal gets the dummy space, decoding takes it away again", async () => {
    const { extended, tokenizer } = await tinyBase("llama-prepend");
    expect(extended.encodePrompt([USER, "has", ITEM]).slice(1, -1)).toEqual(
      tokenizer.encode("has", { add_special_tokens: false }).ids,
    );
    for (const parts of [
      [USER, "has", ITEM],
      [USER, " has ", ITEM],
      ["the ", USER, "  has", ITEM],
    ]) {
      const spelled = parts.map((part) => (typeof part === "string" ? part : "user" in part ? "<user_1>" : "<item_2>"));
      expect(extended.decode(extended.encodePrompt(parts))).toBe(spelled.join(""));
    }
  });

  it("Llama with Metaspace 'first': only the beginning of the prompt gets the dummy space", async () => {
    const { extended, tokenizer } = await tinyBase("llama-first");
    const mark = (ids: number[]) => tokenizer.id_to_token(ids[0]!)!.startsWith("▁");
    expect(mark(extended.encodePrompt(["has"]))).toBe(true);
    expect(mark(extended.encodePrompt([USER, "has"]).slice(1))).toBe(false);
    expect(mark(extended.encodePrompt([USER, " has"]).slice(1))).toBe(true);
    expect(extended.decode(extended.encodePrompt([USER, "has", ITEM]))).toBe("<user_1>has<item_2>");
    expect(extended.decode(extended.encodePrompt([USER, " has ", ITEM]))).toBe("<user_1> has <item_2>");
    expect(extended.decode(extended.encodePrompt(["the", USER, " has"]))).toBe("the<user_1> has");
    // The same literal at the beginning and further on is two encodings, whichever is asked for first.
    const later = extended.encodePrompt([USER, "has"]).slice(1);
    expect(extended.encodePrompt(["has", USER, "has"])).toEqual([...extended.encodeText("has"), 609, ...later]);
  });

  it("main text that continues a prompt is encoded as such", async () => {
    const { extended } = await tinyBase("llama-first");
    expect(extended.encodeText("has", { continues: true })).toEqual(extended.encodePrompt([USER, "has"]).slice(1));
    expect(extended.encodeText("has</s>", { continues: true })).not.toContain(2);
    expect(extended.encodeText("has</s>", { continues: true, addedTokens: "all" }).at(-1)).toBe(2);
    expect(extended.encodeText("has")).not.toEqual(extended.encodeText("has", { continues: true }));
    const other = (await tinyBase("byte-bpe")).extended;
    expect(other.encodeText("has", { continues: true })).toEqual(other.encodeText("has"));
  });

  it.each(["unigram", "word-piece"])(
    "%s: spaces at the ends of a literal leave no trace, nor do they in the base",
    async (name) => {
      const { extended, tokenizer } = await tinyBase(name);
      const spaced = extended.encodePrompt([USER, " has ", ITEM, " ", ITEM]);
      expect(spaced).toEqual(extended.encodePrompt([USER, "has", ITEM, ITEM]));
      expect(tokenizer.decode(tokenizer.encode(" has ", { add_special_tokens: false }).ids)).toBe("has");
      expect(extended.decode(spaced)).toBe("<user_1>has<item_2><item_2>");
      expect(extended.decode(spaced, { separator: " " })).toBe("<user_1> has <item_2> <item_2>");
      expect(extended.encodePrompt(extended.parse(extended.decode(spaced)))).toEqual(spaced);
      expect(extended.encodePrompt(extended.parse(extended.decode(spaced, { separator: " " })))).toEqual(spaced);
    },
  );

  it("a separator is put only where no white space is", async () => {
    const { extended } = await tinyBase("byte-bpe");
    const ids = extended.encodePrompt([USER, " has\n", ITEM, ITEM, "now", USER]);
    expect(extended.decode(ids, { separator: " " })).toBe("<user_1> has\n<item_2> <item_2> now <user_1>");
  });

  it("joins neighbouring literals before it encodes them", async () => {
    const { extended } = await tinyBase("byte-bpe");
    expect(extended.encodePrompt(["gui", "", "tar", USER, "", ITEM, ""])).toEqual(
      extended.encodePrompt(["guitar", USER, ITEM]),
    );
  });
});

describe("decoding", () => {
  it("gives slots and text back as parts, and tells a slot from text that looks like one", async () => {
    const { extended } = await tinyBase("byte-bpe");
    const parts = [USER, ' writes "<user_2> <item_9999>" about ', ITEM];
    const ids = extended.encodePrompt(parts);
    expect(ids.filter((id) => id >= extended.rows)).toEqual([422, 473]);
    expect(extended.decodeParts(ids)).toEqual(parts);
    expect(extended.decode(ids)).toBe('<user_1> writes "<user_2> <item_9999>" about <item_2>');
  });

  it("takes typed arrays, and nothing at all", async () => {
    const { extended } = await tinyBase("unigram");
    expect(extended.decode(new Int32Array(0))).toBe("");
    expect(extended.decodeParts([])).toEqual([]);
    expect(extended.decode(Int32Array.from(extended.encodePrompt(["guitar", USER])))).toBe("guitar<user_1>");
  });

  it("keeps or leaves out the base's special tokens", async () => {
    const { extended } = await tinyBase("llama-first");
    const ids = [extended.specialToken("<s>"), ...extended.encodePrompt([USER, " has"]), extended.specialToken("</s>")];
    expect(extended.decode(ids)).toBe("<s><user_1> has</s>");
    expect(extended.decode(ids, { skipSpecialTokens: true })).toBe("<user_1> has");
  });

  it("cleans up spaces only when asked", async () => {
    const { extended } = await tinyBase("byte-bpe");
    const ids = extended.encodeText("fine .");
    expect(extended.decode(ids)).toBe("fine .");
    expect(extended.decode(ids, { cleanUpSpaces: true })).toBe("fine.");
  });

  it("refuses ids that are not there, and rows without a token", async () => {
    const { extended } = await tinyBase("unigram"); // 191 pieces, 196 rows
    expect(() => extended.decode([0, 196 + 90])).toThrow("id 286 is out of range, expected 0 to 285");
    expect(() => extended.decode([0, -1])).toThrow(RangeError);
    expect(() => extended.decode([0, 191])).toThrow(
      "id 191 at position 1 is an embedding row without a token (the tokenizer has 191 ids, the backbone 196 rows)",
    );
  });
});

describe("prompts", () => {
  it.each([
    [[{ user: 50 }], RangeError, "user 50 is out of range, expected 0 to 49"],
    [[{ item: -1 }], RangeError, "item -1 is out of range, expected 0 to 39"],
    [["a", {}], TypeError, "part 1 of the prompt is {}, expected a string, { user: number } or { item: number }"],
    [[{ user: 1, item: 2 }], TypeError, 'part 0 of the prompt is {"user":1,"item":2}'],
    [[{ user: "1" }], TypeError, 'part 0 of the prompt is {"user":"1"}'],
    [[null], TypeError, "part 0 of the prompt is null"],
    [[undefined], TypeError, "part 0 of the prompt is undefined"],
    [[7], TypeError, "part 0 of the prompt is 7"],
    ["x", TypeError, "encodePrompt takes a list of parts, found string: encodePrompt([text]) for a literal"],
    [null, TypeError, "encodePrompt takes a list of parts, found null"],
    [{ user: 1 }, TypeError, "encodePrompt takes a list of parts, found object"],
  ])("refuses %j", async (parts, type, message) => {
    const { extended } = await tinyBase("byte-bpe");
    const encode = () => Reflect.apply(extended.encodePrompt, extended, [parts]);
    expect(encode).toThrow(type);
    expect(encode).toThrow(message);
  });

  it("does not let callers reach into its cache of literals", async () => {
    const { extended } = await tinyBase("byte-bpe");
    const first = extended.encodePrompt(["guitar"]);
    const copy = [...first];
    first.fill(0);
    expect(extended.encodePrompt(["guitar"])).toEqual(copy);
    for (let n = 0; n < 1100; n++)
      expect(extended.decode(extended.encodePrompt([`literal ${n}`, USER]))).toBe(`literal ${n}<user_1>`);
    expect(extended.encodePrompt(["guitar"])).toEqual(copy);
  });
});

it("T5: 32,128 rows, 32,100 pieces", async ({ skip }) => {
  const base = await loadBase("t5");
  if (!base) return skip("needs the real T5 tokenizer");
  const { extended } = base;
  expect(extended.userToken(0)).toBe(32_128);
  expect(extended.itemToken(0)).toBe(32_178);
  expect(() => extended.decode([32_099 + 1])).toThrow("id 32100 at position 0 is an embedding row without a token");
  const ids = extended.encodePrompt([USER, " has interacted with ", ITEM]);
  expect(extended.decode(ids, { separator: " " })).toBe("<user_1> has interacted with <item_2>");
});
