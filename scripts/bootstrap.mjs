#!/usr/bin/env node
// From a fresh clone to a running command with Node and npm alone: installs with a pinned pnpm, builds what is stale, then runs.
//   node scripts/bootstrap.mjs demo | test | bench | cllm4rec [arguments]
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { packageManager, engines } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const [command, ...rest] = process.argv.slice(2);

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Node ${process.versions.node} is too old: this workspace needs ${engines.node}. Install a current Node and try again.`,
  );
  process.exit(2);
}

// npm hands its own configuration down in npm_config_* variables; pnpm would read (and warn about) them.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(config|package|lifecycle)_/i.test(name)),
);
Object.assign(env, { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", ONNXRUNTIME_NODE_INSTALL: "skip" });

/** Runs to the end; its stdout goes to stderr when `quiet`, so that the command's own stdout stays clean. Exits on failure. */
function run(program, args, { quiet = false, exitOnFailure = true } = {}) {
  const shell = process.platform === "win32";
  const result = spawnSync(program, args, {
    cwd: root,
    env,
    shell,
    stdio: ["inherit", quiet ? 2 : "inherit", "inherit"],
  });
  const status = result.status ?? 1;
  if (result.error) console.error(`${program}: ${result.error.message}`);
  if (status !== 0 && exitOnFailure) {
    console.error(`\n${[program, ...args].join(" ")} failed (exit code ${status}).`);
    process.exit(status);
  }
  return status;
}

function install() {
  const manifests = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"].map((file) =>
    fs.readFileSync(path.join(root, file)),
  );
  const wanted = createHash("sha256").update(Buffer.concat(manifests)).update(process.version).digest("hex");
  const stamp = path.join(root, "node_modules", ".cllm4rec-bootstrap");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === wanted) return;
  run("npx", ["--yes", packageManager, "install", "--frozen-lockfile", "--prefer-offline"], { quiet: true });
  fs.writeFileSync(stamp, wanted);
}

// turbo looks for the pnpm of the workspace on the PATH.
env.PATH = [path.join(root, "node_modules", ".bin"), process.env.PATH].join(path.delimiter);

const bin = (name) => path.join(root, "node_modules", ".bin", name);
const build = () =>
  run(bin("turbo"), ["run", "build", "--output-logs=errors-only", "--log-order=grouped"], { quiet: true });

const commands = {
  demo: () => run(process.execPath, ["packages/cli/dist/bin.js", "demo", ...rest]),
  cllm4rec: () => process.exit(run(process.execPath, ["packages/cli/dist/bin.js", ...rest], { exitOnFailure: false })),
  bench: () => run(process.execPath, ["benchmarks/src/main.js", ...rest]),
  test: () => {
    run(bin("biome"), ["ci", "."]);
    run(process.execPath, ["scripts/check-imports.mjs"]);
    run(bin("turbo"), [
      "run",
      "typecheck",
      "test",
      "--concurrency=2",
      "--output-logs=full",
      "--log-order=grouped",
      ...rest,
    ]);
    run(process.execPath, ["scripts/check-published.mjs"]);
  },
};

if (!(command in commands)) {
  console.error(`Unknown command ${JSON.stringify(command)}: one of ${Object.keys(commands).join(", ")} is expected.`);
  process.exit(2);
}
install();
build();
commands[command]();
