// A template and a tokenizer made into token ids once, so that building a prompt only writes numbers: no text is
// encoded per document. Checks on the way that id tokens are atomic: which user or item fills a slot changes no
// other token.
import type { PromptPart } from "@cllm4rec/tokenizer-ext";
import { CorpusUsageError } from "../errors.js";
import { type PromptName, parseTemplate, type TemplatePart } from "./template.js";
import type { PromptTokenizer } from "./types.js";

/** What fills the slots of one prompt. */
export interface PromptFilling {
  readonly user?: number;
  readonly item?: number;
  /** Item indices; the first `historyLength` are used. */
  readonly history?: Int32Array;
  /** Default: all of `history`. */
  readonly historyLength?: number;
}

/** One prompt, ready to be filled. */
export interface CompiledPrompt {
  readonly name: PromptName;
  readonly template: string;
  /** Prompt tokens P with a history of `historyLength` items. */
  length(historyLength?: number): number;
  /** The prompt's ids, [P]. Throws for a user or item without an id token. */
  fill(filling: PromptFilling): Int32Array;
  /** What decides the ids, for hashing. */
  readonly signature: readonly (readonly number[])[];
}

function segments(parts: readonly TemplatePart[], user: number, item: number, historyLength: number): PromptPart[] {
  return parts.flatMap((part): PromptPart[] => {
    if ("literal" in part) return [part.literal];
    if (part.slot === "user") return [{ user }];
    if (part.slot === "item") return [{ item }];
    return Array.from({ length: historyLength }, () => ({ item }));
  });
}

const equal = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((id, i) => id === b[i]);

/**
 * Encodes a template's literals.
 *
 * The tokenizer is asked for the prompt with the first user and item, and with histories of 0 to 3 items; from these
 * the places of the slots are known. An empty history is kept as its own form, since the literals around it may meet.
 *
 * @throws {@link CorpusUsageError} as {@link parseTemplate} does; for a prompt of no tokens; and if the tokenizer does
 * not keep id tokens atomic (tokens between two items of a history, or literals that change with the id beside them).
 */
export function compilePrompt(name: PromptName, template: string, tokenizer: PromptTokenizer): CompiledPrompt {
  const parts = parseTemplate(name, template);
  const slots = new Set(parts.flatMap((part) => ("slot" in part ? [part.slot] : [])));
  const needsItem = slots.has("item") || slots.has("history");
  for (const [needed, count, what] of [
    [slots.has("user"), tokenizer.users, "user"],
    [needsItem, tokenizer.items, "item"],
  ] as const) {
    if (needed && count === 0)
      throw new CorpusUsageError(`prompt "${name}" has a slot for ${what}s, but the tokenizer has none`);
  }
  const userBase = slots.has("user") ? tokenizer.userToken(0) : -1;
  const itemBase = needsItem ? tokenizer.itemToken(0) : -1;
  const encode = (user: number, item: number, historyLength: number) =>
    Array.from(tokenizer.encodePrompt(segments(parts, user, item, historyLength)));
  const unstable = (what: string) =>
    new CorpusUsageError(
      `prompt "${name}": the tokenizer ${what} in ${JSON.stringify(template)}; id tokens have to be atomic`,
    );

  const hasHistory = slots.has("history");
  const empty = encode(0, 0, 0);
  const form = hasHistory ? encode(0, 0, 1) : empty;
  const historyAt = hasHistory ? form.indexOf(itemBase) : -1;
  if (hasHistory) {
    if (historyAt < 0) throw unstable("leaves out the history's item token");
    for (const n of [2, 3]) {
      const expected = form.toSpliced(historyAt, 1, ...new Array<number>(n).fill(itemBase));
      if (!equal(encode(0, 0, n), expected)) throw unstable("adds or loses tokens between the items of a history");
    }
  }
  if (form.length === 0)
    throw new CorpusUsageError(`prompt "${name}" is empty: ${JSON.stringify(template)} has no tokens`);
  const lastUser = Math.max(0, tokenizer.users - 1);
  const lastItem = Math.max(0, tokenizer.items - 1);
  const moved = form.map((id) => (id === userBase ? userBase + lastUser : id === itemBase ? itemBase + lastItem : id));
  if (!equal(encode(lastUser, lastItem, 1), moved)) throw unstable("changes other tokens with the user or item");
  for (const slot of slots) {
    const expected = parts.filter((part) => "slot" in part && part.slot === slot).length;
    const base = slot === "user" ? userBase : itemBase;
    if (form.filter((id) => id === base).length !== expected)
      throw unstable(`does not give one token to each {${slot}}`);
  }

  const emptyIds = Int32Array.from(empty);
  const prefix = Int32Array.from(hasHistory ? form.slice(0, historyAt) : form);
  const suffix = Int32Array.from(hasHistory ? form.slice(historyAt + 1) : []);
  const idToken = (what: "user" | "item", index: number | undefined, count: number, base: number): number => {
    if (index === undefined || !Number.isInteger(index) || index < 0 || index >= count) {
      throw new CorpusUsageError(
        `prompt "${name}": ${what} ${index} has no id token; there are ${count} ${what}s, numbered from 0`,
      );
    }
    return base + index;
  };

  return {
    name,
    template,
    signature: [empty, form],
    length: (historyLength = 0) =>
      !hasHistory || historyLength === 0 ? emptyIds.length : form.length - 1 + historyLength,
    fill({ user, item, history, historyLength = history?.length ?? 0 }) {
      let ids: Int32Array;
      if (!hasHistory || history === undefined || historyLength === 0) {
        ids = emptyIds.slice();
      } else {
        ids = new Int32Array(prefix.length + historyLength + suffix.length);
        ids.set(prefix);
        ids.set(suffix, prefix.length + historyLength);
      }
      if (slots.has("user")) {
        const token = idToken("user", user, tokenizer.users, userBase);
        for (let t = 0; t < ids.length; t++) if (ids[t] === userBase) ids[t] = token;
      }
      if (slots.has("item")) {
        const token = idToken("item", item, tokenizer.items, itemBase);
        for (let t = 0; t < ids.length; t++) if (ids[t] === itemBase) ids[t] = token;
      }
      if (hasHistory && history !== undefined) {
        for (let h = 0; h < historyLength; h++) {
          ids[prefix.length + h] = idToken("item", history[h], tokenizer.items, itemBase);
        }
      }
      return ids;
    },
  };
}
