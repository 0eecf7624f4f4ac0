// serve as a process: the address on stderr, SIGHUP takes a new model over, SIGTERM answers what was sent; under load
// nothing is lost.
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readModel, writeModel } from "@cllm4rec/training/model";
import { expect, onTestFinished, test } from "vitest";
import { runCli } from "./run-cli.js";

const bookshop = fileURLToPath(new URL("../../recommend/test/fixtures", import.meta.url));
const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url));

/** Resolves to what the pattern finds in the process' standard error. */
function said(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr!.on("data", (chunk) => {
      text += chunk;
      const found = pattern.exec(text);
      if (found) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`ended with ${code}: ${text}`)));
  });
}

test("answers until SIGTERM; SIGHUP takes a new model over; no request is lost", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-serve-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  const model = path.join(folder, "model");
  fs.cpSync(path.join(bookshop, "model"), model, { recursive: true });
  const args = ["serve", "--model", model, "--backbone", path.join(bookshop, "backbone"), "--port", "0"];
  const child = spawn(process.execPath, [bin, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  const [, url] = await said(child, /^serving .* at (http:\/\/127\.0\.0\.1:\d+)\n/m);

  const seen = new Set<string>();
  const lost: unknown[] = [];
  let answers = 0;
  const client = async (number: number) => {
    for (let at = 0; ; at++) {
      // Few of the requests have been answered before: the recommender computes.
      const exclude = [`${number}-${at}`];
      try {
        const response = await fetch(`${url}/recommend`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ user: "reader-2", k: 5, exclude }),
        });
        const { items } = (await response.json()) as { items: { item: string }[] };
        if (response.status !== 200) throw new Error(`status ${response.status}`);
        seen.add(items.map(({ item }) => item).join(" "));
        answers++;
      } catch (error) {
        const { cause } = error as { cause?: { code?: string } };
        // Refused before it was sent: the listener is closed, and another server would be asked.
        if (cause?.code !== "ECONNREFUSED") lost.push(error);
        return;
      }
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, (_, number) => client(number)));
  const more = async () => {
    const enough = answers + 40;
    while (answers < enough) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await more();

  const saved = await readModel(model);
  const { items, users } = saved.tables.collaborative;
  const data = items.data.map((value) => -value);
  await writeModel(path.join(folder, "next"), {
    ...saved,
    tables: { collaborative: { users, items: { ...items, data } } },
  });
  fs.renameSync(model, path.join(folder, "old"));
  fs.renameSync(path.join(folder, "next"), model);
  const reloaded = said(child, /^reloaded .*\n/m);
  child.kill("SIGHUP");
  await reloaded;
  await more();

  child.kill("SIGTERM");
  await clients;
  expect(await ended).toBe(0);
  expect(lost).toEqual([]);
  expect(seen.size).toBe(2);
});

test("what cannot be served is one error", async () => {
  const missing = await runCli(bookshop, ["serve", "--model", "nowhere", "--port", "0"]);
  expect(missing).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^error: nowhere.*\n$/) });
  const port = await runCli(bookshop, ["serve", "--model", "model", "--port", "70000"]);
  expect(port).toMatchObject({ code: 2, stderr: expect.stringContaining("An integer from 0 to 65535 is expected.") });
});
