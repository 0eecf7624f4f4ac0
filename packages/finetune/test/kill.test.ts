// A finetuning run killed with SIGKILL at random moments ends with the bytes of a run that nobody killed.
import fs from "node:fs";
import path from "node:path";
import { expectSameAfterKills, sampled } from "@cllm4rec/testing";
import { readModel } from "@cllm4rec/training/model";
import { it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const KILLS = sampled(3, 6);

it(`ends with the same bytes after ${KILLS} kills`, async () => {
  const broken = temporaryFolder();
  await expectSameAfterKills(path.join(import.meta.dirname, "children", "finetune.mjs"), {
    folders: [temporaryFolder(), broken],
    args: [tinyGpt2],
    kills: KILLS,
    latest: 0.4,
    files: ["embeddings.safetensors", "config.json", "training-state/finetune.safetensors"],
    afterKill: async () => fs.existsSync(path.join(broken, "embeddings.safetensors")) && (await readModel(broken)),
  });
});
