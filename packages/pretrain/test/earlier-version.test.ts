// A state that the version before the one trainer wrote: it resumes, and a run has the bits that it had.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { pretrain } from "@cllm4rec/pretrain";
import { asciiTokenizer, expectTensorsOf, writtenOnThisMachine } from "@cllm4rec/testing";
import { checkpointFile, type TrainingEvent } from "@cllm4rec/training";
import { readModel } from "@cllm4rec/training/model";
import { initialTables, stageCheckpoint } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, expect, it } from "vitest";
import { choices, fixtures, temporaryFolder, texts, tinyGpt2 } from "./helpers.js";

const folder = path.join(fixtures, "version-0");
const [users, items] = [12, 10];

let backbone: Backbone;
let model: BaseModel;
beforeAll(async () => {
  backbone = await Backbone.open(tinyGpt2);
  model = new BaseModel(backbone, { users, items });
});
afterAll(async () => {
  await model.dispose();
  await backbone.dispose();
});

it.each([0, 5])("has the bits that it had, resumed after %d updates", async (done) => {
  const directory = temporaryFolder();
  const store = stageCheckpoint(directory, "pretrain");
  if (done > 0) {
    fs.mkdirSync(path.dirname(store.name), { recursive: true });
    fs.copyFileSync(path.join(folder, "stopped.safetensors"), store.name);
  }
  const events: TrainingEvent[] = [];
  await pretrain({
    model,
    tokenizer: asciiTokenizer(users, items),
    tables: initialTables({ users, items, width: 8, seed: 3, priorDeviation: 0.4, contentDeviation: 0.2 }),
    train: choices(users, items),
    texts: texts(users, items),
    seed: 1,
    warmUpEpochs: 1,
    rounds: 2,
    batch: { documents: 6 },
    textBatch: { documents: 5 },
    learningRate: 0.02,
    contentLearningRate: 0.02, // what that version took from learningRate
    lSteps: 1,
    dropout: 0.1,
    output: { directory, backboneId: "tiny" },
    onEvent: (event) => events.push(event),
  });
  expect(events[0]).toMatchObject({ type: "run-started", update: done });
  const [now, then] = [await store.load(), await checkpointFile(path.join(folder, "finished.safetensors")).load()];
  const exact = writtenOnThisMachine(folder);
  expectTensorsOf(now!.tensors, then!.tensors, { exact });
  if (!exact) return;
  // That version did not record the backbone's config.
  const { configHash } = model.backbone;
  const withConfig = (settings: unknown) => Object.assign({}, settings, { backboneConfig: configHash });
  expect(now!.state).toEqual({ ...then!.state, settings: withConfig(then!.state.settings) });
  const earlier = temporaryFolder();
  fs.copyFileSync(path.join(folder, "embeddings.safetensors"), path.join(earlier, "embeddings.safetensors"));
  const [published, expected] = [await readModel(directory), await readModel(earlier)];
  expect(published.tables).toEqual(expected.tables);
  const { description } = expected;
  expect(published.description).toEqual({
    ...description,
    backbone: { ...description.backbone, configHash },
    settings: { ...description.settings, pretrain: withConfig(description.settings.pretrain) },
  });
});
