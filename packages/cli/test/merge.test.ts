// Models with other seeds as one: merge as a subprocess, and what the merged model answers.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { readModel } from "@cllm4rec/training/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Outcome, runIn, USERS, writeBackbone, writeChoices } from "./run-cli.js";

let folder = "";
const file = (...names: string[]) => path.join(folder, ...names);
const cllm4rec = (...args: string[]): Promise<Outcome> => runIn(folder, args);

const SETTINGS = "--method paper --data data --backbone backbone --prior-deviation 0.5 --report none".split(" ");
const finetune = (out: string, seed: number, ...more: string[]) => {
  const rates = "--batch 4 --learning-rate 0.02 --epochs 3".split(" ");
  return cllm4rec("finetune", ...SETTINGS, ...rates, "--seed", `${seed}`, "--out", out, ...more);
};

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-merge-"));
  await writeBackbone(file("backbone"));
  writeChoices(file("choices.jsonl"), 0);
  const columns = ["--columns", "user=user,item=item,text=text", "--core", "0", "--out", "data"];
  expect(await cllm4rec("prepare", "--input", "choices.jsonl", ...columns)).toMatchObject({ code: 0 });
  const pretrain = ["--warm-up-epochs", "1", "--rounds", "1", "--seed", "1", "--out", "pretrained"];
  expect(await cllm4rec("pretrain", ...SETTINGS, ...pretrain)).toMatchObject({ code: 0 });
  for (const seed of [1, 2])
    expect(await finetune(`seed-${seed}`, seed, "--from", "pretrained")).toMatchObject({ code: 0 });
  expect(await finetune("stranger", 3, "--text-share", "0")).toMatchObject({ code: 0 });
}, 240_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test("models of one pretraining become one with their mean embeddings, which evaluate and recommend take", async () => {
  const { code, stdout } = await cllm4rec("merge", "--model", "seed-1", "seed-2", "--out", "merged", "--json");
  expect(code).toBe(0);
  const printed = JSON.parse(stdout);
  expect(printed).toMatchObject({ out: "merged", models: ["seed-1", "seed-2"] });
  expect(printed.similarity).toBeGreaterThan(0.5);
  expect(printed.similarity).toBeLessThan(1);
  const [one, two, both] = await Promise.all(["seed-1", "seed-2", "merged"].map((name) => readModel(file(name))));
  const items = (model: typeof one) => model!.tables.collaborative.items.data;
  items(both).forEach((x, at) => {
    expect(x).toBeCloseTo((items(one)[at]! + items(two)[at]!) / 2, 6);
  });
  expect(both!.description.settings.merged).toEqual(["seed-1", "seed-2"]);
  expect(both!.description).not.toHaveProperty("metrics");
  const evaluated = await cllm4rec("evaluate", "--model", "merged", "--json");
  expect(JSON.parse(evaluated.stdout)).toMatchObject({ users: USERS, model: "merged" });
  const recommended = await cllm4rec("recommend", "--model", "merged", "--history", "i3", "-k", "5", "--json");
  expect(JSON.parse(recommended.stdout).items).toHaveLength(5);
});

test.each([
  [
    ["seed-1", "stranger"],
    "elsewhere",
    /^error: stranger: found a mean cosine of -?0\.\d\d between its items and those of seed-1, expected at least 0\.5/m,
  ],
  [["seed-1"], "elsewhere", /^error: models: found seed-1 alone, expected two or more/m],
  [["seed-1", "seed-2"], "seed-1", /^error: seed-1: found a model there already, expected a new folder as --out/m],
  [["seed-1", "nowhere"], "elsewhere", /^error: nowhere\/embeddings\.safetensors/m],
])("refuses %j into %s, and writes nothing", async (models, out, message) => {
  const before = fs.existsSync(file(out)) && fs.readFileSync(file(out, "embeddings.safetensors"));
  const { code, stdout, stderr } = await cllm4rec("merge", "--model", ...models, "--out", out);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(message);
  expect(fs.existsSync(file(out)) && fs.readFileSync(file(out, "embeddings.safetensors"))).toEqual(before);
});
