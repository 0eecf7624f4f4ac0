// Interactions in memory become what `prepare` makes of a file of the same records.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { csrRow, Dataset, type Interaction, prepare, splitInteractions, writeDataset } from "@cllm4rec/corpus";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder = "";
const file = (name: string) => path.join(folder, name);
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "corpus-memory-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Records with repeated pairs, equal and missing times, and ids whose order is not that of UTF-16. */
function records(words: boolean): Interaction[] {
  const name = words ? (n: number) => `${["é", "z", "\u{1f600}", "\uff5e", "A"][n % 5]}${n}` : (n: number) => n * 3;
  return Array.from({ length: 400 }, (_, k) => {
    const [user, item] = [(k * k + 7 * k) % 23, (k * 13 + (k % 7) * (k % 11)) % 31];
    const time = k % 9 === 0 ? null : Math.floor((k * 37) % 50);
    return { user: name(user), item: name(item), timestamp: time };
  });
}

async function contentOf(directory: string) {
  const dataset = await Dataset.open(directory);
  const [train, validation, test] = await Promise.all(
    (["train", "validation", "test"] as const).map((split) => dataset.interactions(split)),
  );
  const found = { users: await dataset.rawUserIds(), items: await dataset.rawItemIds(), train, validation, test };
  dataset.close();
  return found;
}

test.each([
  [true, { core: 3 }],
  [false, { core: 4, split: "time", validationShare: 0.2 }],
  [true, { core: 0, split: "leave-one-out" }],
  [false, { core: 2, seed: 9, testShare: 0.3, validationShare: 0 }],
] as const)("words %j, %j: the same dataset as from a file", async (words, options) => {
  const all = records(words);
  fs.writeFileSync(file("rows.jsonl"), all.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const columns = { user: "user", item: "item", timestamp: "timestamp" };
  const manifest = await prepare({
    ...options,
    inputs: [file("rows.jsonl")],
    columns,
    output: file("data"),
    force: true,
  });
  const { content, duplicates, outsideCore, ...data } = await splitInteractions(all, options);
  expect(data).toEqual(await contentOf(file("data")));
  expect({ duplicates, outsideCore }).toEqual({
    duplicates: manifest.records.duplicates,
    outsideCore: manifest.records.outsideCore,
  });
  expect(manifest.records.duplicates).toBeGreaterThan(0);
  await writeDataset(file("written"), content, { force: true });
  expect(await contentOf(file("written"))).toEqual(data);
});

test("takes a generator and an asynchronous source; each user's items are in the order of time", async () => {
  async function* rows() {
    yield { user: "ann", item: "late", timestamp: 9 };
    yield { user: "ann", item: "early", timestamp: 1 };
    yield { user: "ann", item: "middle", timestamp: 5 };
  }
  const { train, items, test } = await splitInteractions(rows(), { core: 0, split: "time", validationShare: 0 });
  expect(Array.from(csrRow(train, 0), (j) => items[j])).toEqual(["early", "middle"]);
  expect(Array.from(csrRow(test, 0), (j) => items[j])).toEqual(["late"]);
  const none = await splitInteractions(new Set<Interaction>());
  expect([none.users, none.train.rows, none.train.indices.length]).toEqual([[], 0, 0]);
});

test.each([
  [[{ user: "", item: "a" }], {}, 'record 0: found the user "", expected a text that is not empty or an integer'],
  [[{ user: 1, item: 0.5 }], {}, "record 0: found the item 0.5"],
  [[{ user: 1, item: 1, timestamp: Number.NaN }], {}, "record 0: found the timestamp NaN, expected a finite number"],
  [[], { core: -1 }, "core is -1: an integer from 0 on is expected"],
  [[], { testShare: 0.7, validationShare: 0.4 }, "validationShare + testShare"],
] as const)("refuses %j with %j", async (rows, options, message) => {
  await expect(splitInteractions(rows, options)).rejects.toThrow(message);
});
