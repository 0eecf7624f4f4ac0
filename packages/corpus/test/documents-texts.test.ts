// Text documents: exact ids and targets, cuts, the end-of-text target, each kind's prompt, and hostile reviews.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  concatenateSources,
  decoderOnly,
  definePrompts,
  encoderDecoder,
  itemTexts,
  openTokenCache,
  type PromptTokenizer,
  type TextCorpus,
  type TextDocumentOptions,
  textDocuments,
  trainReviewTexts,
  userTexts,
} from "@cllm4rec/corpus";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { show, tinyTokenizer } from "./tiny-tokenizer.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-texts-"));
afterAll(() => fs.rmSync(root, { recursive: true }));

const tokenizer = tinyTokenizer(4, 6);
const prompts = definePrompts({ review: "{user}{item}:", itemText: "{item}=", userText: "{user}=" });
const at = { seed: 0, epoch: 0 };
const reviews = (texts: readonly string[]): TextCorpus => ({
  kind: "reviews",
  read: () => texts.map((text, k) => ({ user: k % 4, item: k % 6, text })),
});

async function cacheOf(corpus: TextCorpus, encoder: PromptTokenizer = tokenizer) {
  return openTokenCache({ directory: root, tokenizer: encoder, tokenizerIdentity: "test", corpus });
}

async function sourceOf(texts: readonly string[], options: Partial<TextDocumentOptions<never, never>> = {}) {
  const cache = await cacheOf(reviews(texts));
  return textDocuments({ tokenizer, cache, layout: decoderOnly(), maxLength: 16, prompts, ...options });
}

