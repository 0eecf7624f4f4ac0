// Tags of the items of the authors' matrices: id_to_tag.json {"tag": "name"} and tag_to_item.json {"tag": [item, …]},
// together one metadata. The layout is that of the data published with github.com/Qin-lab-code/HyperLLM, on the
// matrices of the CLLM4Rec paper.
import path from "node:path";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError } from "../errors.js";
import { readJsonObject } from "./sequences.js";
import { openSource, plainName } from "./source.js";

/** The two files. */
export interface ItemTagFiles {
  readonly names: string;
  readonly items: string;
}

const NAMES_FILE = "id_to_tag.json";
const ITEMS_FILE = "tag_to_item.json";

/**
 * Takes the pair out of a list of metadata files, by name.
 * @throws CorpusError if there is only one of the two.
 */
export function takeItemTags(files: readonly string[]): {
  readonly tags: ItemTagFiles | undefined;
  readonly rest: readonly string[];
} {
  const named = (name: string) => files.find((file) => plainName(file) === name);
  const [names, items] = [named(NAMES_FILE), named(ITEMS_FILE)];
  const found = names ?? items;
  if (found === undefined) return { tags: undefined, rest: files };
  if (names === undefined || items === undefined) {
    const missing = names === undefined ? NAMES_FILE : ITEMS_FILE;
    throw new CorpusError(
      `${found} is one half of the items' tags: ${missing} is expected beside it. Give both as \`meta\`, ` +
        `${path.join(path.dirname(found), missing)} for instance.`,
      { options: ["meta"] },
    );
  }
  return { tags: { names, items }, rest: files.filter((file) => file !== names && file !== items) };
}

/**
 * The text of each item: its tags, those of many items first, as "general, …, specific". Tags of as many items keep the
 * order of the file.
 * @returns raw item id → text.
 * @throws CorpusError if a file is not of the layout, or names a tag that the other does not have.
 */
export async function readItemTags(engine: Engine, { names, items }: ItemTagFiles): Promise<Map<string, string>> {
  const tagNames = await readJsonObject(engine, openSource(names));
  for (const [tag, name] of Object.entries(tagNames)) {
    if (typeof name === "string" && name.trim() !== "") continue;
    throw new CorpusError(
      `${names}: tag ${JSON.stringify(tag)} is ${excerpt(name)}, a name is expected: {"0": "Beauty", …}.`,
    );
  }
  const tagItems: [name: string, items: readonly number[]][] = [];
  for (const [tag, list] of Object.entries(await readJsonObject(engine, openSource(items)))) {
    const name = tagNames[tag];
    if (typeof name !== "string")
      throw new CorpusError(
        `${items}: tag ${JSON.stringify(tag)} is not in ${names}. Do the two files belong together?`,
      );
    if (!isIndices(list)) {
      throw new CorpusError(
        `${items}: tag ${JSON.stringify(tag)} has ${excerpt(list)}, a list of item indices is expected: {"0": [0, ` +
          "1, 2], …}.",
      );
    }
    tagItems.push([name, [...new Set(list)]]);
  }
  tagItems.sort(([, a], [, b]) => b.length - a.length);
  const tagsOf = new Map<number, string[]>();
  for (const [name, list] of tagItems) {
    for (const item of list) {
      const tags = tagsOf.get(item);
      if (tags) tags.push(name);
      else tagsOf.set(item, [name]);
    }
  }
  return new Map(Array.from(tagsOf, ([item, tags]) => [String(item), tags.join(", ")]));
}

function isIndices(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
