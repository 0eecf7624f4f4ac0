// A tokenizer small enough to read documents by eye: one token a character, ids are the character codes modulo the
// vocabulary.
import type { PromptTokenizer } from "../src/documents/types.js";

/** N = 128, so ASCII text is its own codes; `<user_i>` is 128 + i, `<item_j>` is 128 + I + j. */
export function tinyTokenizer(users: number, items: number, rows = 128): PromptTokenizer {
  const encodeText = (text: string) => Array.from(text, (character) => character.codePointAt(0)! % rows);
  return {
    rows,
    users,
    items,
    userToken: (user) => rows + user,
    itemToken: (item) => rows + users + item,
    encodeText,
    encodePrompt: (parts) =>
      parts.flatMap((part) => {
        if (typeof part === "string") return encodeText(part);
        return "user" in part ? [rows + part.user] : [rows + users + part.item];
      }),
  };
}

/** Ids back to a readable string: characters, `<u0>`, `<i0>`; −1 is `·`. */
export function show(ids: ArrayLike<number>, { users, rows = 128 }: { users: number; rows?: number }): string {
  return Array.from(ids, (id) => {
    if (id < 0) return "·";
    if (id < rows) return String.fromCharCode(id);
    return id < rows + users ? `<u${id - rows}>` : `<i${id - rows - users}>`;
  }).join("");
}
