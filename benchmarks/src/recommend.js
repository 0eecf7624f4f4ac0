#!/usr/bin/env node
// How quickly a trained model opens and answers: opening, the first answer, a warm single request against the forward pass alone, and many
// requests at once. Each opening is a process of its own, as a script or a server that starts has it.
//   node benchmarks/src/recommend.js MODEL [--repeats 9] [--json]
// MODEL is a model directory, e.g. of: cllm4rec finetune --data beauty --backbone DIR --minutes 0.3 --out MODEL
import { execFileSync } from "node:child_process";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
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

/** One opening and one answer: wall and CPU milliseconds. */
async function openOnce(/** @type {string} */ model) {
  const marks = [[performance.now(), cpuMilliseconds()]];
  const mark = () => marks.push([performance.now(), cpuMilliseconds()]);
  const recommender = await openRecommender(model);
  mark();
  await recommender.recommend({ user: recommender.users[0], k: K });
  mark();
  await recommender.close();
  const [open, first] = [1, 2].map((at) => ({
    wall: marks[at][0] - marks[at - 1][0],
    cpu: marks[at][1] - marks[at - 1][1],
  }));
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
const users = Array.from(recommender.users.keys()).filter((u) => histories.indptr[u + 1] > histories.indptr[u]);

/** @type {{ request: number[], forward: number[], ratio: number[] }} */
const warm = { request: [], forward: [], ratio: [] };
for (let round = 0; round < 300; round++) {
  const user = users[round % users.length];
  const history = Array.from(histories.indices.subarray(histories.indptr[user], histories.indptr[user + 1]));
  const raw = history.map((item) => recommender.items[item]);
  const time = async (/** @type {() => Promise<unknown>} */ work) => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  const forward = () => bare.scores([{ history }]);
  const request = () => recommender.recommend({ history: raw, k: K });
  // The one that goes first has warmer caches or colder ones: they take turns.
  const [a, b] =
    round % 2 === 0 ? [await time(forward), await time(request)] : [await time(request), await time(forward)].reverse();
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
    `> ${directory}: ${result.users} users, ${result.items} items. ${head.join(", ")}; load ${os.loadavg()[0].toFixed(1)}`,
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
    `Request over forward pass: ${one.ratio.toFixed(2)}. ${crowd.length} users at once: ${perSecond.toFixed(0)} a second.`,
  );
}
