// Ids are arithmetic, sizes are checked, and nothing outside them is accepted.
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { tinyBase, tinyJson } from "./bases.js";

const { tokenizer } = await tinyBase("llama-first");
const make = (rows: number, users: number, items: number) => new ExtendedTokenizer({ tokenizer, rows, users, items });

describe("ids", () => {
  const extended = make(700, 3, 2);

  it("puts users at N + i and items at N + I + j", () => {
    expect([0, 1, 2].map((i) => extended.userToken(i))).toEqual([700, 701, 702]);
    expect([0, 1].map((j) => extended.itemToken(j))).toEqual([703, 704]);
    expect(extended.size).toBe(705);
  });

  it("tells the kind and the index of each id", () => {
    expect(extended.kind(0)).toEqual({ kind: "vocabulary", index: 0 });
    expect(extended.kind(699)).toEqual({ kind: "vocabulary", index: 699 });
    expect(extended.kind(700)).toEqual({ kind: "user", index: 0 });
    expect(extended.kind(702)).toEqual({ kind: "user", index: 2 });
    expect(extended.kind(703)).toEqual({ kind: "item", index: 0 });
    expect(extended.kind(704)).toEqual({ kind: "item", index: 1 });
  });

  it.each([-1, 3, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("refuses user %d", (user) => {
    expect(() => extended.userToken(user)).toThrow(new RangeError(`user ${user} is out of range, expected 0 to 2`));
  });

  it.each([-1, 2, 0.5, Number.NaN])("refuses item %d", (item) => {
    expect(() => extended.itemToken(item)).toThrow(new RangeError(`item ${item} is out of range, expected 0 to 1`));
  });

  it.each([-1, 705, 0.5, Number.NaN])("refuses id %d", (id) => {
    expect(() => extended.kind(id)).toThrow(RangeError);
  });

  it("works without users or items", () => {
    const none = make(600, 0, 0);
    expect(none.size).toBe(600);
    expect(() => none.userToken(0)).toThrow("user 0 is out of range, expected none (the count is 0)");
    expect(() => none.parse("<item_0>")).toThrow("there are no items");
  });
});

describe("sizes", () => {
  it("takes more rows than the tokenizer has ids, and not one fewer", () => {
    expect(make(600, 1, 1).rows).toBe(600);
    expect(() => make(599, 1, 1)).toThrow(/rows is 599, but the tokenizer has ids up to 599/);
  });

  it("counts added tokens beyond the model's vocabulary", () => {
    const { tokenizer: json, config } = tinyJson("llama-first");
    const added_tokens = [...(json.added_tokens ?? []), { id: 640, content: "<far>", special: true }];
    const far = new Tokenizer({ ...json, added_tokens }, config);
    expect(() => new ExtendedTokenizer({ tokenizer: far, rows: 640, users: 1, items: 1 })).toThrow(
      'rows is 640, but the tokenizer has ids up to 640 ("<far>")',
    );
  });

  it.each([
    [0, 1, 1, "rows is 0, expected a whole number of at least 1"],
    [600.5, 1, 1, "rows is 600.5, expected a whole number of at least 1"],
    [600, -1, 1, "users is -1, expected a whole number of at least 0"],
    [600, 1, Number.NaN, "items is NaN, expected a whole number of at least 0"],
    [2 ** 31, 0, 0, "rows + users + items is 2147483648, expected at most 2147483647 (ids are 32-bit integers)"],
  ])("refuses N = %d, I = %d, J = %d", (rows, users, items, message) => {
    expect(() => make(rows, users, items)).toThrow(new RangeError(message));
  });

  it("refuses a base that has id tokens already", () => {
    const { tokenizer: json, config } = tinyJson("llama-first");
    const added_tokens = [...(json.added_tokens ?? []), { id: 600, content: "<user_0>", special: false }];
    const twice = new Tokenizer({ ...json, added_tokens }, config);
    expect(() => new ExtendedTokenizer({ tokenizer: twice, rows: 700, users: 1, items: 1 })).toThrow(
      /has an added token "<user_0>" already/,
    );
  });
});

describe("special tokens are the caller's", () => {
  it("looks them up by name", async () => {
    const { extended } = await tinyBase("llama-first");
    expect(extended.specialToken("</s>")).toBe(2);
    expect(() => extended.specialToken("<eos>")).toThrow(
      'the tokenizer has no added token "<eos>"; it has "<unk>", "<s>", "</s>"',
    );
  });

  it("adds none by itself, though the base's template would", async () => {
    const { extended, tokenizer: llama } = await tinyBase("llama-first");
    expect(llama.encode("a guitar").ids[0]).toBe(1);
    expect(extended.encodeText("a guitar")).toEqual(llama.encode("a guitar").ids.slice(1));
    expect(extended.encodePrompt([{ user: 1 }])).toEqual([609]);
  });
});
