// The dataset directory: round trip, order, train-only reviews, atomic publication, and every kind of damage.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { CorpusError, CorpusUsageError, csrRow, Dataset, type DatasetContent, writeDataset } from "@cllm4rec/corpus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const content: DatasetContent = {
  users: [{ rawId: "ann", text: "likes tea" }, { rawId: "bob" }, { rawId: "cy, \"the\" 'x'" }],
  items: [{ rawId: "i0", title: "Kettle", text: "Kettle. Steel." }, { rawId: "i1" }, { rawId: "i2" }, { rawId: "i3" }],
  interactions: [
    { user: 2, item: 0, split: "train", text: "late <user_1>", timestamp: 30 },
    { user: 0, item: 3, split: "train", text: "first", timestamp: 10, rating: 5 },
    { user: 0, item: 1, split: "train", timestamp: 20, rating: 4 },
    { user: 0, item: 2, split: "validation", text: "held out", timestamp: 30 },
    { user: 0, item: 0, split: "test", text: "held out too", timestamp: 40 },
    { user: 2, item: 3, split: "train", text: "ünï\u{1F600}\n2nd", timestamp: 5 },
  ],
};

let root: string;
let directory: string;
beforeAll(async () => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "corpus-dataset-"));
  directory = path.join(root, "dataset");
  await writeDataset(directory, content);
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

/** A copy of the dataset to damage. */
function copy(name: string): string {
  const target = path.join(root, name);
  fs.cpSync(directory, target, { recursive: true });
  return target;
}

describe("round trip", () => {
  test("ids, texts and interactions come back by index and in time order", async () => {
    const dataset = await Dataset.open(directory);
    expect([dataset.users, dataset.items]).toEqual([3, 4]);
    expect(await dataset.rawUserIds()).toEqual(["ann", "bob", "cy, \"the\" 'x'"]);
    expect(await dataset.rawItemIds()).toEqual(["i0", "i1", "i2", "i3"]);
    expect(await dataset.userTexts()).toEqual(["likes tea", null, null]);
    expect(await dataset.itemTitles()).toEqual(["Kettle", null, null, null]);
    expect(await dataset.itemTexts()).toEqual(["Kettle. Steel.", null, null, null]);
    const train = await dataset.interactions("train");
    expect([train.rows, train.columns]).toEqual([3, 4]);
    expect([0, 1, 2].map((user) => [...csrRow(train, user)])).toEqual([[3, 1], [], [3, 0]]);
    expect([...csrRow(await dataset.interactions("validation"), 0)]).toEqual([2]);
    expect([...csrRow(await dataset.interactions("test"), 0)]).toEqual([0]);
    expect(() => csrRow(train, 3)).toThrow(RangeError);
    dataset.close();
  });

  test("reviews of held-out interactions are not streamed; iterations may nest", async () => {
    const dataset = await Dataset.open(directory);
    const reviews = [];
    for await (const review of dataset.trainReviews()) {
      expect((await dataset.itemTitles())[0]).toBe("Kettle");
      reviews.push(review);
    }
    expect(reviews).toEqual([
      { user: 0, item: 3, text: "first" },
      { user: 2, item: 3, text: "ünï\u{1F600}\n2nd" },
      { user: 2, item: 0, text: "late <user_1>" },
    ]);
    dataset.close();
    await expect(dataset.rawUserIds()).rejects.toThrow("closed");
  });

  test("an empty dataset is a dataset", async () => {
    const empty = path.join(root, "empty");
    await writeDataset(empty, { users: [], items: [], interactions: [] });
    const dataset = await Dataset.open(empty);
    expect((await dataset.interactions("train")).indptr).toEqual(new Int32Array(1));
    dataset.close();
  });

  test("the bytes are the same each time", async () => {
    const again = await writeDataset(path.join(root, "again"), content);
    expect(again.files).toEqual((await Dataset.open(directory)).manifest.files);
  });
});

