#!/usr/bin/env node
// Sends fuzzed requests to a server with the bookshop's model, 32 at a time; prints how many of each status there were,
// and every 500.
//   node packages/server/scripts/fuzz.mjs [requests=100000] [seed=1]
import path from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "@cllm4rec/server";
import fc from "fast-check";
import { fuzzedRequest, isFine } from "./fuzzed-request.mjs";

const fixtures = fileURLToPath(new URL("../../recommend/test/fixtures", import.meta.url));
const requests = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? 1);
const server = await serve({
  model: path.join(fixtures, "model"),
  port: 0,
  recommender: { backbone: path.join(fixtures, "backbone") },
});
/** @type {Map<number, number>} */
const counts = new Map();
let wrong = 0;
let resident = 0;
for (let done = 0; done < requests; ) {
  const batch = fc.sample(fuzzedRequest(fc), { seed: seed + done, numRuns: Math.min(32, requests - done) });
  await Promise.all(
    batch.map(async ({ route, ...init }) => {
      const response = await fetch(`${server.url}${route}`, init);
      const problem = await isFine(response);
      counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
      if (problem === "fine") return;
      wrong++;
      console.error(JSON.stringify({ route, init }), problem);
    }),
  );
  done += batch.length;
  if (resident === 0 && done >= requests / 4) resident = process.memoryUsage.rss();
}
const mebibytes = (/** @type {number} */ bytes) => (bytes / 2 ** 20).toFixed(0);
console.log(`${requests} requests, seed ${seed}; ${wrong} wrong answers`);
console.log(JSON.stringify(Object.fromEntries([...counts].sort(([a], [b]) => a - b))));
console.log(
  `resident memory after a quarter ${mebibytes(resident)} MiB, at the end ${mebibytes(process.memoryUsage.rss())} MiB`,
);
await server.close();
process.exit(wrong > 0 ? 1 : 0);
