// The bracket notation: exact bounds, longest match, and refusal of everything that only looks like an id token.
import { formatPrompt, parsePrompt } from "@cllm4rec/tokenizer-ext";
import { describe, expect, it } from "vitest";

const parse = (text: string) => parsePrompt(text, { users: 13, items: 5 });

describe("parsePrompt", () => {
  it("reads slots and keeps the text between them as it is", () => {
    expect(parse("<user_12> has bought <item_3>")).toEqual([{ user: 12 }, " has bought ", { item: 3 }]);
    expect(parse("a <item_0><item_4>\n")).toEqual(["a ", { item: 0 }, { item: 4 }, "\n"]);
    expect(parse("no slot")).toEqual(["no slot"]);
    expect(parse("")).toEqual([]);
  });

  it("reads user 12, not user 1 and a 2", () => {
    expect(parse("<user_12><user_1>2")).toEqual([{ user: 12 }, { user: 1 }, "2"]);
  });

  it("leaves alone what is no opening of an id token", () => {
    for (const text of [
      "<USER_1>",
      "< user_1>",
      "<users_1>",
      "<user1>",
      "user_1>",
      "</user_1>",
      "＜user_1＞",
      "<users>",
    ]) {
      expect(parse(text)).toEqual([text]);
    }
  });

  it.each([
    "<user_01>",
    "<user_-1>",
    "<user_+1>",
    "<user_1.0>",
    "<user_1e1>",
    "<user_ 1>",
    "<user_1 >",
    "<user_>",
    "<user_",
    "<user_1",
    "<user_00>",
    "<user_0x1>",
    "<user_१>",
    "<item_name>",
    "<item_<item_1>",
  ])("refuses %s as malformed", (text) => {
    expect(() => parse(text)).toThrow(SyntaxError);
    expect(() => parse(`ab${text}`)).toThrow(/malformed id token at position 2: "</);
  });

  it.each([
    ["<user_13>", "expected 0 to 12"],
    ["<item_5>", "expected 0 to 4"],
    ["<user_9999999999999999999>", "expected 0 to 12"],
    ["<item_18446744073709551616>", "expected 0 to 4"],
    [`<item_${"9".repeat(400)}>`, "expected 0 to 4"],
  ])("refuses %s as out of range", (text, expected) => {
    expect(() => parse(`a${text}`)).toThrow(RangeError);
    expect(() => parse(`a${text}`)).toThrow(`at position 1 is out of range, ${expected}`);
  });
});

describe("formatPrompt", () => {
  it("writes what parsePrompt reads", () => {
    const parts = ["say ", { user: 3 }, "", " and", " on ", { item: 0 }] as const;
    expect(formatPrompt(parts)).toBe("say <user_3> and on <item_0>");
    expect(parse(formatPrompt(parts))).toEqual(["say ", { user: 3 }, " and on ", { item: 0 }]);
  });

  it.each([["<user_1>"], ["a<us", "er_1> b"], ["<item_"]])(
    "refuses literals that read as id tokens: %s",
    (...literals) => {
      expect(() => formatPrompt(literals)).toThrow(/the bracket notation would read as an id token/);
    },
  );
});
