// A pretraining run killed with SIGKILL at random moments ends with the bytes of a run that nobody killed.
import fs from "node:fs";
import path from "node:path";
import { runUntilKilled } from "@cllm4rec/testing";
import { readModel } from "@cllm4rec/training";
import { expect, it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const child = path.join(import.meta.dirname, "children", "pretrain.mjs");
const KILLS = 4;

const run = (folder: string, delay?: number) => runUntilKilled(child, [folder, tinyGpt2], delay);

it(`ends with the same bytes after ${KILLS} kills`, async () => {
  const [whole, broken] = [temporaryFolder(), temporaryFolder()];
  let { milliseconds: span } = await run(whole);
  let delays: number[] = [];
  for (let ended = false; !ended && delays.length < KILLS; ) {
    delays.push(Math.round(Math.random() * span * 0.4));
    ended = (await run(broken, delays.at(-1))).end === "ended";
    if (fs.existsSync(path.join(broken, "embeddings.safetensors"))) await readModel(broken);
    // Too quick to be killed twice: once more from the start, with earlier kills.
    if (ended && delays.length < 3) {
      fs.rmSync(broken, { recursive: true });
      [ended, span, delays] = [false, span / 2, []];
    }
  }
  expect((await run(broken)).end).toBe("ended");
  for (const file of ["embeddings.safetensors", "config.json", "training-state/pretrain.safetensors"]) {
    const same = fs.readFileSync(path.join(broken, file)).equals(fs.readFileSync(path.join(whole, file)));
    expect(same, `${file}, killed after ${delays.join(", ")} ms`).toBe(true);
  }
});
