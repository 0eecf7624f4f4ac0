// Multi-VAE, the example of @cllm4rec/training, on a prepared dataset: trained with the best model by validation, then
// measured on test.
//   node scripts/multi-vae-beauty.mjs --data DIR --out DIR [--hidden 200] [--latent 100] [--dropout 0.5] [--beta 0.1]
// [--epochs 60] [--no-test]
// DIR: cllm4rec prepare --input ../shared/data/amazon-beauty-cllm4rec --out DIR. The same command again resumes.
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { csrRow, Dataset } from "@cllm4rec/corpus";
import { itemLists, RankingEvaluator } from "@cllm4rec/eval";
import { onnxRuntime } from "@cllm4rec/onnx-grad";
import { bestCheckpoint, checkpointFile, jsonLinesLog, train } from "@cllm4rec/training";
import { multiVae } from "../../training/examples/multi-vae/graph.mjs";
import { vaeParameters, vaeScores, vaeTask } from "../../training/examples/multi-vae/task.mjs";

const { values: flags } = parseArgs({
  options: {
    data: { type: "string" },
    out: { type: "string" },
    hidden: { type: "string", default: "200" },
    latent: { type: "string", default: "100" },
    dropout: { type: "string", default: "0.5" },
    beta: { type: "string", default: "0.1" },
    anneal: { type: "string", default: "1000" },
    rate: { type: "string", default: "2e-3" },
    batch: { type: "string", default: "256" },
    epochs: { type: "string", default: "60" },
    every: { type: "string", default: "2" },
    patience: { type: "string", default: "4" },
    average: { type: "string", default: "0" },
    seed: { type: "string", default: "0" },
    "no-test": { type: "boolean", default: false },
  },
});
if (!flags.data || !flags.out) throw new Error("--data and --out are needed: a prepared dataset, and a folder");
const number = (/** @type {string} */ text) => Number(text);
const dataset = await Dataset.open(flags.data);
const [history, validation] = [await dataset.interactions("train"), await dataset.interactions("validation")];
const sizes = { items: dataset.items, hidden: number(flags.hidden), latent: number(flags.latent) };
const settings = {
  ...sizes,
  dropout: number(flags.dropout),
  beta: number(flags.beta),
  anneal: number(flags.anneal),
  learningRate: number(flags.rate),
  batch: number(flags.batch),
  average: number(flags.average),
  seed: number(flags.seed),
};
const engine = onnxRuntime();
const [training, serving] = [
  await engine.load(multiVae(sizes, { training: true })),
  await engine.load(multiVae(sizes)),
];
const averageDecay = settings.average > 0 ? settings.average : undefined;
const parameters = vaeParameters(sizes, { seed: settings.seed, averageDecay });
/** @param {import("@cllm4rec/training").Values} values @param {typeof history} heldOut */
async function measure(values, heldOut) {
  const evaluator = new RankingEvaluator({ items: sizes.items });
  const wanted = Array.from({ length: dataset.users }, (_, user) => user).filter(
    (user) => csrRow(heldOut, user).length > 0,
  );
  for (let from = 0; from < wanted.length; from += 512) {
    const users = wanted.slice(from, from + 512);
    const rows = users.map((user) => csrRow(history, user));
    evaluator.addScores({
      scores: await vaeScores(serving, values, rows, sizes.items),
      heldOut: itemLists(users.map((user) => csrRow(heldOut, user))),
      masked: itemLists(rows),
      users,
    });
  }
  return evaluator.result();
}

const begun = performance.now();
const log = jsonLinesLog(path.join(flags.out, "events.jsonl"));
const result = await train({
  stage: "multi-vae",
  parameters,
  tasks: {
    users: vaeTask({
      ...settings,
      session: training,
      parameters,
      histories: (/** @type {number} */ user) => csrRow(history, user),
      users: dataset.users,
      sizes,
    }),
  },
  rounds: (round) => (round < number(flags.epochs) ? { phase: "training", segments: [{ task: "users" }] } : undefined),
  seed: settings.seed,
  settings,
  validation: {
    due: (round) => (round + 1) % number(flags.every) === 0,
    measure: async (values) => {
      const { metrics, users } = await measure(values, validation);
      return { metrics, users };
    },
    select: (metrics) => Object.values(metrics).reduce((sum, value) => sum + value, 0),
    patience: number(flags.patience),
    keep: bestCheckpoint(checkpointFile(path.join(flags.out, "best.safetensors"))),
  },
  store: checkpointFile(path.join(flags.out, "state.safetensors")),
  onEvent(event) {
    log.write(event);
    if (event.type !== "validation") return;
    const metrics = Object.entries(event.metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    console.log(
      `${((performance.now() - begun) / 1000).toFixed(0)} s, epoch ${event.round + 1}: ${metrics.join(", ")}`,
    );
  },
});
const { best, values, updates } = result;
console.log(JSON.stringify({ settings, updates, best }));
if (!flags["no-test"]) {
  const { metrics, users } = await measure(values, await dataset.interactions("test"));
  const machine =
    `${os.cpus()[0]?.model}, ${os.availableParallelism()} cores, ` + `${new Date().toISOString().slice(0, 10)}`;
  console.log(JSON.stringify({ split: "test", users, metrics, machine }));
}
log.close();
dataset.close();
await engine.dispose();
