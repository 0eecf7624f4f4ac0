// One planned run through the command line, as a user would start it: prepare, train up to each moment, evaluate, and
// what came of it as a record.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import { initialLanguageModel } from "@cllm4rec/training/language-model";
import { BASELINES, DATASETS, RUNS } from "./plan.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const CLI = path.join(root, "packages", "cli", "dist", "bin.js");
/** Work in progress: data sets, model directories. Runs resume in it. */
const WORK = path.join(root, "runs");

/** Where a run's model lies, by its name and seed. */
const modelOf = (/** @type {string} */ label) => path.join(WORK, "models", label);
/** Where every user's values lie, by the same name. */
const valuesOf = (/** @type {string} */ label) => path.join(WORK, "values", `${label}.json`);
/** The name of a run with its seed. */
const labelled = (/** @type {string} */ name, /** @type {number} */ seed) =>
  seed === 0 ? name : `${name}-seed${seed}`;

/**
 * Trains a planned run to each of its moments, and evaluates it there.
 * @param {string} name
 * @param {import("./plan.js").Plan} plan
 * @param {{ shared: string, seed: number, until: number, threads: number }} options `until`: moments after it are left
 *   out
 */
export async function measure(name, plan, { shared, seed, until, threads }) {
  const data = await prepared(plan.dataset, shared);
  const backbone = await backboneDirectory(plan.backbone, shared);
  const label = labelled(name, seed);
  const out = modelOf(label);
  const config = path.join(WORK, "configs", `${label}.json`);
  fs.mkdirSync(path.dirname(config), { recursive: true });
  fs.writeFileSync(config, JSON.stringify(plan.settings ?? {}));
  const common = ["--threads", `${threads}`, "--json"];
  const train = [
    ...[plan.command, "--config", config, "--data", data, "--backbone", backbone, "--out", out],
    ...["--report", "none", "--seed", `${seed}`, ...common],
  ];
  const moments = [];
  for (const minutes of plan.minutes.filter((moment) => moment <= until)) {
    await cllm4rec([...train, "--minutes", `${minutes}`]);
    const test = JSON.parse(await cllm4rec(["evaluate", "--model", out, "--per-user", valuesOf(label), ...common]));
    const alone =
      test.members.length > 1
        ? tested(JSON.parse(await cllm4rec(["evaluate", "--model", out, "--no-blend", ...common])))
        : undefined;
    moments.push({ minutes, ...curveOf(out).at(-1), ...tested(test), ...(alone && { alone }) });
  }
  const run = JSON.parse(fs.readFileSync(path.join(out, "run.json"), "utf8"));
  return {
    label,
    record: {
      ...{ name, seed, about: plan.about, group: plan.group, dataset: plan.dataset, backbone: plan.backbone },
      command:
        `cllm4rec ${plan.command} --data ${plan.dataset} --backbone ${plan.backbone} --config CONFIG --seed ` +
        `${seed} --minutes ${moments.at(-1)?.minutes}`,
      config: plan.settings ?? {},
      ...circumstances(threads),
      versions: run.versions,
      moments,
      curve: curveOf(out),
    },
  };
}

/**
 * Makes ready what a run needs.
 * @param {import("./plan.js").Plan} plan
 * @param {string} shared
 */
export async function ready({ dataset, backbone }, shared) {
  await prepared(dataset, shared);
  await backboneDirectory(backbone, shared);
}

/** How models answer together: their logits are averaged, or their embeddings. */
const TOGETHER = /** @type {const} */ ({ ensemble: "averaged logits", merged: "averaged embeddings, one model" });

/**
 * The models of a run with seeds 0 to n − 1 as ensembles of the first one, two, four … of them, or merged into one.
 * @param {string} name
 * @param {import("./plan.js").Plan} plan
 * @param {keyof typeof TOGETHER} way
 * @param {{ members: number, threads: number }} options
 */
