// The README's example runs and prints what the README promises; so do the keys that it calls stable.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, test } from "vitest";
import { lengths, readConfig } from "../src/settings/config.js";

const directory = path.join(import.meta.dirname, "..");

test("the example of the README", async () => {
  const { printed, promised } = await runReadmeExample(directory);
  expect(promised).toHaveLength(1);
  expect(printed).toEqual(promised);
});

test("the stable keys are those of the contract, in its order", () => {
  const [, json = ""] = /```json\n(.*)\n```/.exec(fs.readFileSync(path.join(directory, "README.md"), "utf8")) ?? [];
  expect(Object.keys(JSON.parse(json))).toEqual(
    "users items interactions train validation test records malformed duplicates".split(" "),
  );
});

test("the configuration of the README is one, and shows the defaults", () => {
  const [, jsonc = ""] =
    /```jsonc\n([\s\S]*?)```/.exec(fs.readFileSync(path.join(directory, "README.md"), "utf8")) ?? [];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-readme-"));
  const file = path.join(folder, "run.json");
  fs.writeFileSync(file, jsonc.replaceAll(/ ?\/\/.*$/gm, ""));
  const shown = readConfig(file, {});
  fs.rmSync(folder, { recursive: true });
  const defaults = readConfig(undefined, { data: "beauty", backbone: "gpt2", out: "model" });
  // These have no default, or one that depends on others.
  const { minutes: _m, maxLength: _l, threads: _t, prompts: _p, layers: _b, width: _w, ...sections } = shown;
  const { pretrain, finetune, ...others } = sections;
  const { priorDeviation: _d, contentDeviation: _c, textShare: _s, ...rest } = others;
  const { warmUpEpochs, rounds, ...pretrainRest } = pretrain;
  const { epochs, patience: _patience, clipNorm: _clip, maskedShare: _share, ...finetuneOthers } = finetune;
  const { learningRate: _l1, contentLearningRate: _l2, ...finetuneRest } = finetuneOthers;
  // What is left out of adam is the library's own default.
  expect(Object.keys(finetuneRest.adam)).toEqual(["beta1", "beta2", "epsilon", "rows"]);
  expect({ ...rest, pretrain: pretrainRest, finetune: { ...finetuneRest, adam: {} }, prompts: {} }).toEqual(defaults);
  expect({ warmUpEpochs, rounds, epochs }).toEqual(lengths(defaults));
});