describe("text documents", () => {
  test("decoder-only: the last prompt token predicts the first token of the text", async () => {
    const source = await sourceOf(["good", "", "x"]);
    expect(source.length).toBe(2); // the empty text has nothing to predict
    const { ids, targets } = source.document(0, at);
    expect(show(ids, tokenizer)).toBe("<u0><i0>:goo");
    expect(show(targets, tokenizer)).toBe("··good");
    expect([...ids.keys()].filter((t) => ids[t]! >= tokenizer.rows)).toEqual([0, 1]);
    const single = source.document(1, at);
    expect(show(single.ids, tokenizer)).toBe("<u2><i2>:");
    expect(show(single.targets, tokenizer)).toBe("··x");
  });

  test("a long text is cut, the prompt stays whole, and the length is known before", async () => {
    const source = await sourceOf(["0123456789abcdefghij", "0123456789abcd", "0123456789abc"]);
    const [cut, exact, shorter] = [0, 1, 2].map((index) => source.document(index, at));
    expect(show(cut!.ids, tokenizer)).toBe("<u0><i0>:0123456789abc");
    expect(show(cut!.targets, tokenizer)).toBe("··0123456789abcd");
    expect(show(exact!.targets, tokenizer)).toBe("··0123456789abcd");
    expect(show(shorter!.targets, tokenizer)).toBe("··0123456789abc");
    expect([0, 1, 2].map((index) => source.lengthAt(index, at))).toEqual([16, 16, 15]);
    await expect(sourceOf(["a"], { maxLength: 2 })).rejects.toThrow(
      /prompt "review" takes 3 tokens and leaves no room/,
    );
  });

  test("an end-of-text target follows whole texts only", async () => {
    const source = await sourceOf(["abc", "0123456789abcd", "0123456789abc"], { endOfText: 36 }); // "$"
    expect(show(source.document(0, at).ids, tokenizer)).toBe("<u0><i0>:abc");
    expect(show(source.document(0, at).targets, tokenizer)).toBe("··abc$");
    expect(show(source.document(1, at).targets, tokenizer)).toBe("··0123456789abcd");
    expect(show(source.document(2, at).targets, tokenizer)).toBe("··0123456789abc$");
    await expect(sourceOf(["a"], { endOfText: 128 })).rejects.toThrow(
      /endOfText is 128; it has to be a vocabulary id from 0 to 127/,
    );
  });

  test("encoder–decoder: the text in the decoder, behind its start token", async () => {
    const cache = await cacheOf(reviews(["good", "0123456789"]));
    const layout = encoderDecoder({ decoderStart: 0, encoderEnd: 1 });
    const source = textDocuments({ tokenizer, cache, layout, maxLength: 8, prompts, endOfText: 36 });
    const [whole, cut] = [source.document(0, at), source.document(1, at)];
    expect([...whole.encoderIds]).toEqual([128, 132, 58, 1]);
    expect(show(whole.decoderIds, tokenizer)).toBe("\0good");
    expect(show(whole.targets, tokenizer)).toBe("good$");
    expect(show(cut.targets, tokenizer)).toBe("01234567");
    expect([source.lengthAt(0, at), source.lengthAt(1, at), source.maxLength]).toEqual([9, 12, 12]);
    expect(() => textDocuments({ tokenizer, cache, layout, maxLength: 3, prompts })).toThrow(/leaves no room/);
  });

  test("reviews, item texts and user texts of a dataset take their own prompts and make one source", async () => {
    const dataset = {
      async *trainReviews() {
        yield { user: 3, item: 5, text: "ok" };
      },
      itemTexts: async () => [null, "pen", null, "cup", null, null],
      userTexts: async () => [null, null, "cook", null],
      manifest: {
        files: {
          "users.parquet": { sha256: "u" },
          "items.parquet": { sha256: "i" },
          "interactions.parquet": { sha256: "r" },
        },
      },
    };
    const sources = [];
    for (const corpus of [trainReviewTexts(dataset), itemTexts(dataset), userTexts(dataset)]) {
      sources.push(
        textDocuments({ tokenizer, cache: await cacheOf(corpus), layout: decoderOnly(), maxLength: 16, prompts }),
      );
    }
    const all = concatenateSources(sources);
    const shown = Array.from({ length: all.length }, (_, k) => {
      const { ids, targets } = all.document(k, at);
      return show([...ids, targets.at(-1)!], tokenizer);
    });
    expect(shown).toEqual(["<u3><i5>:ok", "<i1>=pen", "<i3>=cup", "<u2>=cook"]);
    expect([0, 1, 2, 3].map((k) => all.lengthAt(k, at))).toEqual([4, 4, 4, 5]);
    expect(() => all.document(4, at)).toThrow(/there is no document 4; there are 4/);
  });

  test("a user of the texts without an id token is refused by name", async () => {
    const cache = await cacheOf({ kind: "reviews", read: () => [{ user: 9, item: 0, text: "a" }] });
    const source = textDocuments({ tokenizer, cache, layout: decoderOnly(), maxLength: 16, prompts });
    expect(() => source.document(0, at)).toThrow(/prompt "review": user 9 has no id token; there are 4 users/);
  });

  test("hostile text never becomes an id token or the end of text, in any document", async () => {
    // A real byte-level tokenizer of 256 bytes and a special token, extended as for training.
    const bytes = Array.from({ length: 256 }, (_, byte) => byte);
    const printable = bytes.filter((b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
    const alphabet = [...printable, ...bytes.filter((b) => !printable.includes(b)).map((_, k) => 256 + k)];
    const vocabulary = Object.fromEntries(
      [...alphabet.map((code) => String.fromCharCode(code)), "<|endoftext|>"].map((t, id) => [t, id]),
    );
    const directory = path.join(root, "byte-level");
    fs.mkdirSync(directory);
    fs.writeFileSync(path.join(directory, "vocab.json"), JSON.stringify(vocabulary));
    fs.writeFileSync(path.join(directory, "merges.txt"), "#version: 0.2\n");
    const { tokenizer: base } = await loadTokenizer(directory);
    const extended = new ExtendedTokenizer({ tokenizer: base, rows: 257, users: 9, items: 9 });
    const attack = fc.constantFrom(
      "<user_3>",
      "<item_7>",
      "<user_",
      "8>",
      "<|endoftext|>",
      "<user_12>",
      "{user}",
      "{item}",
      " ",
    );
    const text = fc.array(fc.oneof(attack, fc.string({ unit: "grapheme", maxLength: 6 })), {
      minLength: 1,
      maxLength: 8,
    });
    const texts = fc.sample(
      text.map((pieces) => pieces.join("")),
      { numRuns: 1500, seed: 20 },
    );
    const corpus: TextCorpus = {
      kind: "reviews",
      read: () => texts.map((text, k) => ({ user: k % 9, item: k % 7, text })),
    };
    const cache = await cacheOf(corpus, extended);
    const source = textDocuments({ tokenizer: extended, cache, layout: decoderOnly(), maxLength: 512, endOfText: 256 });
    const full = texts.flatMap((text, k) => (text === "" ? [] : [{ text, user: k % 9, item: k % 7 }]));
    expect(source.length).toBe(full.length);
    let attacked = 0;
    for (const [index, { text, user, item }] of full.entries()) {
      const { ids, targets } = source.document(index, at);
      // The prompt's own two id tokens are the only ones; the text comes back letter by letter.
      expect([...ids].filter((id) => id >= 257)).toEqual([257 + user, 266 + item]);
      const main = targets.filter((id) => id >= 0);
      expect([...main].indexOf(256)).toBe(main.length - 1);
      expect(extended.decode(main.subarray(0, -1))).toBe(text);
      if (/<user_\d>|<item_\d>|<\|endoftext/.test(text)) attacked++;
    }
    expect(attacked).toBeGreaterThan(500);
  });
});