export async function measureTogether(name, plan, way, { members, threads }) {
  const models = Array.from({ length: members }, (_, seed) => modelOf(labelled(name, seed)));
  const moments = [];
  for (let size = 2; size <= members; size = size === members ? size + 1 : Math.min(2 * size, members)) {
    const some = models.slice(0, size);
    const seconds = some.reduce((sum, model) => sum + (curveOf(model).at(-1)?.seconds ?? 0), 0);
    const answering = way === "merged" ? [await mergedModel(`${name}-merged-${size}`, some)] : some;
    const args = ["evaluate", "--model", ...answering, "--threads", `${threads}`, "--json"];
    moments.push({ members: size, seconds, ...tested(JSON.parse(await cllm4rec(args))) });
  }
  return {
    label: `${name}-${way}`,
    record: {
      ...{ name: `${name}-${way}`, seed: 0, about: `${plan.about}: ${TOGETHER[way]}` },
      ...{ group: "ensemble", dataset: plan.dataset, backbone: plan.backbone },
      command: `cllm4rec ${way === "merged" ? "merge" : "evaluate"} --model ${name} ${name}-seed1 …`,
      config: plan.settings ?? {},
      ...circumstances(threads),
      moments,
      curve: [],
    },
  };
}

/**
 * @param {string} label
 * @param {readonly string[]} models
 * @returns the new model's directory
 */
async function mergedModel(label, models) {
  const out = modelOf(label);
  fs.rmSync(out, { recursive: true, force: true });
  await cllm4rec(["merge", "--model", ...models, "--out", out, "--json"]);
  return out;
}

/**
 * Runs against what they are planned to be compared with and against simple recommenders, user by user, over all seeds.
 * Runs that were not made are left out.
 * @param {readonly (readonly [name: string, plan: import("./plan.js").Plan])[]} runs on one data set
 * @param {keyof typeof DATASETS} dataset
 * @param {{ shared: string, seeds: readonly number[] }} options
 */
export async function compareAll(runs, dataset, { shared, seeds }) {
  const folder = path.join(WORK, "values", `${dataset}-baselines`);
  await cllm4rec(["baselines", "--data", await prepared(dataset, shared), "--per-user", folder, "--json"]);
  const baselines = fs
    .readdirSync(folder)
    .sort()
    .map((file) => ({ called: path.basename(file, ".json"), files: [path.join(folder, file)] }));
  const comparisons = [];
  for (const [name, { about, against }] of runs) {
    if (against === undefined) continue;
    const filesOf = (/** @type {string} */ run) => seeds.map((seed) => valuesOf(labelled(run, seed)));
    const [candidate, other] = [filesOf(name), filesOf(against)];
    if (![...candidate, ...other].every((file) => fs.existsSync(file))) continue;
    for (const baseline of [{ called: RUNS[against]?.about ?? against, files: other }, ...baselines]) {
      const args = ["compare", "--candidate", ...candidate, "--baseline", ...baseline.files, "--json"];
      const { users, metrics } = JSON.parse(await cllm4rec(args));
      comparisons.push({ candidate: about, baseline: baseline.called, users, seeds: seeds.length, metrics });
    }
  }
  return { dataset, date: new Date().toISOString().slice(0, 10), comparisons };
}

/**
 * @param {{ users: number, metrics: Record<string, number>, intervals: Record<string, [number, number]> }} evaluation
 */
const tested = ({ users, metrics, intervals }) => ({ users, test: metrics, intervals });

/** When and on what something was measured. @param {number} threads */
export const circumstances = (threads) => ({
  date: new Date().toISOString().slice(0, 10),
  machine: `${os.cpus()[0]?.model.trim()}, ${threads} of ${os.cpus().length} cores`,
});

/**
 * Validation metrics over the time of training and validating, from a run's events.
 * @param {string} out
 */
export function curveOf(out) {
  let milliseconds = 0;
  let loss = 0;
  const curve = [];
  for (const line of fs.readFileSync(path.join(out, "events.jsonl"), "utf8").trimEnd().split("\n")) {
    const event = JSON.parse(line);
    if (event.type === "step" || event.type === "validation") milliseconds += event.milliseconds;
    if (event.type === "round") loss = event.languageModel["rec-step"] ?? loss;
    if (event.type !== "validation") continue;
    const metrics = Object.fromEntries(Object.entries(event.metrics).map(([key, value]) => [key, rounded(value)]));
    curve.push({
      seconds: Math.round(milliseconds / 1000),
      epoch: event.round + 1,
      loss: rounded(loss),
      validation: metrics,
    });
  }
  return curve;
}

