// One planned run through the command line, as a user would start it: prepare, train up to each moment, evaluate, and what came of it as a record.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { DATASETS } from "./plan.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const CLI = path.join(root, "packages", "cli", "dist", "bin.js");
/** Work in progress: data sets, model directories. Runs go on in it when they are started again. */
const WORK = path.join(root, "runs");

/**
 * Trains a planned run to each of its moments, and evaluates it there.
 * @param {string} name
 * @param {import("./plan.js").Plan} plan
 * @param {{ shared: string, seed: number, until: number }} options `until`: moments after it are left out
 */
export async function measure(name, plan, { shared, seed, until }) {
  const data = await prepared(plan.dataset, shared);
  const backbone = backboneDirectory(plan.backbone, shared);
  const label = seed === 0 ? name : `${name}-seed${seed}`;
  const out = path.join(WORK, "models", label);
  const config = path.join(WORK, "configs", `${label}.json`);
  fs.mkdirSync(path.dirname(config), { recursive: true });
  fs.writeFileSync(config, JSON.stringify(plan.settings ?? {}));
  const train = [
    plan.command,
    "--config",
    config,
    "--data",
    data,
    "--backbone",
    backbone,
    "--out",
    out,
    "--report",
    "none",
  ];
  const moments = [];
  for (const minutes of plan.minutes.filter((moment) => moment <= until)) {
    await cllm4rec([...train, "--seed", `${seed}`, "--minutes", `${minutes}`, "--json"]);
    const test = JSON.parse(await cllm4rec(["evaluate", "--model", out, "--json"]));
    moments.push({ minutes, ...curveOf(out).at(-1), users: test.users, test: test.metrics, intervals: test.intervals });
  }
  const run = JSON.parse(fs.readFileSync(path.join(out, "run.json"), "utf8"));
  return {
    label,
    record: {
      name,
      seed,
      about: plan.about,
      group: plan.group,
      dataset: plan.dataset,
      backbone: plan.backbone,
      command: `cllm4rec ${plan.command} --data ${plan.dataset} --backbone ${plan.backbone} --config CONFIG --seed ${seed} --minutes ${moments.at(-1)?.minutes}`,
      config: plan.settings ?? {},
      date: new Date().toISOString().slice(0, 10),
      machine: `${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} of ${os.cpus().length} cores`,
      versions: run.versions,
      moments,
      curve: curveOf(out),
    },
  };
}

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
  const args = DATASETS[name].map((arg) => (arg.startsWith("data/") ? path.join(shared, arg) : arg));
  await cllm4rec(["prepare", ...args, "--out", out, "--json"]);
  return out;
}

/**
 * @param {import("./plan.js").Plan["backbone"]} name
 * @param {string} shared
 */
export function backboneDirectory(name, shared) {
  if (name !== "smollm2-135m") return path.join(shared, "models", name);
  // It travels quantised; its own script unpacks it once and says where.
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(shared, "models", "unpack.mjs")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`unpacking ${name} failed: ${stderr}`);
  return stdout.trim().split("\n").at(-1) ?? "";
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
