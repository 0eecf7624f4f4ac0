// cllm4rec baselines: its figures worked out from the dataset, EASE through the engine, and the two conventions of a
// history.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Csr, csrRow, Dataset } from "@cllm4rec/corpus";
import { ease, evaluateScorer } from "@cllm4rec/eval";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runHere, USERS, writeChoices } from "./run-cli.js";

let folder = "";
let splits: { train: Csr; validation: Csr; test: Csr };
const at = (...names: string[]) => path.join(folder, ...names);

const cllm4rec = (args: string, signal?: AbortSignal) => runHere(folder, args, { ...(signal && { signal }) });

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-baselines-"));
  writeChoices(at("choices.jsonl"));
  const columns = "--columns user=user,item=item,text=text --core 0";
  expect((await cllm4rec(`prepare --input @choices.jsonl ${columns} --out @data`)).code).toBe(0);
  expect((await cllm4rec(`prepare --input @choices.jsonl ${columns} --test-share 0 --out @untested`)).code).toBe(0);
  const dataset = await Dataset.open(at("data"));
  const [train, validation, held] = [
    await dataset.interactions("train"),
    await dataset.interactions("validation"),
    await dataset.interactions("test"),
  ];
  splits = { train, validation, test: held };
  dataset.close();
}, 60_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/**
 * Recall@20 of popularity from the definition: counts of training users, known items taken out, the lower index first.
 */
function popularityRecall(heldOut: Csr, known: readonly Csr[]): number {
  const counts = Array.from({ length: heldOut.columns }, () => 0);
  for (const item of splits.train.indices) counts[item]!++;
  const recalls = Array.from({ length: heldOut.rows }, (_, user) => {
    const seen = new Set(known.flatMap((matrix) => Array.from(csrRow(matrix, user))));
    const wanted = Array.from(csrRow(heldOut, user));
    const list = counts
      .map((count, item) => ({ count, item }))
      .filter(({ item }) => !seen.has(item))
      .sort((a, b) => b.count - a.count || a.item - b.item)
      .slice(0, 20)
      .map(({ item }) => item);
    return wanted.filter((item) => list.includes(item)).length / Math.min(20, wanted.length);
  });
  return recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length;
}

test("popularity on either split, and with either history, is what the definition says", async () => {
  const { train, validation, test: held } = splits;
  for (const [args, heldOut, known] of [
    ["", held, [train]],
    [" --split validation", validation, [train]],
    [" --history train+validation", held, [train, validation]],
  ] as const) {
    const { code, stdout } = await cllm4rec(`baselines --data @data --no-ease --json${args}`);
    expect(code).toBe(0);
    expect(stdout.trimEnd()).not.toContain("\n");
    const printed = JSON.parse(stdout);
    expect(Object.keys(printed).slice(0, 2)).toEqual(["users", "baselines"]);
    expect(printed).toMatchObject({ users: USERS, usersWithoutHeldOut: 0, data: at("data") });
    expect(printed.split).toBe(args.includes("validation") && !args.includes("history") ? "validation" : "test");
    expect(printed.history).toBe(args.includes("history") ? "train+validation" : "train");
    expect(printed.baselines.map(({ name }: { name: string }) => name)).toEqual([
      "most popular",
      "item KNN",
      "item KNN (shrinkage 10)",
      "content KNN (reviews 1)",
    ]);
    expect(printed.baselines[0].metrics["recall@20"]).toBeCloseTo(popularityRecall(heldOut, known), 12);
    const [low, high] = printed.baselines[0].intervals["recall@20"];
    expect(low).toBeLessThan(printed.baselines[0].metrics["recall@20"]);
    expect(high).toBeGreaterThan(printed.baselines[0].metrics["recall@20"]);
  }
});

test("EASE and EASE with text: settings from validation, both listed", async () => {
  const { code, stdout } = await cllm4rec("baselines --data @data --trials 4 --json");
  expect(code).toBe(0);
  const { baselines } = JSON.parse(stdout);
  const of = (method: string) => baselines.find((row: { method?: string }) => row.method === method);
  const [plain, withText] = [of("ease"), of("ease with text")];
  expect(plain.settings).toEqual({ lambda: expect.any(Number), weights: {}, trials: expect.any(Number) });
  expect(Object.keys(withText.settings.weights)).toEqual(["reviews"]);
  for (const { settings } of [plain, withText]) {
    expect(settings.trials).toBeGreaterThan(1);
    expect(settings.trials).toBeLessThanOrEqual(4);
  }
  expect(withText.name).toMatch(/^EASE with text \(λ .*, reviews .*\)$/);
});

test("EASE with the engine's products is EASE", async () => {
  const { code, stdout, stderr } = await cllm4rec("baselines --data @data --lambda 7 --threads 1 --json");
  expect(code).toBe(0);
  expect(stderr).toContain("fitting EASE");
  const found = JSON.parse(stdout).baselines.find(({ name }: { name: string }) => name === "EASE (λ 7)");
  const scorer = await ease(splits.train, { items: splits.train.columns, lambda: 7 });
  const { metrics } = await evaluateScorer(scorer, { history: splits.train, heldOut: splits.test });
  for (const [name, value] of Object.entries(metrics)) expect(found.metrics[name], name).toBeCloseTo(value, 2);
  // Two tastes of 40 items each: EASE knows whose is whose.
  expect(found.metrics["recall@20"]).toBeGreaterThan(0.45);
});

test("--neighbours and --shrinkage make one item KNN; a table names the convention", async () => {
  const { stdout } = await cllm4rec("baselines --data @data --neighbours 5 --shrinkage 2.5 --no-ease");
  expect(stdout).toContain("the history is the training items alone, as in the paper");
  expect(stdout.match(/^item KNN.*$/gm)).toEqual(["item KNN (5 neighbours, shrinkage 2.5)"]);
  expect(stdout).toMatch(/^ {2}recall@20 +0\.\d{4} {2}\[0\.\d{4}, 0\.\d{4}\]$/m);
});

test("what cannot be measured is one clear error", async () => {
  const failure = async (args: string) => {
    const { code, stdout, stderr } = await cllm4rec(`baselines ${args}`);
    expect(stdout).toBe("");
    expect(stderr.match(/^error: /gm)).toHaveLength(1);
    return `${code} ${stderr}`;
  };
  expect(await failure("--data @nowhere")).toMatch(/^1 .*nowhere is not a prepared dataset/);
  expect(await failure("--data @untested")).toMatch(/^1 .*untested: the dataset has no test items/);
  expect(await failure("--data @data --split validation --history train+validation")).toMatch(
    /^2 .*use --history train/,
  );
  expect(await failure("--data @data --lambda 0")).toMatch(/^2 .*A number above 0/);
  expect(await failure("--data @data --neighbours some")).toMatch(/^2 .*An integer from 1 on/);
  expect(await failure("--data @data --split train")).toMatch(/^2 .*Allowed choices are validation, test/);
  const interrupted = await cllm4rec("baselines --data @data", AbortSignal.abort());
  expect(interrupted).toMatchObject({ code: 130, stdout: "" });
});
