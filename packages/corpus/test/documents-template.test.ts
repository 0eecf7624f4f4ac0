// Prompt templates: the slots each prompt takes, braces, the space beside id tokens, and errors that name the prompt
// and the slot.
import { CorpusUsageError, definePrompts, paperPrompts } from "@cllm4rec/corpus";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePrompt } from "../src/documents/compiled-prompt.js";
import { parseTemplate } from "../src/documents/template.js";
import type { PromptTokenizer } from "../src/documents/types.js";
import { show, tinyTokenizer } from "./tiny-tokenizer.js";

const tokenizer = tinyTokenizer(4, 6);

describe("templates", () => {
  test("the paper's prompts parse and read as in the paper", () => {
    const history = Int32Array.of(5, 0);
    const read = (name: keyof typeof paperPrompts) =>
      show(compilePrompt(name, paperPrompts[name], tokenizer).fill({ user: 1, item: 2, history }), tokenizer);
    expect(read("interactions")).toBe("<u1> has interacted with");
    expect(read("review")).toBe("<u1> writes the review for<i2> :");
    expect(read("itemText")).toBe("The content of<i2> is :");
    expect(read("userText")).toBe("The biography of<u1> is :");
    expect(read("recommendation")).toBe("<u1> has interacted with<i5><i0> the user will interact with:");
    expect(read("historyOnly")).toBe("The user has interacted with<i5><i0> the user will interact with:");
  });

  test("literal braces, one space before a slot, slots side by side and a slot used twice", () => {
    expect(parseTemplate("review", "{{a}} {user}  {item} {user}b {{")).toEqual([
      { literal: "{a}" },
      { slot: "user" },
      { literal: " " },
      { slot: "item" },
      { slot: "user" },
      { literal: "b {" },
    ]);
  });

  test.each([
    ["interactions", "has interacted with", /prompt "interactions".*\{user\} is missing/],
    ["review", "{user} wrote", /prompt "review".*\{item\} is missing/],
    [
      "review",
      "{user} {item} {history}",
      /prompt "review".*unknown slot \{history\}.*takes the slots \{user\} and \{item\}/,
    ],
    ["itemText", "{Item}:", /prompt "itemText".*unknown slot \{Item\}/],
    ["recommendation", "{user} {history} and {history}", /prompt "recommendation".*\{history\} occurs 2 times/],
    ["historyOnly", "{user}: {history}", /prompt "historyOnly".*unknown slot \{user\}/],
    ["userText", "{user", /prompt "userText".*"\{" at character 0 is never closed/],
    ["userText", "{user}}", /prompt "userText".*"\}" at character 6 closes nothing/],
    ["userText", "<user_3> and {user}", /prompt "userText".*literal <user_3>/],
  ] as const)("%s: %s is refused", (name, template, message) => {
    expect(() => definePrompts({ [name]: template })).toThrow(message);
    expect(() => definePrompts({ [name]: template })).toThrow(CorpusUsageError);
  });

  test("an unknown prompt name is refused, the others keep the paper's wording", () => {
    const misnamed: object = { reviews: "{user}" };
    expect(() => definePrompts(misnamed)).toThrow(
      /there is no prompt "reviews"; the prompts are interactions, review,/,
    );
    const prompts = definePrompts({ interactions: "Things {user} likes:" });
    const absent: object = { review: undefined };
    expect(definePrompts(absent)).toEqual(paperPrompts);
    const wrong: object = { review: 3 };
    expect(() => definePrompts(wrong)).toThrow(/prompt "review" is 3; it has to be a string/);
    expect(prompts).toEqual({ ...paperPrompts, interactions: "Things {user} likes:" });
  });

  test("no template crashes the parser in another way than with its own error", () => {
    const piece = fc.constantFrom("{", "}", "{{", "}}", "{user}", "{item}", "{history}", " ", "a", "<user_1>", "{x}");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        try {
          parseTemplate("review", pieces.join(""));
        } catch (error) {
          expect(String(error)).toMatch(/^CorpusUsageError: prompt "review": /);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("compiled prompts", () => {
  test("filling equals encoding the parts, for every user, item and history", () => {
    const template = "a {user}b{history}{user} {{c}}";
    fc.assert(
      fc.property(fc.nat(3), fc.array(fc.nat(5), { maxLength: 9 }), (user, items) => {
        const prompt = compilePrompt("recommendation", template, tokenizer);
        const filled = prompt.fill({ user, history: Int32Array.from(items) });
        const parts = ["a", { user }, "b", ...items.map((item) => ({ item })), { user }, " {c}"];
        expect([...filled]).toEqual(tokenizer.encodePrompt(parts));
        expect(prompt.length(items.length)).toBe(filled.length);
      }),
    );
  });

  test("a user or item without an id token is refused by name", () => {
    const review = compilePrompt("review", paperPrompts.review, tokenizer);
    expect(() => review.fill({ user: 4, item: 0 })).toThrow(
      /prompt "review": user 4 has no id token; there are 4 users/,
    );
    expect(() => review.fill({ user: 0, item: -1 })).toThrow(/item -1 has no id token/);
    expect(() => review.fill({ user: 0 })).toThrow(/item undefined has no id token/);
    expect(() => compilePrompt("itemText", "{item}", tinyTokenizer(2, 0))).toThrow(
      /slot for items, but the tokenizer has none/,
    );
  });

  test("a tokenizer that does not keep id tokens atomic is refused", () => {
    const broken = (encodePrompt: PromptTokenizer["encodePrompt"]) => ({ ...tokenizer, encodePrompt });
    const spaced = broken((parts) => parts.flatMap((part) => [...tokenizer.encodePrompt([part]), 32]));
    expect(() => compilePrompt("recommendation", paperPrompts.recommendation, spaced)).toThrow(
      /between the items of a history/,
    );
    const shifting = broken((parts) =>
      parts.flatMap((part) => {
        const [id] = tokenizer.encodePrompt([part]);
        return typeof part !== "string" && "user" in part ? [id!, part.user] : tokenizer.encodePrompt([part]);
      }),
    );
    expect(() => compilePrompt("interactions", paperPrompts.interactions, shifting)).toThrow(/changes other tokens/);
    const deaf = broken((parts) => tokenizer.encodePrompt(parts.filter((part) => typeof part === "string")));
    expect(() => compilePrompt("interactions", paperPrompts.interactions, deaf)).toThrow(
      /does not give one token to each \{user\}/,
    );
  });
});