describe("publication", () => {
  test("what is not a dataset is never replaced, a dataset only by force", async () => {
    const other = path.join(root, "other");
    fs.mkdirSync(other);
    fs.writeFileSync(path.join(other, "precious.txt"), "x");
    await expect(writeDataset(other, content, { force: true })).rejects.toThrow(CorpusUsageError);
    expect(fs.readdirSync(other)).toEqual(["precious.txt"]);
    const target = copy("replace-me");
    await expect(writeDataset(target, content)).rejects.toThrow("with `force`");
    await writeDataset(target, { ...content, interactions: [] }, { force: true });
    expect((await Dataset.open(target)).manifest.interactions).toBe(0);
  });

  test("a failure leaves nothing behind", async () => {
    const before = fs.readdirSync(root);
    const bad = { ...content, users: [{ rawId: "\ud800" }, { rawId: null as unknown as string }, { rawId: "c" }] };
    await expect(writeDataset(path.join(root, "bad"), bad)).rejects.toThrow();
    expect(fs.readdirSync(root)).toEqual(before);
  });

  test.each([
    [{ user: 3, item: 0, split: "train" as const }, "names user 3"],
    [{ user: 0, item: 4, split: "train" as const }, "item 4"],
    [{ user: 0, item: 3, split: "test" as const }, "repeats the pair"],
  ])("interaction %j is refused", async (interaction, message) => {
    const interactions = [...content.interactions, interaction];
    await expect(writeDataset(path.join(root, "refused"), { ...content, interactions })).rejects.toThrow(message);
  });
});

describe("damage", () => {
  const damages: [string, (directory: string) => void, RegExp][] = [
    ["no-manifest", (d) => fs.rmSync(path.join(d, "manifest.json")), /not a prepared dataset/],
    ["not-json", (d) => fs.writeFileSync(path.join(d, "manifest.json"), "{"), /is not JSON/],
    ["version", (d) => edit(d, (m) => ({ ...m, version: 2 })), /`version`/],
    ["extra-key", (d) => edit(d, (m) => ({ ...m, note: 1 })), /note/],
    ["negative", (d) => edit(d, (m) => ({ ...m, users: -1 })), /`users`/],
    ["sum", (d) => edit(d, (m) => ({ ...m, train: 5 })), /are not 6/],
    ["missing-file", (d) => fs.rmSync(path.join(d, "items.parquet")), /items\.parquet is missing/],
    ["truncated", (d) => fs.truncateSync(path.join(d, "users.parquet"), 40), /has 40 bytes/],
    ["flipped", (d) => flip(path.join(d, "interactions.parquet")), /SHA-256/],
  ];
  test.each(damages)("%s is refused with one clear error", async (name, damage, message) => {
    const target = copy(`damage-${name}`);
    damage(target);
    const failure = await Dataset.open(target).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(CorpusError);
    expect(String(failure)).toMatch(message);
    expect(String(failure)).not.toContain("\n");
  });

  test("counts that do not fit the tables are found when they are read", async () => {
    const target = copy("damage-counts");
    edit(target, (m) => ({ ...m, train: 5, interactions: 7 }));
    const dataset = await Dataset.open(target);
    await expect(dataset.interactions("train")).rejects.toThrow("has 4 instead of 5 train interactions");
    edit(target, (m) => ({ ...m, train: 4, interactions: 6, items: 3 }));
    await expect((await Dataset.open(target)).interactions("train")).rejects.toThrow("names item 3");
    await expect((await Dataset.open(target)).itemTexts()).rejects.toThrow("4 rows instead of 3");
  });
});

function edit(directory: string, change: (manifest: Record<string, unknown>) => Record<string, unknown>): void {
  const file = path.join(directory, "manifest.json");
  fs.writeFileSync(file, JSON.stringify(change(JSON.parse(fs.readFileSync(file, "utf8")))));
}

function flip(file: string): void {
  const bytes = fs.readFileSync(file);
  bytes[10]! ^= 1;
  fs.writeFileSync(file, bytes);
}
