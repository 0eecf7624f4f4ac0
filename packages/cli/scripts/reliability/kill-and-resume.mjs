// Kill −9 at random moments, and resume: the run ends with the bits of one that nobody killed, both stages.
// Build first; then: node packages/cli/scripts/reliability/kill-and-resume.mjs [RUNS] [KILLS A RUN] [SEED]
import fs from "node:fs";
import path from "node:path";
import { readModel } from "@cllm4rec/training/model";
import { Random } from "../shop/random.mjs";
import { cli, differing, TRAIN, workshop } from "./workshop.mjs";

const [runs, kills, seed] = [process.argv[2] ?? 5, process.argv[3] ?? 12, process.argv[4] ?? 1].map(Number);
const random = new Random(seed ?? 1);
const folder = await workshop("kill");
let failures = 0;
/** Where the kills fell, by the last that the process said. @type {Record<string, number>} */
const moments = {};
try {
  const reference = await cli(folder, [...TRAIN, "--out", "reference"]);
  if (reference.code !== 0) throw new Error(reference.stderr);
  console.log(`the run that nobody kills: ${reference.seconds.toFixed(1)} s`);
  for (let run = 0; run < (runs ?? 5); run++) {
    const out = `killed-${run}`;
    const args = [...TRAIN, "--out", out];
    let killed = 0;
    for (; killed < (kills ?? 12); killed++) {
      const { code, stderr } = await cli(folder, args, 1000 * reference.seconds * random.unit());
      if (code !== null) {
        if (code !== 0) throw new Error(`after ${killed} kills: ${stderr}`);
        break;
      }
      const [, stage = "before the first update"] = /.*^(pretrain|finetune): /ms.exec(stderr) ?? [];
      moments[stage] = (moments[stage] ?? 0) + 1;
      // Whatever moment it was, a model that is there is whole.
      if (fs.existsSync(path.join(folder, out, "embeddings.safetensors"))) await readModel(path.join(folder, out));
    }
    const last = await cli(folder, args);
    if (last.code !== 0) throw new Error(last.stderr);
    const other = differing(path.join(folder, "reference"), path.join(folder, out));
    const left = fs.readdirSync(path.join(folder, out), { recursive: true, encoding: "utf8" });
    const remains = left.filter((name) => /\.tmp$|(^|\/)lock\.json/.test(name));
    if (other.length > 0 || remains.length > 0) failures++;
    console.log(
      `run ${run}: ${killed} kills; other bits: ${other.join(", ") || "none"}; left behind: ` +
        `${remains.join(", ") || "nothing"}`,
    );
  }
  console.log(`kills by what was under way: ${JSON.stringify(moments)}; runs with other bits or remains: ${failures}`);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;
