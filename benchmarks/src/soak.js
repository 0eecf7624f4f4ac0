// Many requests to one server, with a new model every so often: no request is lost, and memory stays flat.
//   node benchmarks/src/soak.js [requests=100000] [connections=16]
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "@cllm4rec/server";
import { readModel, writeModel } from "@cllm4rec/training/model";
import autocannon from "autocannon";

const PARTS = 10;
const requests = Number(process.argv[2] ?? 100_000);
const connections = Number(process.argv[3] ?? 16);
const fixtures = fileURLToPath(new URL("../../packages/recommend/test/fixtures", import.meta.url));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-soak-"));
const model = path.join(folder, "model");
const original = await readModel(path.join(fixtures, "model"));
await writeModel(model, original);
const server = await serve({ model, port: 0, recommender: { backbone: path.join(fixtures, "backbone") } });

/** @type {number[]} */
const resident = [];
let [lost, answered] = [0, 0];
for (let part = 0; part < PARTS; part++) {
  const swapped = part % 2 === 1 ? swap(part) : Promise.resolve();
  const result = await autocannon({
    url: `${server.url}/recommend`,
    method: "POST",
    headers: { "content-type": "application/json" },
    // Histories, so that most of them are not in the cache of answers.
    requests: Array.from({ length: 60 }, (_, u) => ({
      body: JSON.stringify({ history: [`crime-${1 + (u % 20)}`, `garden-${1 + ((u * 7 + part) % 20)}`], k: 5 }),
    })),
    amount: Math.ceil(requests / PARTS),
    connections,
  });
  await swapped;
  lost += result.errors + result.timeouts + result.non2xx;
  answered += result["2xx"];
  resident.push(process.memoryUsage().rss / 1e6);
  console.log(`${answered} answered, ${lost} lost, ${resident.at(-1)?.toFixed(0)} MB`);
}
await server.close();
fs.rmSync(folder, { recursive: true });
// The first parts fill caches and pools.
const [middle = 0, end = 0] = [resident[PARTS / 2 - 1], resident[PARTS - 1]];
console.log(`memory: ${middle.toFixed(0)} MB at half, ${end.toFixed(0)} MB at the end`);
if (lost > 0 || end > 1.2 * middle) process.exitCode = 1;

/** A model with other scores takes the place of the one that answers, while requests come. @param {number} part */
async function swap(part) {
  const { collaborative } = original.tables;
  const data = collaborative.items.data.map((x) => x * (part % 4 === 1 ? -1 : 1));
  await writeModel(model, {
    ...original,
    tables: { collaborative: { ...collaborative, items: { ...collaborative.items, data } } },
  });
  await server.reload();
}
