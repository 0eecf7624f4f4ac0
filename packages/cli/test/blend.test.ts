// blend, and what evaluate and recommend make of the directory: in this process, on the bookshop of the recommend
// package.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readModel, writeModel } from "@cllm4rec/training/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runHere } from "./run-cli.js";

const bookshop = fileURLToPath(new URL("../../recommend/test/fixtures", import.meta.url));
let folder = "";
const places = `--data ${path.join(bookshop, "data")} --backbone ${path.join(bookshop, "backbone")}`;

/** A model that knows the items of even rows only, so that a linear scorer helps it. */
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-blend-"));
  const model = await readModel(path.join(bookshop, "model"));
  const { collaborative } = model.tables;
  const { rows, data } = collaborative.items;
  const half = data.map((value, at) => (Math.floor((at * rows) / data.length) % 2 === 0 ? value : -value));
  const tables = { ...model.tables, collaborative: { ...collaborative, items: { rows, data: half } } };
  await writeModel(path.join(folder, "model"), { ...model, tables });
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function json(args: string) {
  const { code, stdout, stderr } = await runHere(folder, `${args.trim()} --json`);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

test("a blend is measured, recommended from, and left out on demand", async () => {
  const evaluate = (more = "") => json(`evaluate --model @/model --split validation ${places} ${more}`);
  const recommend = (more = "") => json(`recommend --model @/model --history crime-1 crime-2 ${places} ${more}`);
  const [before, first] = [await evaluate(), await recommend()];
  expect(before.members).toEqual([{ name: expect.stringMatching(/^CLLM4Rec .*model$/), weight: 1 }]);

  const learned = await json(`blend --model @/model ${places} --scorers ease most-popular --lambda 50 --trials 2`);
  expect(learned).toMatchObject({ out: expect.stringMatching(/model$/), stored: true });
  expect(learned.members.map(({ name }: { name: string }) => name)).toEqual([
    "CLLM4Rec",
    "EASE (λ 50)",
    "most popular",
  ]);

  const after = await evaluate();
  expect(after.members).toEqual(learned.members);
  for (const [name, value] of Object.entries<number>(learned.validation))
    expect(after.metrics[name]).toBeCloseTo(value, 6);
  expect(await evaluate("--no-blend")).toEqual(before);
  expect(await recommend()).not.toEqual(first);
  expect(await recommend("--no-blend")).toEqual(first);

  const report = await json(`report --model @/model --split validation ${places}`);
  for (const [name, value] of Object.entries<number>(after.metrics)) expect(report.metrics[name]).toBe(value);
  const [alone] = report.baselines;
  expect(alone.name).toBe("this model alone");
  for (const [name, value] of Object.entries<number>(before.metrics)) expect(alone.metrics[name]).toBe(value);
  const page = fs.readFileSync(path.join(folder, "model", "report.html"), "utf8");
  expect(page).toContain("<caption>The blend: members");
  expect(page).toContain("EASE (λ 50)");

  const { stdout } = await runHere(folder, `evaluate --model @/model --split validation ${places}`);
  expect(stdout).toMatch(/A blend; on validation:\n {2}member +weight +recall@20 .*contribution\n {2}CLLM4Rec/);
});

test("a folder that holds something is refused as --out", async () => {
  const { code, stderr } = await runHere(folder, `blend --model @/model ${places} --out @/model`);
  expect(code).toBe(2);
  expect(stderr).toMatch(/is not empty and holds other files/);
});
