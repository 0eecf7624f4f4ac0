// A pretraining run killed with SIGKILL at random moments ends with the bytes of a run that nobody killed.
import fs from "node:fs";
import path from "node:path";
import { killRepeatedly, runUntilKilled } from "@cllm4rec/testing";
import { readModel } from "@cllm4rec/training";
import { expect, it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const child = path.join(import.meta.dirname, "children", "pretrain.mjs");
const kills = 4;

it(`ends with the same bytes after ${kills} kills`, async () => {
  const [whole, broken] = [temporaryFolder(), temporaryFolder()];
  const { milliseconds: span } = await runUntilKilled(child, [whole, tinyGpt2]);
  const delays = await killRepeatedly((delay) => runUntilKilled(child, [broken, tinyGpt2], delay), {
    kills,
    span,
    restart: () => fs.rmSync(broken, { recursive: true }),
    afterKill: async () => fs.existsSync(path.join(broken, "embeddings.safetensors")) && (await readModel(broken)),
  });
  for (const file of ["embeddings.safetensors", "config.json", "training-state/pretrain.safetensors"]) {
    const same = fs.readFileSync(path.join(broken, file)).equals(fs.readFileSync(path.join(whole, file)));
    expect(same, `${file}, killed after ${delays.join(", ")} ms`).toBe(true);
  }
});
