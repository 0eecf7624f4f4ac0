// A pretraining run killed with SIGKILL at random moments ends with the bytes of a run that nobody killed.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { readModel } from "@cllm4rec/training";
import { expect, it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const child = path.join(import.meta.dirname, "children", "pretrain.mjs");
const KILLS = 5;

/** Runs the child; kills it `delay` milliseconds after its run began, where a delay is given. */
function run(folder: string, delay?: number): Promise<"killed" | "ended"> {
  const running = spawn(process.execPath, [child, folder, tinyGpt2], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  return new Promise((resolve, reject) => {
    running.stderr.on("data", (data) => {
      errors += data;
    });
    running.stdout.on("data", (data) => {
      if (output === "" && delay !== undefined) setTimeout(() => running.kill("SIGKILL"), delay);
      output += data;
    });
    running.on("close", (code, signal) => {
      if (output.includes("ended finished")) resolve("ended");
      else if (signal === "SIGKILL") resolve("killed");
      else reject(new Error(`child ended with ${code ?? signal}: ${errors}`));
    });
  });
}

it(`ends with the same bytes after ${KILLS} kills`, async () => {
  const [whole, broken] = [temporaryFolder(), temporaryFolder()];
  expect(await run(whole)).toBe("ended");
  const delays: number[] = [];
  let ended = false;
  while (!ended && delays.length < KILLS) {
    delays.push(Math.round(Math.random() * 160));
    ended = (await run(broken, delays.at(-1))) === "ended";
    if (fs.existsSync(path.join(broken, "embeddings.safetensors"))) await readModel(broken);
  }
  if (!ended) expect(await run(broken)).toBe("ended");
  expect(delays.length).toBeGreaterThan(1);
  for (const file of ["embeddings.safetensors", "config.json", "training-state/pretrain.safetensors"]) {
    const same = fs.readFileSync(path.join(broken, file)).equals(fs.readFileSync(path.join(whole, file)));
    expect(same, `${file}, killed after ${delays.join(", ")} ms`).toBe(true);
  }
});
