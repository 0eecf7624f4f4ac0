// Memory of training steps, in processes of their own: the peak of a step, what is mapped and what is not, and growth
// over 500 steps.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { gpt2ShapedDirectory, gpt2Small, gpt2Tiny } from "./gpt2-shape.js";
import { documentsOf } from "./step.js";

/**
 * @typedef {{ tokens: number; peakMegabytes: number; anonymousMegabytes?: number; mappedMegabytes?: number }}
 *   StepMemory
 */
/**
 * @typedef {{ steps: number[]; residentMegabytes: number[] }} Growth resident memory after each of these numbers of
 *   steps
 */

/** @returns {{ step: StepMemory; growth: Growth }} */
export function measureMemory() {
  return { step: measure("--step"), growth: measure("--growth") };
}

/** @param {string} what */
function measure(what) {
  const script = fileURLToPath(import.meta.url);
  const child = spawnSync(process.execPath, ["--expose-gc", script, what], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) throw new Error(`measuring memory (${what}) failed, exit code ${child.status}`);
  return JSON.parse(child.stdout);
}

if (process.argv[2] === "--step") {
  await train(gpt2Small, [128, 128, 128, 128], 5, (step) => {
    if (step < 5) return;
    const status = fs.existsSync("/proc/self/status") ? fs.readFileSync("/proc/self/status", "utf8") : "";
    /** @param {string} field */
    const megabytes = (field) => {
      const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
      return kilobytes && Math.round(Number(kilobytes) / 1024);
    };
    const [anonymousMegabytes, mappedMegabytes] = [megabytes("RssAnon"), megabytes("RssFile")];
    const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1024);
    console.log(JSON.stringify({ tokens: 512, peakMegabytes, anonymousMegabytes, mappedMegabytes }));
  });
}

if (process.argv[2] === "--growth") {
  const steps = [100, 200, 300, 400, 500, 600];
  /** @type {number[]} */
  const residentMegabytes = [];
  await train(gpt2Tiny, new Array(32).fill(32), 600, (step) => {
    if (!steps.includes(step)) return;
    globalThis.gc?.();
    residentMegabytes.push(Math.round(process.memoryUsage().rss / 2 ** 20));
  });
  console.log(JSON.stringify({ steps, residentMegabytes }));
}

/**
 * @param {import("./gpt2-shape.js").Shape} shape @param {number[]} lengths @param {number} steps @param {(step: number)
 *   => void} after
 */
async function train(shape, lengths, steps, after) {
  const backbone = await Backbone.open(await gpt2ShapedDirectory(shape));
  const model = new BaseModel(backbone, { users: 64, items: 1000 });
  const { documents, tables } = documentsOf(model, lengths);
  for (let step = 1; step <= steps; step++) {
    await model.heldOutLoss(documents, tables);
    after(step);
  }
  await model.dispose();
  await backbone.dispose();
}
