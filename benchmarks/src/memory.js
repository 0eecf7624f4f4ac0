// Peak memory of a training step, in a process of its own: what is mapped from the checkpoint, what the step itself holds.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { gpt2ShapedDirectory } from "./gpt2-shape.js";
import { stepCase } from "./step.js";

/** @returns {Promise<{ tokens: number; peakMegabytes: number; anonymousMegabytes?: number; mappedMegabytes?: number }>} */
export async function measureMemory() {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--measure"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) throw new Error(`measuring memory failed (exit code ${child.status})`);
  return JSON.parse(child.stdout);
}

if (process.argv[2] === "--measure") {
  const backbone = await Backbone.open(await gpt2ShapedDirectory());
  const model = new BaseModel(backbone, { users: 64, items: 1000 });
  const none = { measure: async () => 1 };
  await stepCase({ name: "memory", lengths: [128, 128, 128, 128], backward: true, model, ceiling: none, repeats: 5 });
  const status = fs.existsSync("/proc/self/status") ? fs.readFileSync("/proc/self/status", "utf8") : "";
  /** @param {string} field */
  const megabytes = (field) => {
    const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
    return kilobytes && Math.round(Number(kilobytes) / 1024);
  };
  const [anonymousMegabytes, mappedMegabytes] = [megabytes("RssAnon"), megabytes("RssFile")];
  const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ tokens: 512, peakMegabytes, anonymousMegabytes, mappedMegabytes }));
  await model.dispose();
  await backbone.dispose();
}
