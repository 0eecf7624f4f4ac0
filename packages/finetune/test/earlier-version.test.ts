// A state that the version before the one trainer wrote: it resumes with its best model, and a run has the bits that it
// had.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { finetune } from "@cllm4rec/finetune";
import { asciiTokenizer, expectTensorsOf, writtenOnThisMachine } from "@cllm4rec/testing";
import { checkpointFile, type TrainingEvent } from "@cllm4rec/training";
import { readModel } from "@cllm4rec/training/model";
import { initialTables, stageCheckpoint } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, expect, it } from "vitest";
import { itemTexts, temporaryFolder, tinyGpt2, twoTastes } from "./helpers.js";

const folder = path.join(tinyGpt2, "..", "version-0");
const [users, items] = [24, 16];

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

it.each([0, 6])("has the bits that it had, resumed after %d updates", async (done) => {
  const directory = temporaryFolder();
  const store = stageCheckpoint(directory, "finetune");
  if (done > 0) {
    fs.mkdirSync(path.dirname(store.name), { recursive: true });
    fs.copyFileSync(path.join(folder, "stopped.safetensors"), store.name);
    fs.copyFileSync(
      path.join(folder, "stopped-embeddings.safetensors"),
      path.join(directory, "embeddings.safetensors"),
    );
  }
  const events: TrainingEvent[] = [];
  await finetune({
    model,
    tokenizer: asciiTokenizer(users, items),
    tables: initialTables({ users, items, width: 16, seed: 3, priorDeviation: 0.3, contentDeviation: 0.1 }),
    ...twoTastes(users, items),
    texts: itemTexts(users, items),
    seed: 1,
    epochs: 3,
    batch: { documents: 8 },
    textBatch: { documents: 8 },
    contentSteps: 1,
    learningRate: 0.02,
    contentLearningRate: 0.02, // what that version took from learningRate
    maskedShare: 0.4,
    dropout: 0.1,
    averageDecay: 0.9,
    clipNorm: 0.5,
    metrics: ["recall@3", "ndcg@8"],
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
  // The model that was best, too.
  const earlier = temporaryFolder();
  fs.copyFileSync(path.join(folder, "embeddings.safetensors"), path.join(earlier, "embeddings.safetensors"));
  const [published, expected] = [await readModel(directory), await readModel(earlier)];
  expect(published.tables).toEqual(expected.tables);
  const { description } = expected;
  expect(published.description).toEqual({
    ...description,
    backbone: { ...description.backbone, configHash },
    settings: { ...description.settings, finetune: withConfig(description.settings.finetune) },
  });
});
