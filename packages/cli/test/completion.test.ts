// Completion scripts, in the shells that this machine has: what a person is offered after a beginning.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { createProgram } from "../src/program.js";
import { runHere } from "./run-cli.js";

const isThere = (shell: string) => spawnSync(shell, ["--version"]).status === 0;

/** What bash offers for the last word of a line. */
async function offered(line: string): Promise<string[]> {
  const { stdout } = await runHere("", "completion bash");
  const words = line.split(" ");
  const script = `${stdout}
COMP_WORDS=(${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length - 1}
_cllm4rec; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout: printed, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  expect(stderr).toBe("");
  return printed.split("\n").filter((word) => word !== "");
}

test.skipIf(!isThere("bash"))("bash offers commands, options and values", async () => {
  expect(await offered("cllm4rec re")).toEqual(["recommend", "report"]);
  expect(await offered("cllm4rec evaluate --per")).toEqual(["--per-user"]);
  expect(await offered("cllm4rec evaluate --split t")).toEqual(["test"]);
  expect(await offered("cllm4rec completion ")).toEqual(["bash", "zsh", "fish"]);
  expect(await offered("cllm4rec train --engine tfjs-n")).toEqual(["tfjs-node-gpu", "tfjs-node"]);
  expect(await offered("cllm4rec prepare --min-rating ")).toEqual(["none"]);
  // Nothing of its own for a path, so that bash completes files.
  expect(await offered("cllm4rec evaluate --data ")).toEqual([]);
  expect(await offered("cllm4rec evaluate --model a ")).toEqual([]);
});

test.each(["zsh", "fish"] as const)("%s reads its script", async (shell) => {
  const { code, stdout } = await runHere("", `completion ${shell}`);
  expect(code).toBe(0);
  if (!isThere(shell)) return console.warn(`skipped: ${shell} is not installed, so its script is not run`);
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "cli-completion-")), `cllm4rec.${shell}`);
  onTestFinished(() => fs.rmSync(path.dirname(file), { recursive: true }));
  fs.writeFileSync(file, stdout);
  const { status, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
});

test("each script has every option of every command", async () => {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const context = { stdout: nowhere, stderr: nowhere, signal: new AbortController().signal };
  const program = await createProgram(context, "all");
  const flags = program.commands.flatMap(({ options }) =>
    options.filter((one) => !one.hidden).map(({ long }) => long!),
  );
  expect(flags.length).toBeGreaterThan(200);
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await runHere("", `completion ${shell}`);
    const written = (flag: string) => (shell === "fish" ? ` -l ${flag.slice(2)} ` : flag);
    expect(flags.filter((flag) => !stdout.includes(written(flag)))).toEqual([]);
    for (const command of program.commands) expect(stdout).toContain(command.name());
  }
  const { code, stderr } = await runHere("", "completion tcsh");
  expect([code, stderr]).toEqual([2, expect.stringContaining("Allowed choices are bash, zsh, fish")]);
});
