#!/usr/bin/env node
// npm run results: the quality of models on real data, as records in docs/results/ and as the tables and plots of
// docs/results.md.
//   npm run results -- list                       what can be run
//   npm run results -- run NAME... [--seeds 0,1,2] [--until MINUTES] [--jobs N]
//   npm run results -- ensemble NAME [--members N]   the models of its first seeds together: averaged logits, averaged
//                                                    embeddings
//   npm run results -- compare                       Musical Instruments: methods user by user, over all seeds
//   npm run results -- baselines                  simple recommenders, EASE with the items' texts included
//   npm run results -- cold [--model DIR --name NAME]   recommendations of cold items: simple recommenders, or a model
//   trained on the same data npm run results -- cost                       seconds of an epoch against the floor
//   npm run results -- document                   tables and plots from the records
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fileNameOf, measureColdBaselines, measureColdModel } from "./cold.js";
import { writeDocument } from "./document.js";
import { BASELINES, RUNS } from "./plan.js";
import { compareAll, measure, measureBaselines, measureTogether, ready } from "./run.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const RECORDS = path.join(root, "docs", "results");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "0" },
    jobs: { type: "string", default: "1" },
    members: { type: "string", default: "8" },
    repeats: { type: "string", default: "3" },
    model: { type: "string" },
    name: { type: "string" },
    trials: { type: "string", default: "10" },
    until: { type: "string", default: "1000" },
    shared: { type: "string", default: path.join(root, "..", "shared") },
  },
});
const [command, ...names] = positionals;
const unknown = names.find((name) => !(name in RUNS));
if (unknown !== undefined) fail(`${unknown}: no such run; \`list\` names them`);
const seeds = values.seeds.split(",").map(Number);
if (command === "list") {
  for (const [name, { about, minutes }] of Object.entries(RUNS))
    console.log(`${name.padEnd(36)} ${minutes.join(", ")} min  ${about}`);
} else if (command === "run" && names.length > 0) {
  if (!fs.existsSync(values.shared))
    fail(`${values.shared}: the development data is not there; name its folder with --shared`);
  const jobs = Number(values.jobs);
  const options = {
    shared: values.shared,
    until: Number(values.until),
    threads: Math.max(1, Math.floor(os.availableParallelism() / jobs)),
  };
  const work = names.flatMap((name) => seeds.map((seed) => ({ name, seed })));
  // Data sets and language models are made ready once, before runs that need the same ones begin side by side.
  for (const name of names) await ready(plan(name), values.shared);
  const worker = async () => {
    for (let next = work.shift(); next; next = work.shift()) {
      const { name, seed } = next;
      write(await measure(name, plan(name), { ...options, seed }));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
} else if (command === "ensemble" && names.length === 1 && names[0] !== undefined) {
  const threads = os.availableParallelism();
  for (const way of /** @type {const} */ (["ensemble", "merged"]))
    write(await measureTogether(names[0], plan(names[0]), way, { members: Number(values.members), threads }));
} else if (command === "compare") {
  const methods = Object.entries(RUNS).filter(([, { group }]) => group === "instruments");
  const record = await compareAll(methods, "instruments", { shared: values.shared, seeds });
  writeJson("instruments.compared.json", record);
} else if (command === "baselines") {
  for (const dataset of /** @type {(keyof typeof BASELINES)[]} */ (Object.keys(BASELINES)))
    writeJson(`${dataset}.baselines.json`, await measureBaselines(dataset, values.shared));
} else if (command === "cold") {
  const { model, name, shared, trials } = values;
  if (model === undefined) writeJson("beauty.cold.json", await measureColdBaselines(shared, Number(trials)));
  else writeJson(`${fileNameOf(name ?? path.basename(model))}.cold.json`, await measureColdModel(model, name, shared));
} else if (command === "cost") {
  const { epochCosts } = await import("./cost.js");
  const record = await epochCosts({ shared: values.shared, repeats: Number(values.repeats) });
  writeJson("epoch.cost.json", record);
} else if (command === "document") {
  writeDocument(RECORDS, path.join(root, "docs", "results.md"));
} else {
  fail("list, run NAME..., ensemble NAME, compare, baselines, cold, cost or document is expected");
}

/** @param {string} name @returns {import("./plan.js").Plan} */
function plan(name) {
  return RUNS[name] ?? fail(`${name}: no such run`);
}

/** @param {{ label: string, record: object }} measured */
function write({ label, record }) {
  writeJson(`${label}.json`, record);
}

/**
 * @param {string} name
 * @param {object} record
 */
function writeJson(name, record) {
  fs.mkdirSync(RECORDS, { recursive: true });
  fs.writeFileSync(path.join(RECORDS, name), `${oneLineACurvePoint(record)}\n`);
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}

/**
 * JSON with a line for each point of the curve and each moment, so that differences between versions can be read.
 * @param {object} record
 */
function oneLineACurvePoint(record) {
  const lines = Object.entries(record).map(([key, value]) => {
    const text = Array.isArray(value)
      ? `[\n${value.map((one) => `    ${JSON.stringify(one)}`).join(",\n")}\n  ]`
      : JSON.stringify(value);
    return `  ${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${lines.join(",\n")}\n}`;
}
