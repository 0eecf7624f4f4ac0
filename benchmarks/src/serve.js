#!/usr/bin/env node
// What a served model does under load: latency and users a second at 1, 16 and 64 connections, beside the forward pass
// alone and the same users in one offline call. The server is a process of its own; the clients share the machine with
// it.
//   node benchmarks/src/serve.js MODEL [--backbone DIR] [--seconds 10] [--soak 100000]
// MODEL is a model directory, e.g. of: cllm4rec finetune --data beauty --backbone DIR --minutes 0.3 --out MODEL
import { fork } from "node:child_process";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { csrRow } from "@cllm4rec/corpus";
import { IndexRecommender, openEnsemble, openPredictor, openRecommender } from "@cllm4rec/recommend";
import { serve } from "@cllm4rec/server";
import autocannon from "autocannon";
import { rowsAsTable } from "./table.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backbone: { type: "string" },
    seconds: { type: "string", default: "10" },
    /** Requests whose memory is watched; none where absent. */
    soak: { type: "string" },
    server: { type: "boolean", default: false },
    cache: { type: "boolean", default: false },
  },
});
const [directory] = positionals;
if (directory === undefined) {
  console.error("usage: node benchmarks/src/serve.js MODEL [--backbone DIR] [--seconds 10] [--soak 100000]");
  process.exit(2);
}
const model = directory;
const K = 10;
/** Users of one connection. */
const SHARE = 32;
const opening = values.backbone === undefined ? {} : { backbone: values.backbone };

if (values.server) {
  const server = await serve({ model, port: 0, recommender: opening, ...(!values.cache && { cacheSize: 0 }) });
  process.once("SIGTERM", () => server.close().then(() => process.exit()));
  process.send?.({ url: server.url });
  process.once("disconnect", () => process.exit());
} else await measure();

/** @param {number[]} numbers @param {number} share */
function quantile(numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/**
 * A server of its own, for as long as `work` takes.
 * @param {string[]} flags
 * @param {(url: string) => Promise<void>} work
 */
async function served(flags, work) {
  const args = [model, "--server", ...flags, ...(values.backbone === undefined ? [] : ["--backbone", values.backbone])];
  const child = fork(fileURLToPath(import.meta.url), args);
  /** @type {string} */
  const url = await new Promise((resolve, reject) => {
    child.once("message", (/** @type {{ url: string }} */ message) => resolve(message.url));
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  await work(url);
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("exit", resolve));
}

/**
 * Load on /recommend, a user a request.
 * @param {string} url
 * @param {readonly string[]} users
 * @param {{ connections: number, duration?: number, amount?: number }} load
 */
async function fire(url, users, load) {
  /** @type {number[]} */
  const times = [];
  const requests = users.map((user) => ({
    method: /** @type {const} */ ("POST"),
    path: "/recommend",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user, k: K }),
  }));
  // Each connection has users of its own, few of them: autocannon prepares all requests of a connection before the
  // first one.
  let connection = 0;
  const instance = autocannon({
    url,
    ...load,
    requests: requests.slice(0, SHARE),
    setupClient(client) {
      const from = (connection++ * SHARE) % requests.length;
      client.setRequests(requests.slice(from, from + SHARE));
      client.on("response", (_status, _bytes, time) => times.push(time));
    },
  });
  const result = await instance;
  const { errors, timeouts, non2xx } = result;
  const lost = errors + timeouts + non2xx;
  if (lost > 0) console.error(`lost: ${errors} errors, ${timeouts} of them timeouts, ${non2xx} other than 2xx`);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), perSecond: times.length / result.duration, lost };
}

/** @param {string} url */
async function residentMiB(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) / 2 ** 20;
}

async function measure() {
  const models = await openEnsemble([model]);
  const histories = models[0].histories?.train;
  if (!histories) throw new Error(`${model}: the model holds no histories; train it again with this version`);
  const recommender = await openRecommender(model, opening);
  const rows = Array.from(recommender.users.keys()).filter((user) => csrRow(histories, user).length > 0);
  const users = rows.slice(0, 2048).flatMap((row) => recommender.users[row] ?? []);

  const { predictor, dispose } = await openPredictor(models, opening);
  const bare = new IndexRecommender(predictor);
  /** @type {number[]} */
  const forward = [];
  for (let round = 0; round < 250; round++) {
    const history = Array.from(csrRow(histories, rows[round % rows.length] ?? 0));
    const started = performance.now();
    await bare.scores([{ history }]);
    if (round >= 50) forward.push(performance.now() - started);
  }
  await dispose();
  const offline = async () => {
    const crowd = users.slice(0, 1024);
    const started = performance.now();
    await Promise.all(crowd.map((user) => recommender.recommend({ user, k: K })));
    return crowd.length / ((performance.now() - started) / 1000);
  };
  await offline();
  const batch = quantile([await offline(), await offline(), await offline()], 0.5);
  const { users: U, items: J } = { users: recommender.users.length, items: recommender.items.length };
  await recommender.close();

  const [cpu] = os.cpus();
  const head = [cpu?.model.trim(), `${os.availableParallelism()} cores`, `Node ${process.version}`];
  console.log(`> ${model}: ${U} users, ${J} items. ${head.join(", ")}; load ${os.loadavg()[0]?.toFixed(1)}`);
  console.log(
    `The forward pass alone: ${quantile(forward, 0.5).toFixed(2)} ms. Offline batches: ${batch.toFixed(0)} users a ` +
      "second.",
  );
  /** @type {string[][]} */
  const table = [];
  for (const cache of [false, true]) {
    await served(cache ? ["--cache"] : [], async (url) => {
      await fire(url, users, { connections: 64, duration: 3 });
      for (const connections of [1, 16, 64]) {
        const { p50, p99, perSecond, lost } = await fire(url, users, { connections, duration: Number(values.seconds) });
        table.push([
          cache ? "from the cache" : "computed",
          String(connections),
          p50.toFixed(2),
          p99.toFixed(2),
          perSecond.toFixed(0),
          cache ? "" : (perSecond / batch).toFixed(2),
          String(lost),
        ]);
      }
    });
  }
  console.log(rowsAsTable(["answers", "connections", "p50 ms", "p99 ms", "users/s", "of offline", "lost"], table));
  if (values.soak === undefined) return;
  const amount = Number(values.soak);
  await served(["--cache"], async (url) => {
    /** @type {string[]} */
    const marks = [];
    for (let tenth = 1; tenth <= 10; tenth++) {
      await fire(url, users, { connections: 16, amount: amount / 10 });
      marks.push((await residentMiB(url)).toFixed(0));
    }
    console.log(`Resident MiB after each tenth of ${amount} requests: ${marks.join(", ")}`);
  });
}
