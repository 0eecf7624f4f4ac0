// The same weights with another config.json are another model: a run does not resume on it.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { pretrain } from "@cllm4rec/pretrain";
import { asciiTokenizer } from "@cllm4rec/testing";
import { initialTables, stageCheckpoint } from "@cllm4rec/training/stage";
import { expect, it, onTestFinished } from "vitest";
import { choices, temporaryFolder, tinyGpt2 } from "./helpers.js";

const [users, items] = [12, 8];

async function modelOf(directory: string): Promise<BaseModel> {
  const backbone = await Backbone.open(directory);
  const model = new BaseModel(backbone, { users, items });
  onTestFinished(async () => {
    await model.dispose();
    await backbone.dispose();
  });
  return model;
}

/** The tiny GPT-2 with layer norms of another ε. */
async function otherConfig(): Promise<BaseModel> {
  const directory = path.join(temporaryFolder(), "backbone");
  fs.cpSync(tinyGpt2, directory, { recursive: true });
  const file = path.join(directory, "config.json");
  const config = JSON.parse(fs.readFileSync(file, "utf8"));
  fs.writeFileSync(file, JSON.stringify({ ...config, layer_norm_epsilon: 0.1 }));
  return modelOf(directory);
}

const run = (model: BaseModel, directory: string, rounds: number) =>
  pretrain({
    model,
    tokenizer: asciiTokenizer(users, items),
    tables: initialTables({ users, items, width: 8, seed: 3, priorDeviation: 0.3 }),
    train: choices(users, items),
    rounds,
    batch: { documents: 8 },
    output: { directory, backboneId: "tiny" },
  });

it("resumes on the same backbone only", async () => {
  const directory = temporaryFolder();
  const [model, other] = [await modelOf(tinyGpt2), await otherConfig()];
  expect(other.backbone.contentHash).toBe(model.backbone.contentHash);
  const { updates } = await run(model, directory, 1);
  await expect(run(other, directory, 2)).rejects.toThrow(
    /pretrain\.safetensors: the run was begun with backboneConfig "[0-9a-f]{64}", now it is "[0-9a-f]{64}"/,
  );
  expect(await run(model, directory, 2)).toMatchObject({ updates: 2 * updates, reason: "finished" });
});

it("resumes a state of an earlier version, which recorded the weights alone, and records the config", async () => {
  const directory = temporaryFolder();
  const model = await modelOf(tinyGpt2);
  const { updates } = await run(model, directory, 1);
  const store = stageCheckpoint(directory, "pretrain");
  const saved = (await store.load())!;
  const { backboneConfig, ...settings } = saved.state.settings as Record<string, string>;
  expect(backboneConfig).toBe(model.backbone.configHash);
  await store.save({ ...saved, state: { ...saved.state, settings } });
  expect(await run(model, directory, 2)).toMatchObject({ updates: 2 * updates, reason: "finished" });
  expect((await store.load())!.state.settings).toEqual({ ...settings, backboneConfig });
});
