#!/usr/bin/env node
// How quickly a trained model opens and answers: opening, the first answer, a warm single request against the forward
// pass alone, and many requests at once. Each opening is a process of its own, as a script or a server that starts has
// it.
//   node benchmarks/src/recommend.js MODEL [--repeats 9] [--json]
// MODEL is a model directory, e.g. of: cllm4rec finetune --data beauty --backbone DIR --minutes 0.3 --out MODEL
import { execFileSync } from "node:child_process";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { csrRow } from "@cllm4rec/corpus";
import { IndexRecommender, openEnsemble, openPredictor, openRecommender } from "@cllm4rec/recommend";
import { rowsAsTable } from "./table.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    repeats: { type: "string", default: "9" },
    opening: { type: "boolean", default: false },
  },
});
const [directory] = positionals;
if (directory === undefined) {
  console.error("usage: node benchmarks/src/recommend.js MODEL [--repeats 9] [--json]");
  process.exit(2);
}
const K = 10;
const cpuMilliseconds = () => process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000;

/** @param {number[]} numbers */
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** Wall and CPU milliseconds of some work. @param {() => Promise<unknown>} work */
async function cost(work) {
  const [wall, cpu] = [performance.now(), cpuMilliseconds()];
  await work();
  return { wall: performance.now() - wall, cpu: cpuMilliseconds() - cpu };
}

/** What one opening and one answer cost. @param {string} model */
async function openOnce(model) {
  /** @type {Awaited<ReturnType<typeof openRecommender>> | undefined} */
  let recommender;
  const open = await cost(async () => {
    recommender = await openRecommender(model);
  });
  const user = recommender?.users[0];
  const first = await cost(async () => recommender?.recommend({ user, k: K }));
  await recommender?.close();
  return { open, first };
}

if (values.opening) {
  console.log(JSON.stringify(await openOnce(directory)));
  process.exit();
}

const repeats = Number(values.repeats);
const openings = Array.from({ length: repeats }, () => {
  const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), directory, "--opening"]);
  /** @type {Awaited<ReturnType<typeof openOnce>>} */
  const one = JSON.parse(output.toString());
  return one;
});

const recommender = await openRecommender(directory);
const models = await openEnsemble([directory]);
const { predictor, dispose } = await openPredictor(models);
const bare = new IndexRecommender(predictor);
const histories = models[0].histories?.train;
if (!histories) throw new Error(`${directory}: the model holds no histories; train it again with this version`);
const users = Array.from(recommender.users.keys()).filter((user) => csrRow(histories, user).length > 0);

/** @type {{ request: number[], forward: number[], ratio: number[] }} */
const warm = { request: [], forward: [], ratio: [] };
for (let round = 0; round < 300; round++) {
  const history = Array.from(csrRow(histories, users[round % users.length] ?? 0));
  const raw = history.flatMap((item) => recommender.items[item] ?? []);
  const time = async (/** @type {() => Promise<unknown>} */ work) => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  const forward = () => bare.scores([{ history }]);
  const request = () => recommender.recommend({ history: raw, k: K });
  // The one that goes first finds other caches: they take turns.
  let [a, b] = [0, 0];
  if (round % 2 === 0) a = await time(forward);
  b = await time(request);
  if (round % 2 === 1) a = await time(forward);
  if (round < 50) continue;
  warm.forward.push(a);
  warm.request.push(b);
  warm.ratio.push(b / a);
}
const crowd = users.slice(0, 1024);
const started = performance.now();
await Promise.all(crowd.map((user) => recommender.recommend({ user: recommender.users[user], k: K })));
const perSecond = crowd.length / ((performance.now() - started) / 1000);
await recommender.close();
await dispose();

const result = {
  items: recommender.items.length,
  users: recommender.users.length,
  open: { wall: median(openings.map(({ open }) => open.wall)), cpu: median(openings.map(({ open }) => open.cpu)) },
  first: { wall: median(openings.map(({ first }) => first.wall)), cpu: median(openings.map(({ first }) => first.cpu)) },
  warm: { request: median(warm.request), forward: median(warm.forward), ratio: median(warm.ratio) },
  perSecond,
};
if (values.json) console.log(JSON.stringify(result));
else {
  const [cpu] = os.cpus();
  const head = [cpu?.model.trim(), `${os.availableParallelism()} cores`, `Node ${process.version}`];
  const { open, first, warm: one } = result;
  const fixed = (/** @type {number} */ value) => value.toFixed(1);
  console.log(
    `> ${directory}: ${result.users} users, ${result.items} items. ${head.join(", ")}; load ` +
      `${os.loadavg()[0]?.toFixed(1)}`,
  );
  console.log(
    rowsAsTable(
      ["", "ms", "CPU ms"],
      [
        ["opening", fixed(open.wall), fixed(open.cpu)],
        ["first answer after that", fixed(first.wall), fixed(first.cpu)],
        ["warm request, one user", one.request.toFixed(2), ""],
        ["the forward pass alone", one.forward.toFixed(2), ""],
      ],
    ),
  );
  console.log(
    `Request over forward pass: ${one.ratio.toFixed(2)}. ${crowd.length} users at once: ${perSecond.toFixed(0)} a ` +
      "second.",
  );
}
