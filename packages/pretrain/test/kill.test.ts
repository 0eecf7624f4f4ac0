// A pretraining run killed with SIGKILL at random moments ends with the bytes of a run that nobody killed.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { readModel } from "@cllm4rec/training";
import { expect, it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const child = path.join(import.meta.dirname, "children", "pretrain.mjs");
const KILLS = 4;

/** Runs the child; kills it `delay` milliseconds after its run began, where a delay is given. Says how long it ran from there. */
function run(folder: string, delay?: number): Promise<{ end: "killed" | "ended"; milliseconds: number }> {
  const running = spawn(process.execPath, [child, folder, tinyGpt2], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  let began = 0;
  return new Promise((resolve, reject) => {
    running.stderr.on("data", (data) => {
      errors += data;
    });
    running.stdout.on("data", (data) => {
      if (output === "") began = performance.now();
      if (output === "" && delay !== undefined) setTimeout(() => running.kill("SIGKILL"), delay);
      output += data;
    });
    running.on("close", (code, signal) => {
      const milliseconds = performance.now() - began;
      if (output.includes("ended finished")) resolve({ end: "ended", milliseconds });
      else if (signal === "SIGKILL") resolve({ end: "killed", milliseconds });
      else reject(new Error(`child ended with ${code ?? signal}: ${errors}`));
    });
  });
}

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
