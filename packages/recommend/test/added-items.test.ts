// Items that are added by their text: their embedding, where they are used, what is kept on disk, and what is refused.
import fs from "node:fs";
import path from "node:path";
import { combineFeatures, Dataset, wordFeatures } from "@cllm4rec/corpus";
import { ItemError, NotAvailableError, openRecommender, RecommendError, UnknownIdError } from "@cllm4rec/recommend";
import { blend } from "@cllm4rec/recommend/blend";
import { readModel, type SavedModel, textBlocksOf, writeModel } from "@cllm4rec/training/model";
import { TextMap } from "@cllm4rec/training/stage";
import { expect, test } from "vitest";
import { bookshop, changed, temporaryFolder } from "./helpers.js";

const { backbone, data } = bookshop;
/** An item of training whose embedding is its text's alone, as that of an item that nobody has. */
const COLD = "garden-3";

/** The bookshop's model with words of the titles and a text map: a word maps to the mean of the books that have it. */
function mapped(model: SavedModel): SavedModel {
  const texts = model.titles!.map((title) => title ?? "");
  const block = { name: "titles", weight: 2, ...wordFeatures(texts) };
  const features = combineFeatures([block]);
  const { items } = model.tables.collaborative;
  const width = items.data.length / items.rows;
  const weights = new Float32Array(features.columns * width);
  const owners = new Float32Array(features.columns);
  for (const word of features.indices) owners[word]!++;
  for (let j = 0; j < items.rows; j++) {
    for (const word of features.indices.subarray(features.indptr[j], features.indptr[j + 1])) {
      for (let k = 0; k < width; k++) weights[word * width + k]! += items.data[j * width + k]! / owners[word]!;
    }
  }
  const row = model.ids!.items.indexOf(COLD);
  const deltas = { ...items, data: items.data.slice().fill(0, row * width, (row + 1) * width) };
  const zeros = { ...items, data: new Float32Array(items.data.length) };
  const map = new TextMap(features, weights, width);
  const cold = map.embeddings({ ...model.tables.collaborative, items: zeros }).items.data;
  deltas.data.set(cold.subarray(row * width, (row + 1) * width), row * width);
  return {
    ...model,
    tables: {
      collaborative: { ...model.tables.collaborative, items: deltas },
      textMap: { rows: features.columns, data: weights },
    },
    textFeatures: textBlocksOf([block])!,
  };
}

async function mappedShop(change: (model: SavedModel) => SavedModel = (model) => model): Promise<string> {
  const directory = path.join(temporaryFolder(), "model");
  await writeModel(directory, change(mapped(await readModel(bookshop.model))));
  return directory;
}

/** Every second item's row reversed in sign: a model that needs help. */
function halfReversed(model: SavedModel): SavedModel {
  const { collaborative } = model.tables;
  const { rows, data: values } = collaborative.items;
  const half = values.map((value, at) => (Math.floor((at * rows) / values.length) % 2 === 0 ? value : -value));
  return { ...model, tables: { ...model.tables, collaborative: { ...collaborative, items: { rows, data: half } } } };
}

const ids = (list: readonly { readonly item: string }[]) => list.map(({ item }) => item);

test("an added item has the embedding and the score of an item of training that is its text alone", async () => {
  const directory = await mappedShop();
  await using shop = await openRecommender(directory, { backbone });
  const title = shop.titleOf(COLD)!;
  const before = await shop.scores({ user: "reader-2" });
  await shop.addItems([
    { item: "twin", text: title, title: "A twin" },
    { item: "heir", text: "", title },
  ]);
  expect(shop.items.slice(-2)).toEqual(["twin", "heir"]);
  expect(shop.addedItems).toEqual([
    { item: "twin", text: title, title: "A twin" },
    { item: "heir", text: "", title },
  ]);
  const { data: embeddings, width } = await shop.embedItems([COLD, "heir"]);
  expect(embeddings.subarray(width)).toEqual(embeddings.subarray(0, width));
  const scores = await shop.scores({ user: "reader-2" });
  expect(scores.slice(0, before.length)).toEqual(before);
  expect(scores.at(-1)).toBe(scores[shop.items.indexOf(COLD)]);
  // A removed item that is added again by its text is what it was.
  const list = await shop.recommend({ history: ["garden-1", "garden-6"], k: 60, exclude: ["heir", "twin"] });
  await shop.removeItems([COLD, "heir", "twin"]);
  expect(shop.hasItem(COLD)).toBe(false);
  expect(ids(await shop.recommend({ history: ["garden-1"], k: 60 }))).not.toContain(COLD);
  await shop.addItems([{ item: COLD, text: title, title }]);
  expect(await shop.recommend({ history: ["garden-1", "garden-6"], k: 60 })).toEqual(list);
});

