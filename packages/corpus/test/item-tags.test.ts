// The tags of the authors' items, id_to_tag.json with tag_to_item.json, as metadata of matrices.
import fs from "node:fs";
import path from "node:path";
import { sharedPath } from "@cllm4rec/testing";
import { describe, expect, test } from "vitest";
import { prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();
const data = sharedPath("data");

/** LightGCN's layout: items are integers here too. */
function smallSplit(): string {
  folder.write("split/train.txt", "0 0 1 2\n1 3\n");
  folder.write("split/valid.txt", "1 0\n");
  folder.write("split/test.txt", "1 1\n");
  return path.join(folder.path, "split");
}

const tagFiles = (name: string, names: unknown, items: unknown) => [
  folder.write(`${name}/id_to_tag.json`, JSON.stringify(names)),
  folder.write(`${name}/tag_to_item.json`, JSON.stringify(items)),
];

test("an item's text is its tags, those of many items first", async () => {
  const names = { 0: "Sunscreen", 1: "Beauty", 2: "Face", 3: "Nails", 4: "nobody's" };
  const meta = tagFiles("tags", names, { 0: [0], 1: [0, 1, 3, 3, 77], 2: [0, 1], 3: [3], 4: [] });
  const { itemTexts, manifest } = await prepared(folder, { inputs: [smallSplit()], meta: meta.toReversed() });
  expect(itemTexts).toEqual({ 0: "Beauty, Face, Sunscreen", 1: "Beauty, Face", 2: null, 3: "Beauty, Nails" });
  expect(manifest.records).toMatchObject({ metadata: 4, metadataUnused: 1, metadataMalformed: 0 });
  expect(manifest.provenance.inputs.slice(3).map(({ name, role }) => `${role} ${name}`)).toEqual([
    "meta id_to_tag.json",
    "meta tag_to_item.json",
  ]);
});

test("what does not fit together is refused by name", async () => {
  const input = smallSplit();
  const refused = (...meta: string[]) => expect(prepared(folder, { inputs: [input], meta })).rejects;
  const [names, items] = tagFiles("half", { 0: "Beauty" }, { 0: [0] });
  await refused(names!).toThrow(`${names} is one half of the items' tags: tag_to_item.json is expected beside it.`);
  await refused(items!).toThrow(`${items} is one half of the items' tags: id_to_tag.json is expected beside it.`);
  const unknown = tagFiles("unknown", { 0: "Beauty" }, { 0: [0], 7: [1] });
  await refused(...unknown).toThrow(`${unknown[1]}: tag "7" is not in ${unknown[0]}.`);
  const swapped = tagFiles("swapped", { 0: [1] }, { 0: "Beauty" });
  await refused(...swapped).toThrow(`${swapped[0]}: tag "0" is [1], a name is expected`);
  const noList = tagFiles("no-list", { 0: "Beauty" }, { 0: [0, "1"] });
  await refused(...noList).toThrow(`${noList[1]}: tag "0" has [0,"1"], a list of item indices is expected`);
});

describe.skipIf(data === undefined)("real data", () => {
  test("AM-Beauty: from the tags of all items, the texts that were published", async () => {
    const beauty = path.join(data ?? "", "amazon-beauty-cllm4rec");
    const lines = fs.readFileSync(path.join(beauty, "item_text.jsonl"), "utf8").trimEnd().split("\n");
    const published = lines.map((line): { item: number; text: string } => JSON.parse(line));
    const ids = new Map<string, number>();
    const items: Record<number, number[]> = {};
    for (const { item, text } of published) {
      for (const tag of text.split(", ")) {
        const id = ids.get(tag) ?? ids.size;
        ids.set(tag, id);
        items[id] = [...(items[id] ?? []), item];
      }
    }
    const names = Object.fromEntries(Array.from(ids, ([tag, id]) => [id, tag]));
    const { itemTexts } = await prepared(folder, { inputs: [beauty], meta: tagFiles("beauty", names, items) });
    // From general to specific: by number of items. The order of equally frequent tags is not known.
    const ordered = (text: string) => text.split(", ").map((tag) => items[ids.get(tag)!]!.length);
    for (const { item, text } of published) {
      const own = itemTexts[item]!;
      expect(own.split(", ").toSorted()).toEqual(text.split(", ").toSorted());
      expect(ordered(own)).toEqual(ordered(text));
    }
  });
});
