// --quiet, --verbose and --version.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { runHere } from "./run-cli.js";

let folder = "";
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-verbosity-"));
  const lines = ["ann", "bob"].flatMap((user) => ["tea", "cup", "pot"].map((item) => `${user},${item}`));
  fs.writeFileSync(path.join(folder, "clicks.csv"), `user,item\n${lines.join("\n")}\nonly-one-field\n`);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const prepare = "prepare --input @clicks.csv --core 0 --force --json --max-malformed 0.5 --out @data";

test("--quiet leaves results alone", async () => {
  const normal = await runHere(folder, prepare);
  expect(normal.stderr).toContain("reading clicks.csv\n");
  const quiet = await runHere(folder, `${prepare} --quiet`);
  expect([quiet.code, quiet.stderr]).toEqual([0, ""]);
  expect(quiet.stdout).toBe(normal.stdout);
  const failed = await runHere(folder, "prepare --input @none.csv --out @other --quiet");
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(/^error: .*none\.csv/)]);
});

test("--verbose says versions, the time of each stage, memory, and where an error comes from", async () => {
  const { code, stderr } = await runHere(folder, `${prepare} --verbose`);
  expect(code).toBe(0);
  expect(stderr).toContain(`cllm4rec ${packageJson.version}, Node v${process.versions.node}, ${process.platform}`);
  expect(stderr).toMatch(/\nreading clicks\.csv: done in [\d.]+ s\n/);
  expect(stderr).toMatch(/\ndone in [\d.]+ s, at most [\d.]+ [MG]B of memory\n$/);
  const failed = await runHere(folder, "prepare --input @none.csv --out @other --verbose");
  expect(failed.stderr).toMatch(/error: .*none\.csv[\s\S]*\n {4}at /);
});

test("not both at once", async () => {
  const { code, stderr } = await runHere(folder, `${prepare} --verbose --quiet`);
  expect([code, stderr]).toEqual([2, expect.stringContaining("cannot be used with option '--verbose'")]);
});

test("--version", async () => {
  expect(await runHere("", "--version")).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: "" });
});
