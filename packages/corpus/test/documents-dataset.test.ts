// From a dataset directory to all its documents: nothing of a validation or test interaction is ever in a training
// document.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  BatchPlan,
  concatenateSources,
  Dataset,
  type DatasetContent,
  decoderOnly,
  interactionDocuments,
  itemTexts,
  openTokenCache,
  recommendationDocuments,
  recommendationPrompter,
  type Split,
  textDocuments,
  trainReviewTexts,
  uniteHistories,
  userTexts,
  writeDataset,
} from "@cllm4rec/corpus";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rowOf } from "./histories.js";
import { show, tinyTokenizer } from "./tiny-tokenizer.js";

const [I, J] = [30, 20];
const tokenizer = tinyTokenizer(I, J);
const splitOf = (user: number, item: number): Split =>
  (["train", "train", "train", "validation", "test"] as const)[(user * 7 + item * 3) % 5]!;
const interactions = Array.from({ length: I * J }, (_, k) => ({ user: Math.floor(k / J), item: k % J }))
  .filter(({ user, item }) => (user * 11 + item * 5) % 3 === 0)
  .map(({ user, item }) => ({
    user,
    item,
    split: splitOf(user, item),
    text: `${splitOf(user, item)} u${user} i${item}.`,
  }));
const content: DatasetContent = {
  users: Array.from({ length: I }, (_, user) => ({
    rawId: `user ${user}`,
    text: user % 4 === 0 ? `bio ${user}.` : null,
  })),
  items: Array.from({ length: J }, (_, item) => ({
    rawId: `item ${item}`,
    text: item % 3 === 0 ? `about ${item}.` : null,
  })),
  interactions,
};

const root = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-documents-"));
const common = { tokenizer, layout: decoderOnly(), maxLength: 200 };
let dataset: Dataset;
beforeAll(async () => {
  await writeDataset(path.join(root, "dataset"), content);
  dataset = await Dataset.open(path.join(root, "dataset"));
});
afterAll(() => {
  dataset.close();
  fs.rmSync(root, { recursive: true });
});

test("text documents hold every training text once and no text of a held-out interaction", async () => {
  const sources = [];
  for (const corpus of [trainReviewTexts(dataset), itemTexts(dataset), userTexts(dataset)]) {
    const cache = await openTokenCache({
      directory: path.join(root, "cache"),
      tokenizer,
      tokenizerIdentity: "tiny",
      corpus,
    });
    sources.push(textDocuments({ ...common, cache }));
  }
  const shown: string[] = [];
  for (const batch of new BatchPlan(concatenateSources(sources), { size: { tokens: 999 } }).batches({
    seed: 4,
    epoch: 0,
    step: 0,
  })) {
    for (const { ids, targets } of batch.documents) shown.push(show([...ids, targets.at(-1)!], tokenizer));
  }
  const training = interactions.filter(({ split }) => split === "train");
  const expected = [
    ...training.map(({ user, item }) => `<u${user}> writes the review for<i${item}> :train u${user} i${item}.`),
    ...content.items.flatMap(({ text }, item) => (text ? [`The content of<i${item}> is :${text}`] : [])),
    ...content.users.flatMap(({ text }, user) => (text ? [`The biography of<u${user}> is :${text}`] : [])),
  ];
  expect(shown.toSorted()).toEqual(expected.toSorted());
  expect(shown.join("")).not.toMatch(/validation|test/);
});

test("item tokens of held-out interactions are in no training document, and at test time in no prompt", async () => {
  const [train, validation, testing] = await Promise.all([
    dataset.interactions("train"),
    dataset.interactions("validation"),
    dataset.interactions("test"),
  ]);
  const itemsOf = (ids: Int32Array) => [...ids].filter((id) => id >= 128 + I).map((id) => id - 128 - I);
  const collaborative = interactionDocuments({ ...common, interactions: train });
  const finetuning = recommendationDocuments({
    ...common,
    interactions: train,
    maskedShare: [0.2, 0.8],
    targets: "all",
  });
  for (const epoch of [0, 1, 2]) {
    for (const [index, user] of collaborative.users.entries()) {
      const { ids, targets } = collaborative.document(index, { seed: 0, epoch });
      const row = new Set(rowOf(train, user));
      expect([...itemsOf(ids), ...itemsOf(targets)].filter((item) => !row.has(item))).toEqual([]);
    }
    for (const [index, user] of finetuning.users.entries()) {
      const { ids, heldOut } = finetuning.document(index, { seed: 0, epoch });
      const row = new Set(rowOf(train, user));
      expect([...itemsOf(ids), ...heldOut].filter((item) => !row.has(item))).toEqual([]);
    }
  }
  const history = uniteHistories(train, validation);
  const prompt = recommendationPrompter(common);
  const users = Array.from({ length: testing.rows }, (_, user) => user).filter((u) => rowOf(testing, u).length > 0);
  expect(users.length).toBeGreaterThan(10);
  for (const user of users) {
    const { ids } = prompt({ user, history: rowOf(history, user) }, { seed: 0, epoch: 0 });
    expect(itemsOf(ids).toSorted()).toEqual([...rowOf(train, user), ...rowOf(validation, user)].toSorted());
    expect(itemsOf(ids).filter((item) => rowOf(testing, user).includes(item))).toEqual([]);
  }
});
