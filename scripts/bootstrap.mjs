#!/usr/bin/env node
// From a fresh clone to a running command with Node and npm alone: installs with a pinned pnpm, builds what is stale,
// then runs.
//   node scripts/bootstrap.mjs demo | test | bench | results | cllm4rec [arguments]
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { fingerprint } from "./lib/fingerprint.mjs";
import { withLock } from "./lib/lock.mjs";
import { environment, Failure, interrupted, run } from "./lib/run.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { packageManager, engines } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const stamps = path.join(root, "node_modules", ".cllm4rec");
const turbo = path.join(root, "node_modules", "turbo", "bin", "turbo");

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Failure(
    `Node ${process.versions.node} is too old: this workspace needs ${engines.node}. Install a current Node ` +
      "(https://nodejs.org) and try again.",
    2,
  );
}

const readStamp = (/** @type {string} */ name) => {
  const file = path.join(stamps, name);
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
};
const writeStamp = (/** @type {string} */ name, /** @type {string} */ text) => {
  fs.mkdirSync(stamps, { recursive: true });
  fs.writeFileSync(path.join(stamps, name), text);
};

/** Installs what the lockfile names, unless that is done already. Nothing of it writes to stdout. */
async function install() {
  const manifests = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"];
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const file of manifests) hash.update(fs.readFileSync(path.join(root, file)));
  const wanted = hash.digest("hex");
  const complete = ["packages", "tooling"].every((parent) =>
    fs
      .readdirSync(path.join(root, parent))
      .filter((name) => fs.existsSync(path.join(root, parent, name, "package.json")))
      .every((name) => fs.existsSync(path.join(root, parent, name, "node_modules"))),
  );
  if (complete && readStamp("install") === wanted) return;

  const pnpm = ["install", "--frozen-lockfile", "--prefer-offline", "--config.confirm-modules-purge=false"];
  const local = path.join(root, "node_modules", "pnpm");
  const isLocal =
    fs.existsSync(path.join(local, "bin", "pnpm.cjs")) &&
    `pnpm@${JSON.parse(fs.readFileSync(path.join(local, "package.json"), "utf8")).version}` === packageManager;
  // Without a registry npx would try for more than a minute before it says so.
  const npx = [
    "--yes",
    "--loglevel=error",
    "--prefer-offline",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=3000",
  ];
  console.error(`Installing the dependencies with ${packageManager} …`);
  const status = isLocal
    ? await run(process.execPath, [path.join(local, "bin", "pnpm.cjs"), ...pnpm], { cwd: root, stdoutToStderr: true })
    : await run("npx", [...npx, packageManager, ...pnpm], { cwd: root, stdoutToStderr: true });
  if (interrupted()) throw new Failure("Interrupted while installing; run the same command again.", interrupted());
  if (status !== 0) {
    throw new Failure(
      "Installing the dependencies failed; the lines above say why. The npm registry must be reachable this first " +
        "time (`npm ping` tells); if pnpm-lock.yaml does not fit a package.json you changed, run `npx pnpm install` " +
        "once.",
    );
  }
  writeStamp("install", wanted);
}

/** Builds what is stale; when no source and no output changed since the last build, turbo is not even started. */
async function build() {
  if (readStamp("build") === fingerprint(root)) return;
  const status = await run(
    process.execPath,
    [turbo, "run", "build", "--output-logs=errors-only", "--log-order=grouped"],
    { cwd: root, stdoutToStderr: true },
  );
  if (interrupted()) throw new Failure("Interrupted while building; run the same command again.", interrupted());
  if (status !== 0) throw new Failure("The build failed; the lines above say where.");
  writeStamp("build", fingerprint(root));
}

/**
 * Runs a built program as if it had been started directly: its arguments, its stdout, its exit code, the caller's
 * folder.
 */
function program(/** @type {string} */ file, /** @type {string[]} */ args) {
  const script = path.join(root, file);
  if (!fs.existsSync(script)) throw new Failure(`${file} is not there: this checkout has no such command yet.`);
  // npm runs scripts in the workspace's root and sets INIT_CWD to the user's working directory.
  const { npm_lifecycle_event: byNpm, INIT_CWD: caller } = process.env;
  // How the next command would be typed, for programs that name one.
  const env = byNpm ? { CLLM4REC_PROGRAM: "npm run -s cllm4rec --" } : {};
  return run(process.execPath, [script, ...args], { cwd: byNpm && caller ? caller : process.cwd(), env });
}

/** @type {Record<string, (rest: string[]) => Promise<number>>} */
const commands = {
  demo: (rest) => program("packages/cli/dist/bin.js", ["demo", ...rest]),
  cllm4rec: (rest) => program("packages/cli/dist/bin.js", rest),
  bench: (rest) => program("benchmarks/src/main.js", rest),
  results: (rest) => program("benchmarks/src/results/main.js", rest),
  test: (rest) => run(process.execPath, [path.join(root, "scripts", "test-all.mjs"), ...rest], { cwd: root }),
};

async function main() {
  checkNode();
  const [command, ...rest] = process.argv.slice(2);
  const execute = Object.hasOwn(commands, command ?? "") ? commands[command ?? ""] : undefined;
  if (execute === undefined) {
    const names = Object.keys(commands).join(", ");
    throw new Failure(`Unknown command ${JSON.stringify(command ?? "")}: one of ${names} is expected.`, 2);
  }
  // The commands find pnpm and the workspace's other programs on the PATH.
  const bin = path.join(root, "node_modules", ".bin");
  environment.PATH = [bin, environment.PATH ?? ""].join(path.delimiter);
  await withLock(path.join(root, ".turbo", "bootstrap.lock"), async () => {
    await install();
    // The tests' own run builds as its first part, and reports it.
    if (command !== "test") await build();
  });
  return execute(rest);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
