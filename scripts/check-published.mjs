#!/usr/bin/env node
// What would be published: packs every public package, looks into the tarballs, installs them in an empty project,
// imports and types them.
//   node scripts/check-published.mjs      (after a build; needs no network when the workspace itself is installed)
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { environment } from "./lib/run.mjs";
import { installProject } from "./lib/smoke-project.mjs";
import { typeErrors } from "./lib/smoke-types.mjs";
import { contentProblems } from "./lib/tarball-contents.mjs";

const execute = promisify(execFile);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const bin = (/** @type {string} */ file) => path.join(root, "node_modules", file);

/**
 * @typedef {{ name: string, folder: string, tarball: string, contents: string, manifest: Record<string, any>, problems:
 *   string[] }} Packed One packed package: where its source, its tarball and its unpacked tarball lie, and what is
 *   wrong with it.
 */

const publicFolders = fs
  .readdirSync(path.join(root, "packages"))
  .map((name) => path.join(root, "packages", name))
  .filter((folder) => fs.existsSync(path.join(folder, "package.json")))
  .filter((folder) => !JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).private);

/** Runs a program; on failure resolves to its exit code and output instead of throwing. */
async function attempt(
  /** @type {string} */ program,
  /** @type {string[]} */ args,
  /** @type {import("node:child_process").ExecFileOptions} */ options = {},
) {
  try {
    const { stdout, stderr } = await execute(program, args, {
      cwd: root,
      env: environment,
      maxBuffer: 1 << 26,
      encoding: "utf8",
      ...options,
    });
    return { status: 0, stdout: String(stdout), stderr: String(stderr) };
  } catch (error) {
    const { code, signal, stdout, stderr } = /** @type {any} */ (error);
    return { status: typeof code === "number" ? code : 1, stdout: String(stdout), stderr: `${stderr}${signal ?? ""}` };
  }
}

/** @returns {Promise<Packed[]>} */
async function packAll(/** @type {string} */ temporary) {
  const filters = publicFolders.map((folder) => `--filter=./packages/${path.basename(folder)}`);
  const pack = [bin("pnpm/bin/pnpm.cjs"), ...filters, "pack", "--json", "--pack-destination", temporary];
  const { status, stdout, stderr } = await attempt(process.execPath, pack);
  if (status !== 0) throw new Error(`pnpm pack failed:\n${stdout}${stderr}`);
  /** @type {{ name: string, filename: string } | { name: string, filename: string }[]} */
  const answer = JSON.parse(stdout.slice(stdout.search(/[[{]/)));
  const tarballs = new Map([answer].flat().map(({ name, filename }) => [name, filename]));
  return Promise.all(
    publicFolders.map(async (folder) => {
      const { name } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
      const tarball = tarballs.get(name);
      if (!tarball) throw new Error(`pnpm pack made no tarball of ${name}`);
      const contents = path.join(temporary, "unpacked", path.basename(folder));
      fs.mkdirSync(contents, { recursive: true });
      await execute("tar", ["-xzf", tarball, "-C", contents, "--strip-components=1"]);
      const manifest = JSON.parse(fs.readFileSync(path.join(contents, "package.json"), "utf8"));
      return { name, folder, tarball, contents, manifest, problems: [] };
    }),
  );
}

async function publintProblems(/** @type {Packed} */ { tarball }) {
  const data = fs.readFileSync(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) },
    level: "warning",
    strict: true,
  });
  return messages.map((message) => `publint: ${formatMessage(message, /** @type {any} */ (pkg), { color: false })}`);
}

async function typesWrongProblems(/** @type {Packed} */ { tarball }) {
  // ESM only: a CommonJS caller on Node ≥ 20.19 gets the same module through require().
  const args = [
    bin("@arethetypeswrong/cli/dist/index.js"),
    tarball,
    "--profile=esm-only",
    "--format=ascii",
    "--no-color",
  ];
  const { status, stdout, stderr } = await attempt(process.execPath, [...args, "--no-emoji", "--no-definitely-typed"]);
  return status === 0 ? [] : [`are-the-types-wrong:\n${`${stdout}${stderr}`.trim()}`];
}

