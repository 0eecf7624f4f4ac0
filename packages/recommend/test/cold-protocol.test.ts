// What an evaluation of cold items is given: their interactions, of users who are known by something.
import path from "node:path";
import { csrRow, Dataset, writeDataset } from "@cllm4rec/corpus";
import { openColdProtocol, openProtocol } from "@cllm4rec/recommend";
import { expect, test } from "vitest";
import { temporaryFolder } from "./helpers.js";

async function dataset(cold: readonly number[]): Promise<Dataset> {
  const directory = path.join(temporaryFolder(), "data");
  await writeDataset(directory, {
    users: ["a", "b", "c"].map((rawId) => ({ rawId })),
    items: [0, 1, 2, 3].map((item) => ({ rawId: `${item}`, text: `thing ${item}`, cold: cold.includes(item) })),
    interactions: [
      { user: 0, item: 0, split: "train" },
      { user: 0, item: 1, split: "test" },
      { user: 0, item: 3, split: "train" },
      { user: 1, item: 0, split: "train" },
      { user: 1, item: 2, split: "validation" },
      { user: 1, item: 3, split: "test" },
      { user: 2, item: 3, split: "train" },
    ],
  });
  return Dataset.open(directory);
}

test("cold items have a protocol of their own on the test split, without users who have no history", async () => {
  const data = await dataset([3]);
  const protocol = await openProtocol(data, "test");
  const cold = (await openColdProtocol(data, protocol))!;
  expect(Array.from(cold.items)).toEqual([3]);
  expect([0, 1, 2].map((user) => Array.from(csrRow(cold.heldOut, user)))).toEqual([[3], [3], []]);
  expect(cold.usersWithoutHistory).toBe(1);
  expect([0, 1, 2].map((user) => Array.from(csrRow(protocol.heldOut, user)))).toEqual([[1], [], []]);
  const validation = await openProtocol(data, "validation");
  expect(await openColdProtocol(data, validation)).toBeUndefined();
  data.close();
});

test("other datasets have none", async () => {
  const data = await dataset([]);
  expect(await openColdProtocol(data, await openProtocol(data, "test"))).toBeUndefined();
  data.close();
});
