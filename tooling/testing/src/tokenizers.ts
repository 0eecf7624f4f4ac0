// Small substitutes for an extended tokenizer, where a test is about what comes after it: the structure of corpus'
// PromptTokenizer.
import fs from "node:fs";
import path from "node:path";

type Part = string | { readonly user: number } | { readonly item: number };

interface Sizes {
  readonly rows: number;
  readonly users: number;
  readonly items: number;
}

/** One token a character: `<user_i>` is 128 + i, `<item_j>` is 128 + I + j. */
export function asciiTokenizer(users: number, items: number) {
  const rows = 128;
  return withIdTokens({ rows, users, items }, (text) =>
    Array.from(text, (character) => character.codePointAt(0)! % rows),
  );
}

/**
 * Greedy longest match over the vocabulary of a model's directory, where `▁` is a space: close to its BPE, and
 * enough for prompts.
 */
export function greedyTokenizer(directory: string, sizes: Sizes) {
  const { model }: { model: { vocab: Record<string, number> } } = JSON.parse(
    fs.readFileSync(path.join(directory, "tokenizer.json"), "utf8"),
  );
  const ids = new Map(Object.entries(model.vocab));
  return withIdTokens(sizes, (text) => {
    const found: number[] = [];
    const rest = text.replaceAll(" ", "▁");
    for (let at = 0; at < rest.length; ) {
      let length = Math.min(24, rest.length - at);
      while (length > 1 && !ids.has(rest.slice(at, at + length))) length--;
      found.push(ids.get(rest.slice(at, at + length)) ?? 0);
      at += length;
    }
    return found;
  });
}

function withIdTokens({ rows, users, items }: Sizes, encodeText: (text: string) => number[]) {
  const userToken = (user: number) => rows + user;
  const itemToken = (item: number) => rows + users + item;
  const encodePart = (part: Part): number[] => {
    if (typeof part === "string") return encodeText(part);
    return ["user" in part ? userToken(part.user) : itemToken(part.item)];
  };
  const encodePrompt = (parts: readonly Part[]) => parts.flatMap(encodePart);
  return { rows, users, items, userToken, itemToken, encodeText, encodePrompt };
}
