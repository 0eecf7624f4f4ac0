// The base tokenizers of the tests: tiny ones of every family, always there, and the real ones where they are beside
// the checkout.
import fs from "node:fs";
import { sharedPath } from "@cllm4rec/testing";
import type { PromptPart, TokenizerConfigJson, TokenizerJson } from "@cllm4rec/tokenizer-ext";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { Tokenizer } from "@huggingface/tokenizers";

export interface Base {
  readonly name: string;
  readonly tiny: boolean;
  readonly tokenizer: Tokenizer;
  readonly json: TokenizerJson;
  readonly config: TokenizerConfigJson;
  readonly extended: ExtendedTokenizer;
}

export interface Golden {
  readonly rows: number;
  readonly users: number;
  readonly items: number;
  readonly exportSha256: string;
  readonly data: readonly { readonly text: string; readonly ids: readonly number[]; readonly leaks?: true }[];
  readonly prompts: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly mixtures: readonly { readonly parts: readonly PromptPart[]; readonly ids: readonly number[] }[];
}

interface BaseEntry {
  readonly name: string;
  readonly tiny?: true;
  readonly shared?: string;
  readonly rows: number;
}

const at = (relative: string) => new URL(relative, import.meta.url);
const entries: readonly BaseEntry[] = JSON.parse(fs.readFileSync(at("oracle/bases.json"), "utf8"));

export const tinyNames = entries.filter((entry) => entry.tiny).map((entry) => entry.name);
export const allNames = entries.map((entry) => entry.name);

export function golden(name: string): Golden {
  return JSON.parse(fs.readFileSync(at(`fixtures/goldens/${name}.json`), "utf8"));
}

export function tinyJson(name: string): { tokenizer: TokenizerJson; config: TokenizerConfigJson } {
  return JSON.parse(fs.readFileSync(at(`fixtures/tiny/${name}.json`), "utf8"));
}

const loaded = new Map<string, Promise<Base | undefined>>();

/** The base of that name, extended by 50 users and 40 items; `undefined` for a real one that is not there. */
export function loadBase(name: string): Promise<Base | undefined> {
  const known = loaded.get(name);
  if (known) return known;
  const promise = load(name);
  loaded.set(name, promise);
  return promise;
}

async function load(name: string): Promise<Base | undefined> {
  const entry = entries.find((candidate) => candidate.name === name);
  if (!entry) throw new Error(`no base tokenizer named ${name} in oracle/bases.json`);
  let parts: Pick<Base, "tokenizer" | "json" | "config">;
  if (entry.shared === undefined) {
    const { tokenizer: json, config } = tinyJson(name);
    parts = { tokenizer: new Tokenizer(json, config), json, config };
  } else {
    const directory = sharedPath(entry.shared);
    if (directory === undefined) return undefined;
    parts = await loadTokenizer(directory);
  }
  const extended = new ExtendedTokenizer({ tokenizer: parts.tokenizer, rows: entry.rows, users: 50, items: 40 });
  return { name, tiny: entry.tiny === true, ...parts, extended };
}

/** A tiny base, which is always there. */
export async function tinyBase(name: string): Promise<Base> {
  const base = await loadBase(name);
  if (!base) throw new Error(`${name} is not a tiny tokenizer`);
  return base;
}

/** Ids of the special tokens that untrusted text must never yield: all but the unknown token. */
export function specialIds({ tokenizer }: Base): Set<number> {
  const special = [...tokenizer.get_added_tokens_decoder().values()].filter((token) => token.special);
  return new Set(special.map((token) => token.id).filter((id) => id !== tokenizer.model?.unk_token_id));
}

/** Slots and literals as one string, without asking whether it would parse. */
export function spell(parts: readonly PromptPart[]): string {
  return parts
    .map((part) => (typeof part === "string" ? part : "user" in part ? `<user_${part.user}>` : `<item_${part.item}>`))
    .join("");
}