test("added items are recommended, in histories, among similar items, and on disk", async () => {
  const directory = await mappedShop();
  const shop = await openRecommender(directory, { backbone });
  await shop.addItems([
    { item: "new-garden", text: "Rose Garden" },
    { item: "new-crime", text: "Murder at Noon", title: "Murder at Noon 2" },
  ]);
  const [gardeners, detectives] = await Promise.all(
    ["garden-1", "crime-1"].map((item) => shop.scores({ history: [item], items: ["new-garden", "new-crime"] })),
  );
  expect(gardeners![0]).toBeGreaterThan(gardeners![1]!);
  expect(detectives![1]).toBeGreaterThan(detectives![0]!);
  const list = await shop.recommend({ history: ["new-crime"], k: 5 });
  expect(ids(list).every((item) => item.startsWith("crime"))).toBe(true);
  expect((await shop.similarItems("new-garden", 3)).every(({ item }) => item.startsWith("garden"))).toBe(true);
  expect(ids(await shop.similarItems("crime-1", 45))).toContain("new-crime");
  expect(shop.titleOf("new-crime")).toBe("Murder at Noon 2");
  expect(shop.titleOf("new-garden")).toBeUndefined();
  const state = await shop.embedUser({ history: ["new-crime", "crime-2"] });
  const { data: row } = await shop.embedItems(["new-garden"]);
  const product = state.reduce((sum, x, k) => sum + x * row[k]!, 0);
  const [score] = await shop.scores({ history: ["new-crime", "crime-2"], items: ["new-garden"] });
  expect(product).toBeCloseTo(score!, 3);
  await shop.updateItems([{ item: "new-garden", text: "Murder at Noon" }]);
  await shop.removeItems(["crime-1"]);
  const [changed] = await shop.scores({ history: ["crime-2"], items: ["new-garden"] });
  expect(changed).not.toBe(detectives![0]);
  const all = await shop.scores({ history: ["crime-2"] });
  expect(all).toHaveLength(41);
  expect(all.at(-2)).toBe(changed);
  await shop.close();

  await using again = await openRecommender(directory, { backbone });
  expect(again.items).toEqual(shop.items);
  expect(again.addedItems).toEqual(shop.addedItems);
  expect(again.removedItems).toEqual(["crime-1"]);
  expect(await again.scores({ history: ["crime-2"] })).toEqual(all);
  // Who has a removed item is still known by it.
  expect(await again.recommend({ history: ["crime-1"], k: 1 })).toHaveLength(1);
});

test("requests keep the items that they began with", async () => {
  await using shop = await openRecommender(await mappedShop(), { backbone });
  await shop.addItems([{ item: "one", text: "Rose Garden" }]);
  const before = shop.scores({ history: ["one"] });
  await shop.removeItems(["one"]);
  const after = shop.scores({ history: ["garden-1"] });
  expect((await before).length).toBe(41);
  expect((await after).length).toBe(40);
});

test("without a text map an item is the mean of the items whose texts are most alike", async () => {
  const directory = await changed((model) => {
    const block = { name: "titles", weight: 2, ...wordFeatures(model.titles!) };
    return { ...model, textFeatures: textBlocksOf([block])! };
  });
  await using shop = await openRecommender(directory, { backbone, itemsFile: path.join(directory, "..", "own.json") });
  await shop.addItems([{ item: "new", text: "The Last Alibi" }]);
  expect((await shop.similarItems("new", 3)).every(({ item }) => item.startsWith("crime"))).toBe(true);
  const { data: row, width } = await shop.embedItems(["new"]);
  // The titles that hold a word of it, each as much as its cosine with it.
  const texts = shop.items.slice(0, 40).map((item) => shop.titleOf(item)!);
  const { indptr, indices, values, words } = wordFeatures(texts);
  const own = new Set(["the", "last", "alibi"].map((word) => words.indexOf(word)));
  const idfs = wordFeatures(texts).idf;
  const length = Math.hypot(...Array.from(own, (w) => idfs[w]!));
  const cosines = texts.map((_, j) => {
    let sum = 0;
    for (let p = indptr[j]!; p < indptr[j + 1]!; p++) {
      if (own.has(indices[p]!)) sum += (values[p]! * idfs[indices[p]!]!) / length;
    }
    return sum;
  });
  const best = [...cosines.keys()].sort((a, b) => cosines[b]! - cosines[a]! || a - b).slice(0, 20);
  const kept = best.filter((j) => cosines[j]! > 0);
  const total = kept.reduce((sum, j) => sum + cosines[j]!, 0);
  const { data } = await shop.embedItems();
  for (let k = 0; k < width; k++) {
    const mean = kept.reduce((sum, j) => sum + (cosines[j]! / total) * data[j * width + k]!, 0);
    expect(row[k]).toBeCloseTo(mean, 5);
  }
  expect(fs.existsSync(path.join(directory, "added-items.json"))).toBe(false);
  expect(fs.existsSync(path.join(directory, "..", "own.json"))).toBe(true);
});

