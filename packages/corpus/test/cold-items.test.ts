// Items held out of training: which are drawn, where every interaction goes, and what the manifest says; against a twin
// that works on lists.
import fs from "node:fs";
import path from "node:path";
import { csrRow, Dataset, type Manifest, type PrepareEvent, prepare, writeDataset } from "@cllm4rec/corpus";
import { describe, expect, test } from "vitest";
import { drawItems } from "../src/prepare/hold-out-items.js";
import { jsonLines, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();
const PARTS = ["train", "validation", "test", "cold-test"] as const;

/** `user item` → part, and what the dataset says of its cold items. */
async function read(directory: string) {
  const dataset = await Dataset.open(directory, { verify: "full" });
  const partOf = new Map<string, (typeof PARTS)[number]>();
  for (const part of PARTS) {
    const matrix = await dataset.interactions(part);
    for (let user = 0; user < dataset.users; user++)
      for (const item of csrRow(matrix, user)) partOf.set(`${user} ${item}`, part);
  }
  const [titles, others] = [await dataset.itemTitles(), await dataset.itemTexts()];
  const [cold, texts] = [
    Array.from(await dataset.coldItems()),
    titles.map((title, j) => `${title ?? ""}${others[j] ?? ""}`),
  ];
  dataset.close();
  return { partOf, cold, texts };
}

/** The parts after holding out `cold`, from those without: the rule as lists. */
function twin(partOf: ReadonlyMap<string, string>, cold: ReadonlySet<number>, users: number) {
  const expected = new Map<string, string>();
  let [usersMoved, usersWithoutTraining] = [0, 0];
  for (let user = 0; user < users; user++) {
    const own = [...partOf].map(([pair, part]) => [...pair.split(" ").map(Number), part] as const);
    const rows = own.filter(([u]) => u === user) as (readonly [number, number, string])[];
    const warm = rows.filter(([, item]) => !cold.has(item));
    const lost = !warm.some(([, , part]) => part === "train");
    const taken = lost && (["validation", "test"] as const).find((part) => warm.some(([, , other]) => other === part));
    if (taken) usersMoved++;
    else if (lost) usersWithoutTraining++;
    for (const [, item, part] of rows)
      expected.set(`${user} ${item}`, cold.has(item) ? "cold-test" : part === taken ? "train" : part);
  }
  return { expected, usersMoved, usersWithoutTraining };
}

describe("prepare with holdOutItems", () => {
  const [USERS, ITEMS] = [40, 30];
  // Short and long histories; some users have only a few items, so that some lose all of their training.
  const pairs = Array.from({ length: USERS }, (_, u) =>
    Array.from({ length: 1 + ((u * 7) % 6) }, (_, k) => ({ user: `u${u}`, item: `i${(u * 11 + k * 13) % ITEMS}` })),
  ).flat();
  // Every fifth item has no text, or one of spaces.
  const meta = Array.from({ length: ITEMS }, (_, j) => ({ item: `i${j}`, text: j % 5 === 0 ? " " : `thing ${j}` }));
  const common = { minRating: null, core: 0, validationShare: 0.2, testShare: 0.2, seed: 3 };
  const events: PrepareEvent[] = [];
  const run = (name: string, options: { holdOutItems?: number; seed?: number } = {}): Promise<Manifest> =>
    prepare({
      ...common,
      ...options,
      inputs: [folder.write("pairs.jsonl", jsonLines(pairs))],
      meta: [folder.write("meta.jsonl", jsonLines(meta))],
      output: path.join(folder.path, name),
      onEvent: (event) => events.push(event),
    });

  test("moves every interaction with a cold item, and otherwise keeps the split", async () => {
    const plain = await run("plain");
    const manifest = await run("held", { holdOutItems: 0.4 });
    const before = await read(path.join(folder.path, "plain"));
    const after = await read(path.join(folder.path, "held"));
    expect(before.cold).toEqual([]);
    expect([...before.partOf.values()]).not.toContain("cold-test");
    const described = after.texts.flatMap((text, item) => (text.trim() ? [item] : []));
    expect(described).toHaveLength(24);
    expect(after.cold).toEqual(drawItems(described, 0.4, 3));
    expect(after.cold).toHaveLength(9); // ⌊0.4 × 24⌋
    const { expected, ...users } = twin(before.partOf, new Set(after.cold), manifest.users);
    expect(after.partOf).toEqual(expected);
    expect(users.usersMoved).toBeGreaterThan(0);
    expect(users.usersWithoutTraining).toBeGreaterThan(0);
    expect(manifest.coldItems).toEqual({ share: 0.4, seed: 3, items: 9, itemsWithText: 24, ...users });
    const count = (part: string) => [...expected.values()].filter((other) => other === part).length;
    const { train, validation, test: warm, coldTest, items, interactions } = manifest;
    expect([train, validation, warm, coldTest]).toEqual(PARTS.map(count));
    expect([items, interactions]).toEqual([plain.items, plain.interactions]);
    expect(events).toContainEqual({
      type: "held out",
      message: expect.stringContaining("9 of the 24 items with text are held out of training"),
    });
  });

  test("draws the same items for the same seed, others for another", async () => {
    const again = await run("again", { holdOutItems: 0.4 });
    expect(again.files).toEqual((await run("held-2", { holdOutItems: 0.4 })).files);
    await run("other", { holdOutItems: 0.4, seed: 4 });
    const [one, other] = [await read(path.join(folder.path, "again")), await read(path.join(folder.path, "other"))];
    expect(one.cold).not.toEqual(other.cold);
  });

  test("refuses items without text, and shares that are none", async () => {
    const inputs = [folder.write("pairs.jsonl", jsonLines(pairs))];
    const output = path.join(folder.path, "refused");
    await expect(prepare({ ...common, inputs, output, holdOutItems: 0.2 })).rejects.toThrow(
      /0 items have a title or text/,
    );
    expect(fs.existsSync(output)).toBe(false);
    await expect(prepare({ ...common, inputs, output, holdOutItems: 1 })).rejects.toThrow(/holdOutItems is 1/);
  });

  test("refuses a manifest whose counts do not add up", async () => {
    const file = path.join(folder.path, "held", "manifest.json");
    const text = fs.readFileSync(file, "utf8");
    const { coldItems: _, ...without } = JSON.parse(text);
    fs.writeFileSync(file, JSON.stringify(without));
    await expect(Dataset.open(path.dirname(file))).rejects.toThrow(/of coldTest and coldItems only one is there/);
    fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(text), coldTest: 1 }));
    await expect(Dataset.open(path.dirname(file))).rejects.toThrow(/interactions are not/);
    fs.writeFileSync(file, text);
  });
});

