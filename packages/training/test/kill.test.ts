// A run killed with SIGKILL at random moments, again and again, ends with the bytes of a run that nobody killed.
import fs from "node:fs";
import path from "node:path";
import { expectSameAfterKills, sampled } from "@cllm4rec/testing";
import { readModel } from "@cllm4rec/training/model";
import { stageCheckpoint } from "@cllm4rec/training/stage";
import { expect, it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const WANTED_KILLS = sampled(4, 12);

it(`ends with the same bytes after ${WANTED_KILLS} kills`, async () => {
  const broken = temporaryFolder();
  await expectSameAfterKills(path.join(import.meta.dirname, "children", "train.mjs"), {
    folders: [temporaryFolder(), broken],
    args: [tinyGpt2],
    kills: WANTED_KILLS,
    latest: 0.25,
    files: ["embeddings.safetensors", "config.json", "training-state/test.safetensors"],
    // A file is whole, at whichever moment the process was killed.
    afterKill: async () => {
      await stageCheckpoint(broken, "test").load();
      if (fs.existsSync(path.join(broken, "embeddings.safetensors"))) await readModel(broken);
    },
  });
  // Temporary files of killed processes are gone.
  expect(fs.readdirSync(path.join(broken, "training-state"))).toEqual(["test.safetensors"]);
});