test("a blend's other members score an added item as its neighbours, and leave the others' scores alone", async () => {
  const directory = await mappedShop(halfReversed);
  const dataset = await Dataset.open(data);
  await blend(directory, dataset, { backbone, trials: 1, scorers: ["ease", "most popular"] });
  dataset.close();
  await using shop = await openRecommender(directory, { backbone });
  const { members } = shop;
  expect(members.filter(({ weight }) => weight > 0).length).toBeGreaterThan(1);
  const before = await shop.scores({ history: ["garden-1", "garden-6"] });
  await shop.addItems([
    { item: "new-garden", text: "Rose Garden" },
    { item: "new-crime", text: "Murder at Noon" },
  ]);
  const scores = await shop.scores({ history: ["garden-1", "garden-6"] });
  expect(scores.slice(0, 40)).toEqual(before);
  const rank = (item: string) => [...scores].filter((score) => score > scores[shop.items.indexOf(item)]!).length;
  expect(rank("new-garden")).toBeLessThan(20);
  expect(rank("new-crime")).toBeGreaterThan(rank("new-garden"));
  expect(ids(await shop.recommend({ history: ["new-garden"], k: 3 })).every((id) => id.startsWith("garden"))).toBe(
    true,
  );
});

test("what is wrong with an item is named, and nothing is changed", async () => {
  const directory = await mappedShop();
  await using shop = await openRecommender(directory, { backbone });
  const before = shop.items;
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => "done",
      (error: Error) => (error instanceof ItemError ? error.code : `${error.name}: ${error.message}`),
    );
  const fine = { item: "fine", text: "a rose" };
  expect(await code(shop.addItems([fine, { item: "crime-1", text: "murder" }]))).toBe("exists");
  expect(await code(shop.addItems([fine, fine]))).toBe("exists");
  expect(await code(shop.addItems([fine, { item: "x", text: " \n" }]))).toBe("empty-text");
  expect(await code(shop.addItems([{ item: "x", text: "Xyzzy plugh" }]))).toBe("no-known-word");
  expect(await code(shop.updateItems([{ item: "crime-1", text: "murder" }]))).toBe("trained");
  await expect(shop.updateItems([fine])).rejects.toBeInstanceOf(UnknownIdError);
  await expect(shop.removeItems(["fine"])).rejects.toBeInstanceOf(UnknownIdError);
  await expect(shop.addItems([{ item: "", text: "a rose" }])).rejects.toThrow('found the id ""');
  expect(shop.items).toBe(before);
  expect(fs.existsSync(path.join(directory, "added-items.json"))).toBe(false);

  await using plain = await openRecommender(bookshop.model, { backbone });
  await expect(plain.addItems([fine])).rejects.toBeInstanceOf(NotAvailableError);
  await expect(plain.addItems([fine])).rejects.toThrow("does not hold the words of its items' texts");
});

test("a file that is damaged or changed by another is refused; items that training knows by now are left to it", async () => {
  const directory = await mappedShop();
  const file = path.join(temporaryFolder(), "items.json");
  const notices: string[] = [];
  const open = () =>
    openRecommender(directory, { backbone, itemsFile: file, onNotice: (message) => notices.push(message) });
  await using one = await open();
  await using other = await open();
  await one.addItems([{ item: "new", text: "a garden" }]);
  await expect(other.addItems([{ item: "x", text: "a garden" }])).rejects.toThrow("another process has changed it");
  const whole = fs.readFileSync(file, "utf8");
  fs.writeFileSync(file, whole.replace("a garden", "a murder"));
  await expect(open()).rejects.toThrow(/items\.json: its checksum does not fit/);
  fs.writeFileSync(file, "{");
  await expect(open()).rejects.toThrow(RecommendError);
  fs.writeFileSync(file, whole);

  // Another model, which has an item of that id, and reads other words.
  const retrained = await readModel(directory);
  const names = retrained.ids!.items.map((item) => (item === "crime-1" ? "new" : item));
  await writeModel(directory, { ...retrained, ids: { ...retrained.ids!, items: names } });
  const later = await open();
  expect(later.addedItems).toEqual([]);
  expect(later.hasItem("new")).toBe(true);
  await later.close();
  const { textFeatures: _, ...wordless } = retrained;
  await writeModel(directory, wordless);
  const unable = await open();
  expect(unable.hasItem("new")).toBe(false);
  expect(notices.at(-1)).toMatch(/"new" is not recommended: .* does not hold the words/);
  await unable.removeItems(["crime-2"]);
  expect(JSON.parse(fs.readFileSync(file, "utf8"))).toMatchObject({ items: [{ item: "new" }], removed: ["crime-2"] });
  await unable.close();
});