test("a given split takes cold items, too; its seed is that of the draw", async () => {
  folder.write("given/train.txt", "0 0 1 2\n1 2 3\n2 0 3 4\n3 1 4\n");
  folder.write("given/test.txt", "0 3\n1 0\n2 1\n3 0\n");
  const meta = [folder.write("given-meta.jsonl", jsonLines([0, 1, 2, 3, 4].map((j) => ({ item: `${j}`, text: "x" }))))];
  const inputs = [path.join(folder.path, "given")];
  const events: PrepareEvent[] = [];
  const at = (name: string) => path.join(folder.path, name);
  await prepare({ inputs, meta, output: at("lg") });
  const options = { inputs, meta, holdOutItems: 0.5, seed: 1, output: at("lg-held") };
  const manifest = await prepare({ ...options, onEvent: (event) => events.push(event) });
  const [before, after] = [await read(at("lg")), await read(at("lg-held"))];
  const { expected, ...users } = twin(before.partOf, new Set(after.cold), 4);
  expect(after.partOf).toEqual(expected);
  expect(manifest.coldItems).toEqual({ share: 0.5, seed: 1, items: 2, itemsWithText: 5, ...users });
  expect(JSON.stringify(events)).not.toContain("seed has no effect");
});

test("writeDataset takes items that are marked as cold", async () => {
  const directory = path.join(folder.path, "memory");
  const manifest = await writeDataset(directory, {
    users: [{ rawId: "a" }, { rawId: "b" }],
    items: [{ rawId: "x" }, { rawId: "y", text: "new", cold: true }, { rawId: "z" }],
    interactions: [
      { user: 0, item: 0, split: "train" },
      { user: 0, item: 1, split: "train" },
      { user: 1, item: 1, split: "train" },
      { user: 1, item: 2, split: "test" },
    ],
  });
  expect(manifest).toMatchObject({ train: 2, test: 0, coldTest: 2, interactions: 4 });
  expect(manifest.coldItems).toEqual({ items: 1, itemsWithText: 1, usersMoved: 1, usersWithoutTraining: 0 });
  const { partOf, cold } = await read(directory);
  expect(cold).toEqual([1]);
  expect(Object.fromEntries(partOf)).toEqual({
    "0 0": "train",
    "0 1": "cold-test",
    "1 1": "cold-test",
    "1 2": "train",
  });
});
