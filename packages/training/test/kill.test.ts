// A run killed with SIGKILL at random moments, again and again, ends with the bytes of a run that nobody killed.
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readModel, stageCheckpoint } from "@cllm4rec/training";
import { expect, it } from "vitest";
import { temporaryFolder, tinyGpt2 } from "./helpers.js";

const child = path.join(path.dirname(fileURLToPath(import.meta.url)), "children", "train.mjs");
const WANTED_KILLS = 12;

/** Runs the child; kills it `delay` milliseconds after its first update began, where a delay is given. */
function run(folder: string, delay?: number): Promise<"killed" | "ended"> {
  const running: ChildProcess = spawn(process.execPath, [child, folder, tinyGpt2], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  return new Promise((resolve, reject) => {
    running.stderr!.on("data", (data) => {
      errors += data;
    });
    running.stdout!.on("data", (data) => {
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

it(`ends with the same bytes after ${WANTED_KILLS} kills`, async () => {
  const [whole, broken] = [temporaryFolder(), temporaryFolder()];
  const started = Date.now();
  expect(await run(whole)).toBe("ended");
  const duration = Date.now() - started;

  const delays: number[] = [];
  let ended = false;
  for (let kills = 0; !ended && kills < WANTED_KILLS; ) {
    const delay = Math.random() * Math.min(150, duration / 6);
    delays.push(Math.round(delay));
    if ((await run(broken, delay)) === "killed") kills++;
    else ended = true;
    // Whatever moment it was, what is there is whole.
    await stageCheckpoint(broken, "test").load();
    if (fs.existsSync(path.join(broken, "embeddings.safetensors"))) await readModel(broken);
  }
  if (!ended) expect(await run(broken)).toBe("ended");
  expect(delays.length).toBeGreaterThan(2);

  const files = ["embeddings.safetensors", "config.json", "training-state/test.safetensors"];
  for (const file of files) {
    const same = fs.readFileSync(path.join(broken, file)).equals(fs.readFileSync(path.join(whole, file)));
    expect(same, `${file}, killed after ${delays.join(", ")} ms`).toBe(true);
  }
  // Temporary files of killed processes are gone.
  expect(fs.readdirSync(path.join(broken, "training-state"))).toEqual(["test.safetensors"]);
});
