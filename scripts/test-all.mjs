#!/usr/bin/env node
// Everything `npm test` checks, part by part, each to its end; then one table and, alone on the last line, the sum.
//   node scripts/test-all.mjs [turbo options] [-- vitest options]      (by way of `npm test --`, which installs first)
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { environment, interrupted, run } from "./lib/run.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const report = "node_modules/.cache/vitest-report.json";
const node = process.execPath;
const at = (/** @type {string} */ file) => path.join(root, "node_modules", file);

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 * @typedef {{ name: string, what: string, execute: () => Promise<number>, count?: (status: number) => Counts }} Part
 *   A part without `count` is one check: it passes or fails as a whole.
 */

// Turbo makes the programs below it write colours into files and pipes; a log is better without.
if (!process.stdout.isTTY && environment.FORCE_COLOR === undefined) environment.NO_COLOR = "1";

const plain = process.stdout.isTTY || environment.FORCE_COLOR !== undefined ? [] : ["--colors=off"];

const args = process.argv.slice(2);
const dashes = args.indexOf("--");
const turboArgs = dashes < 0 ? args : args.slice(0, dashes);
const vitestArgs = dashes < 0 ? [] : args.slice(dashes + 1);
const isPartial = args.length > 0;

const reports = () =>
  ["packages", "tooling"]
    .flatMap((parent) => fs.readdirSync(path.join(root, parent)).map((name) => path.join(root, parent, name, report)))
    .concat(path.join(root, "benchmarks", report))
    .filter((file) => fs.existsSync(file));

/** Sums vitest's reports; a test file that failed before its first test counts as one failure. */
function countVitest(/** @type {number} */ status) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const file of reports()) {
    const { success, testResults } = JSON.parse(fs.readFileSync(file, "utf8"));
    const before = sum.failed;
    for (const { status: ofFile, assertionResults } of testResults) {
      const failed = assertionResults.filter((/** @type {any} */ one) => one.status === "failed").length;
      const passed = assertionResults.filter((/** @type {any} */ one) => one.status === "passed").length;
      sum.passed += passed;
      sum.failed += failed === 0 && ofFile === "failed" ? 1 : failed;
      sum.skipped += assertionResults.length - passed - failed;
    }
    // No test file found, or an error outside of any test.
    if (!success && sum.failed === before) sum.failed++;
  }
  // A run that broke without a report (a crash, a build that failed) is a failure too.
  if (status !== 0 && sum.failed === 0) sum.failed = 1;
  return sum;
}

const tap = path.join(root, "node_modules", ".cache", "script-tests.tap");

/** Reads the totals at the end of node:test's TAP report. */
function countTap(/** @type {number} */ status) {
  const text = fs.existsSync(tap) ? fs.readFileSync(tap, "utf8") : "";
  const total = (/** @type {string} */ name) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  const failed = total("fail") + total("cancelled");
  return {
    passed: total("pass"),
    failed: status !== 0 && failed === 0 ? 1 : failed,
    skipped: total("skipped") + total("todo"),
  };
}

function scriptTests() {
  fs.mkdirSync(path.dirname(tap), { recursive: true });
  fs.rmSync(tap, { force: true });
  const folder = path.join(root, "scripts", "test");
  const files = fs.readdirSync(folder).filter((name) => name.endsWith(".test.mjs"));
  const reporters = ["spec", "stdout", "tap", tap].map((value, i) =>
    i % 2 === 0 ? `--test-reporter=${value}` : `--test-reporter-destination=${value}`,
  );
  return run(node, ["--test", ...reporters, ...files.map((name) => path.join(folder, name))], { cwd: root });
}

const runTurbo = (/** @type {string[]} */ tasks, /** @type {string[]} */ more = []) => {
  const options = ["--concurrency=2", "--continue=dependencies-successful", "--log-order=grouped"];
  return run(node, [at("turbo/bin/turbo"), "run", ...tasks, ...options, ...turboArgs, ...more], { cwd: root });
};

function packageTests() {
  for (const file of reports()) fs.rmSync(file);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  // The build is a part of its own before this one; here turbo would count the options after "--" as a change of it.
  return runTurbo(["test"], ["--only", "--", ...reporters, ...vitestArgs]);
}

const script = (/** @type {string} */ name) => run(node, [path.join(root, "scripts", name)], { cwd: root });

/** @type {Part[]} */
const ofWorkspace = [
  {
    name: "lint",
    what: "style and lint (biome), width of lines",
    execute: async () =>
      (await run(node, [at("@biomejs/biome/bin/biome"), "ci", ...plain, "."], { cwd: root })) ||
      script("check-lines.mjs"),
  },
  { name: "imports", what: "import directions", execute: () => script("check-imports.mjs") },
  { name: "scripts", what: "tests of the workspace's scripts", execute: scriptTests, count: countTap },
];
const scriptTypes = () => run(node, [at("typescript/bin/tsc"), "-p", "scripts"], { cwd: root });

/** @type {Part[]} */
const ofPackages = [
  { name: "build", what: "build", execute: () => runTurbo(["build"], ["--output-logs=errors-only"]) },
  {
    name: "typecheck",
    what: "types",
    execute: async () => (await runTurbo(["typecheck"], ["--output-logs=errors-only"])) || scriptTypes(),
  },
  { name: "tests", what: "tests of the packages (vitest)", execute: packageTests, count: countVitest },
];
/** @type {Part[]} */
const ofPublished = [
  { name: "published", what: "what would be published", execute: () => script("check-published.mjs") },
];

const sum = { passed: 0, failed: 0, skipped: 0 };
const rows = [];
for (const part of isPartial ? ofPackages : [...ofWorkspace, ...ofPackages, ...ofPublished]) {
  console.log(`\n── ${part.name}: ${part.what}`);
  const start = performance.now();
  const status = await part.execute();
  if (interrupted()) process.exit(interrupted());
  const counts = part.count?.(status) ?? { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  for (const key of /** @type {const} */ (["passed", "failed", "skipped"])) sum[key] += counts[key];
  rows.push({ part: part.name, ...counts, seconds: Math.round((performance.now() - start) / 100) / 10 });
}

console.log("");
const columns = /** @type {const} */ (["passed", "failed", "skipped", "seconds"]);
console.log("part".padEnd(12) + columns.map((name) => name.padStart(9)).join(""));
for (const row of rows) {
  console.log(row.part.padEnd(12) + columns.map((name) => String(row[name]).padStart(9)).join(""));
}
if (isPartial)
  console.log("Checks of the whole workspace (lint, imports, published) were left out: options were given.");
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 ? 0 : 1;