/** The entries of a package's `exports` that are code, as import specifiers. */
const entriesOf = (/** @type {Packed} */ { name, manifest }) =>
  Object.keys(manifest.exports ?? { ".": "" })
    .filter((entry) => !entry.endsWith(".json"))
    .map((entry) => name + entry.slice(1));

/** Imports and requires every entry in a Node process of its own, which must also end on its own. */
async function importProblems(/** @type {Packed} */ one, /** @type {string} */ project) {
  const code = `
    import { createRequire } from "node:module";
    const require = createRequire(import.meta.url);
    const fail = (message) => {
      console.error(message);
      process.exit(1);
    };
    for (const entry of ${JSON.stringify(entriesOf(one))}) {
      const imported = Object.keys(await import(entry)).sort();
      const required = Object.keys(require(entry)).filter((name) => name !== "__esModule").sort();
      if (imported.length === 0 && ${!one.manifest.bin}) fail(entry + " exports nothing");
      if (String(imported) !== String(required)) {
        fail(entry + ": import gives " + imported + "; require gives " + required);
      }
    }
    const { version } = require(${JSON.stringify(`${one.name}/package.json`)});
    if (version !== ${JSON.stringify(one.manifest.version)}) fail("another version was installed");
  `;
  const file = path.join(project, `import-${path.basename(one.folder)}.mjs`);
  fs.writeFileSync(file, code);
  const options = { cwd: project, timeout: 30_000 };
  const { status, stdout, stderr } = await attempt(process.execPath, ["--no-warnings", file], options);
  const problems = status === 0 ? [] : [`import: ${(stderr || stdout || "it did not end within 30 s").trim()}`];
  if (status === 0 && stdout) problems.push(`import: importing it prints ${JSON.stringify(stdout.slice(0, 200))}`);
  for (const command of Object.keys(one.manifest.bin ?? {})) {
    const run = await attempt(path.join(project, "node_modules", ".bin", command), ["--help"], options);
    if (run.status !== 0) problems.push(`bin: ${command} --help ended with ${run.status}: ${run.stderr.trim()}`);
  }
  return problems;
}

/** Applies `check` to every package, two at a time (two cores are the least a machine has). */
async function forEach(/** @type {Packed[]} */ all, /** @type {(one: Packed) => Promise<string[]>} */ check) {
  const queue = [...all];
  const worker = async () => {
    for (let one = queue.shift(); one; one = queue.shift()) one.problems.push(...(await check(one)));
  };
  await Promise.all([worker(), worker()]);
}

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-published-"));
try {
  const packed = await packAll(temporary);
  await forEach(packed, async (one) => [
    ...contentProblems(one),
    ...(await publintProblems(one)),
    ...(await typesWrongProblems(one)),
  ]);
  const project = path.join(temporary, "project");
  await installProject(root, project, packed);
  await forEach(packed, (one) => importProblems(one, project));
  for (const { name, text } of typeErrors(
    project,
    packed.map((one) => ({ name: one.name, entries: entriesOf(one) })),
  )) {
    packed.find((one) => one.name === name)?.problems.push(`tsc: ${text}`);
  }
  for (const { name, manifest, tarball, problems } of packed) {
    const size = `${Math.ceil(fs.statSync(tarball).size / 1024)} KiB packed`;
    if (problems.length === 0) {
      console.log(`published: ${name}@${manifest.version} ok (${size}; publint, types, import, require, tsc)`);
    }
    for (const problem of problems) console.error(`published: ${name} FAILED ${problem}`);
  }
  if (packed.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
} catch (error) {
  console.error(`published: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  fs.rmSync(temporary, { recursive: true, force: true });
}
