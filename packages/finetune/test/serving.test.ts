// A model trained with the library alone: openRecommender opens its directory, and recommends as it was trained.
import path from "node:path";
import { Dataset, definePrompts } from "@cllm4rec/corpus";
import { csrRow } from "@cllm4rec/corpus/prompts";
import { finetune } from "@cllm4rec/finetune";
import {
  datasetHash,
  IndexRecommender,
  openBaseModel,
  openRecommender,
  RecommendError,
  readModelContent,
} from "@cllm4rec/recommend";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "./helpers.js";

const fixtures = path.join(import.meta.dirname, "../../recommend/test/fixtures");

let dataset: Dataset;
let opened: Awaited<ReturnType<typeof openBaseModel>>;
beforeAll(async () => {
  dataset = await Dataset.open(path.join(fixtures, "data"));
  const { users, items } = dataset;
  opened = await openBaseModel(path.join(fixtures, "backbone"), { users, items });
});
afterAll(async () => {
  await opened.dispose();
  dataset.close();
});

async function trained(output: { readonly tokenizerHash?: string }) {
  const { model, tokenizer, reference } = opened;
  const directory = temporaryFolder();
  const train = await dataset.interactions("train");
  const prompts = definePrompts({ recommendation: "Reader {user} chose {history} and then:" });
  const prediction = { userToken: true, order: "fixed", seed: 3, maxLength: 60, prompts } as const;
  const source = { path: dataset.directory, hash: datasetHash(dataset.manifest) };
  const content = await readModelContent(dataset);
  const { tables } = await finetune({
    ...{ model, tokenizer, train, ...prediction, epochs: 2, averageDecay: 0 },
    output: { directory, backboneId: reference, dataset: source, ...content, ...output },
  });
  const recommender = new IndexRecommender({ model, tokenizer, tables: tables.collaborative, ...prediction });
  return { directory, recommender, train, content };
}

it("opens, and recommends by the prompt of training", async () => {
  const { directory, recommender, train, content } = await trained({ tokenizerHash: opened.tokenizerHash });
  await using library = await openRecommender(directory, { known: "train" });
  for (const user of [3, 8]) {
    const expected = await recommender.recommend([{ user, history: csrRow(train, user) }], 5).next();
    if (expected.done) throw new Error("no answer");
    const { items, scores } = expected.value;
    const found = await library.recommend({ user: content.ids.users[user]!, k: 5 });
    expect(found.map(({ item }) => item)).toEqual(Array.from(items, (item) => content.ids.items[item]));
    expect(found.map(({ score }) => score)).toEqual([...scores]);
  }
});

it("does not open where the tokenizer was not named, and says what to do", async () => {
  const { directory } = await trained({});
  const error = await openRecommender(directory).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RecommendError);
  expect((error as Error).message).toMatch(/settings\.serving is absent.*give `output\.tokenizerHash` to `finetune`/);
});
