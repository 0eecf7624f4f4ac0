// The whole way on an encoder–decoder, as a user has it: train, interrupt, resume, evaluate and recommend with a T5
// directory.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { TrainableBackbone } from "@cllm4rec/backbone";
import { sharedPath, t5Weights, tinyT5Config } from "@cllm4rec/testing";
import { byteLevelBpe } from "@cllm4rec/tokenizer-ext";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { byteAlphabet, ITEMS, runCli, runIn, USERS, writeChoices } from "./run-cli.js";

/** A random T5 with this tokenizer beside it. */
async function writeT5(directory: string, words: number, tokenizerJson: string): Promise<void> {
  const random = TrainableBackbone.create(tinyT5Config({ words, width: 16 }), t5Weights());
  await random.save(directory);
  await random.dispose();
  fs.writeFileSync(path.join(directory, "tokenizer.json"), tokenizerJson);
}

const bytes = () => {
  const vocab = Object.fromEntries(byteAlphabet().map((character, id) => [character, id]));
  return JSON.stringify(byteLevelBpe({ vocab, merges: [] }));
};

const SETTINGS = (
  "--method paper --report none --data data --backbone t5 --seed 3 --batch 4 --learning-rate 0.05 " +
  "--prior-deviation 0.5 --lambda-c 0.01 --warm-up-epochs 1 --rounds 1 --epochs 6 --pretrain-learning-rate 0.02"
).split(" ");

let folder = "";
const file = (...names: string[]) => path.join(folder, ...names);
const cllm4rec = (...args: string[]) => runIn(folder, args);

async function prepare(): Promise<void> {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-t5-"));
  writeChoices(file("data.jsonl"));
  const columns = ["--columns", "user=user,item=item,text=text", "--core", "0", "--out", "data"];
  expect((await cllm4rec("prepare", "--input", "data.jsonl", ...columns)).code).toBe(0);
}

describe("with more embedding rows than its tokenizer has tokens", () => {
  beforeAll(async () => {
    await prepare();
    await writeT5(file("t5"), 260, bytes());
    fs.writeFileSync(file("prompts.json"), JSON.stringify({ prompts: { historyOnly: "{history}:" } }));
  }, 120_000);
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  test("trains both stages, resumes to the same bits, evaluates and recommends", async () => {
    const run = ["train", "--config", "prompts.json", ...SETTINGS, "--json"];
    const trained = await cllm4rec(...run, "--out", "model");
    expect(trained.stderr).not.toContain("error");
    expect(trained.code).toBe(0);
    const printed = JSON.parse(trained.stdout);
    expect(printed).toMatchObject({ users: USERS, items: ITEMS });
    expect(printed.stages).toMatchObject({ pretrain: { reason: "finished" }, finetune: { reason: "finished" } });
    // By chance 20 of the 73 items that are not in the history: 0.27.
    expect(printed.validation["recall@20"]).toBeGreaterThan(0.4);

    const cut = await runCli(folder, [...run, "--out", "again"], {
      signal: "SIGINT",
      after: "finetune: epoch 2/6",
    });
    expect(cut.code).toBe(130);
    expect((await cllm4rec(...run, "--out", "again")).code).toBe(0);
    for (const name of ["embeddings.safetensors", "training-state/finetune.safetensors"])
      expect(fs.readFileSync(file("again", name)).equals(fs.readFileSync(file("model", name))), name).toBe(true);

    const evaluated = await cllm4rec("evaluate", "--model", "model", "--split", "validation", "--json");
    expect(JSON.parse(evaluated.stdout).metrics).toEqual(printed.validation);
    const recommended = await cllm4rec(
      "recommend",
      "--model",
      "model",
      "--history",
      "i1",
      "i4",
      "i7",
      "-k",
      "5",
      "--json",
    );
    const { items } = JSON.parse(recommended.stdout);
    expect(items).toHaveLength(5);
    expect(items.every(({ item }: { item: string }) => !["i1", "i4", "i7"].includes(item))).toBe(true);
  }, 240_000);
});

const tokenizer = sharedPath("models/t5-tokenizer/tokenizer.json");
describe.skipIf(!tokenizer)("with T5's own tokenizer, 32,100 tokens for 32,128 embedding rows", () => {
  beforeAll(async () => {
    await prepare();
    await writeT5(file("t5"), 32_128, fs.readFileSync(tokenizer!, "utf8"));
  }, 120_000);
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  test("trains and evaluates; users and items follow the embedding rows", async () => {
    const trained = await cllm4rec("train", ...SETTINGS, "--epochs", "1", "--out", "model", "--json");
    expect(trained.stderr).not.toContain("error");
    expect(JSON.parse(trained.stdout).stages.finetune.reason).toBe("finished");
    const { sizes } = JSON.parse(fs.readFileSync(file("model", "config.json"), "utf8"));
    expect(sizes).toEqual({ words: 32_128, users: USERS, items: ITEMS, width: 16 });
    const evaluated = await cllm4rec("evaluate", "--model", "model", "--json");
    expect(JSON.parse(evaluated.stdout).users).toBe(USERS);
  }, 240_000);
});