/** @param {number} value */
const rounded = (value) => Math.round(value * 1e5) / 1e5;

/**
 * @param {keyof typeof DATASETS} name
 * @param {string} shared
 */
export async function prepared(name, shared) {
  const out = path.join(WORK, "data", name);
  if (fs.existsSync(path.join(out, "manifest.json"))) return out;
  const args = DATASETS[name].map((arg) => {
    if (arg === "joined:beauty") return joinedMetadata(path.join(shared, "data", "amazon-beauty-cllm4rec"));
    return arg.startsWith("data/") ? path.join(shared, arg) : arg;
  });
  await cllm4rec(["prepare", ...args, "--out", out, "--json"]);
  return out;
}

/**
 * One metadata file of Beauty's tags (as text) and title words (as title), which lie in two.
 * @param {string} folder
 */
function joinedMetadata(folder) {
  const lines = (/** @type {string} */ text) => text.split("\n").filter((line) => line !== "");
  const described = zlib.gunzipSync(fs.readFileSync(path.join(folder, "items.jsonl.gz"))).toString("utf8");
  const words = new Map(
    lines(described)
      .map((line) => JSON.parse(line))
      .map(({ item, words }) => [item, words]),
  );
  const joined = lines(fs.readFileSync(path.join(folder, "item_text.jsonl"), "utf8")).map((line) => {
    const { item, text } = JSON.parse(line);
    return JSON.stringify({ item, title: words.get(item) ?? null, text });
  });
  const file = path.join(WORK, "data", "beauty-titles.jsonl");
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${joined.join("\n")}\n`);
  return file;
}

/**
 * Simple recommenders on a dataset, as `cllm4rec baselines` measures them.
 * @param {keyof typeof BASELINES} dataset
 * @param {string} shared
 */
export async function measureBaselines(dataset, shared) {
  const data = await prepared(dataset, shared);
  const { users, baselines } = JSON.parse(await cllm4rec(["baselines", "--data", data, "--json"]));
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${os.cpus()[0]?.model ?? "unknown CPU"}, ${os.availableParallelism()} cores`;
  return {
    dataset,
    reads: BASELINES[dataset],
    command: `cllm4rec baselines --data ${dataset}`,
    date,
    machine,
    users,
    baselines,
  };
}

/**
 * @param {import("./plan.js").Plan["backbone"]} name
 * @param {string} shared
 * @returns {Promise<string>}
 */
export async function backboneDirectory(name, shared) {
  if (name.endsWith("-random")) return randomTwin(path.join(shared, "models", name.slice(0, -"-random".length)), name);
  if (name !== "smollm2-135m") return path.join(shared, "models", name);
  // It travels quantised; its own script unpacks it once and says where.
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(shared, "models", "unpack.mjs")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`unpacking ${name} failed: ${stderr}`);
  return stdout.trim().split("\n").at(-1) ?? "";
}

/**
 * The same architecture and tokenizer with weights that have learned nothing.
 * @param {string} original
 * @param {string} name
 */
async function randomTwin(original, name) {
  const out = path.join(WORK, "backbones", name);
  if (fs.existsSync(path.join(out, "config.json"))) return out;
  const config = JSON.parse(fs.readFileSync(path.join(original, "config.json"), "utf8"));
  const model = initialLanguageModel(config, { seed: 0 });
  fs.mkdirSync(out, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
    fs.copyFileSync(path.join(original, file), path.join(out, file));
  }
  await model.save(out);
  await model.dispose();
  return out;
}

/**
 * Runs the command and shows its progress.
 * @param {string[]} args
 * @returns {Promise<string>} what it printed
 */
export function cllm4rec(args) {
  process.stderr.write(`$ cllm4rec ${args.join(" ")}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(stdout) : reject(new Error(`cllm4rec ${args[0]} ended with ${code}`)),
    );
  });
}
