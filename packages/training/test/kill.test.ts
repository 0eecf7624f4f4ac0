// A run killed with SIGKILL at random moments, again and again, ends with the bytes of a run that nobody killed.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runUntilKilled } from "@cllm4rec/testing";
import { readModel, stageCheckpoint } from "@cllm4rec/training";
import { expect, it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const child = path.join(path.dirname(fileURLToPath(import.meta.url)), "children", "train.mjs");
const WANTED_KILLS = 12;

const run = (folder: string, delay?: number) => runUntilKilled(child, [folder, tinyGpt2], delay);

it(`ends with the same bytes after ${WANTED_KILLS} kills`, async () => {
  const [whole, broken] = [temporaryFolder(), temporaryFolder()];
  let { milliseconds: span } = await run(whole);
  let delays: number[] = [];
  for (let ended = false; !ended && delays.length < WANTED_KILLS; ) {
    delays.push(Math.round(Math.random() * span * 0.25));
    ended = (await run(broken, delays.at(-1))).end === "ended";
    // Whatever moment it was, what is there is whole.
    await stageCheckpoint(broken, "test").load();
    if (fs.existsSync(path.join(broken, "embeddings.safetensors"))) await readModel(broken);
    // Too quick to be killed twice: once more from the start, with earlier kills.
    if (ended && delays.length < 3) {
      fs.rmSync(broken, { recursive: true });
      [ended, span, delays] = [false, span / 2, []];
    }
  }
  expect((await run(broken)).end).toBe("ended");

  const files = ["embeddings.safetensors", "config.json", "training-state/test.safetensors"];
  for (const file of files) {
    const same = fs.readFileSync(path.join(broken, file)).equals(fs.readFileSync(path.join(whole, file)));
    expect(same, `${file}, killed after ${delays.join(", ")} ms`).toBe(true);
  }
  // Temporary files of killed processes are gone.
  expect(fs.readdirSync(path.join(broken, "training-state"))).toEqual(["test.safetensors"]);
});
