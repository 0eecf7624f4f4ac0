#!/usr/bin/env node
// npm run results: the quality of models on real data, as records in docs/results/ and as the tables and plots of docs/results.md.
//   npm run results -- list                       what can be run
//   npm run results -- run NAME... [--seed N] [--until MINUTES]
//   npm run results -- cost                       seconds of an epoch against the floor
//   npm run results -- document                   tables and plots from the records
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeDocument } from "./document.js";
import { RUNS } from "./plan.js";
import { measure } from "./run.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const RECORDS = path.join(root, "docs", "results");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "0" },
    repeats: { type: "string", default: "3" },
    until: { type: "string", default: "1000" },
    shared: { type: "string", default: path.join(root, "..", "shared") },
  },
});
const [command, ...names] = positionals;
if (command === "list") {
  for (const [name, { about, minutes }] of Object.entries(RUNS))
    console.log(`${name.padEnd(36)} ${minutes.join(", ")} min  ${about}`);
} else if (command === "run" && names.length > 0) {
  const unknown = names.find((name) => !(name in RUNS));
  if (unknown !== undefined) fail(`${unknown}: no such run; \`list\` names them`);
  if (!fs.existsSync(values.shared))
    fail(`${values.shared}: the development data is not there; name its folder with --shared`);
  for (const name of names) {
    const plan = RUNS[name];
    if (!plan) continue;
    const { label, record } = await measure(name, plan, {
      shared: values.shared,
      seed: Number(values.seed),
      until: Number(values.until),
    });
    fs.mkdirSync(RECORDS, { recursive: true });
    fs.writeFileSync(path.join(RECORDS, `${label}.json`), `${oneLineACurvePoint(record)}\n`);
  }
} else if (command === "cost") {
  const { epochCosts } = await import("./cost.js");
  console.log(JSON.stringify(await epochCosts({ shared: values.shared, repeats: Number(values.repeats) }), null, 1));
} else if (command === "document") {
  writeDocument(RECORDS, path.join(root, "docs", "results.md"));
} else {
  fail("list, run NAME... or document is expected");
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}

/** JSON with a line for each point of the curve and each moment, so that differences between versions can be read. @param {object} record */
function oneLineACurvePoint(record) {
  const lines = Object.entries(record).map(([key, value]) => {
    const text = Array.isArray(value)
      ? `[\n${value.map((one) => `    ${JSON.stringify(one)}`).join(",\n")}\n  ]`
      : JSON.stringify(value);
    return `  ${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${lines.join(",\n")}\n}`;
}
