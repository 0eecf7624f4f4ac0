// The protocol of cold items on the command line: prepare holds them out, baselines and evaluate measure them.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { csrRow, Dataset, writeDataset } from "@cllm4rec/corpus";
import { evaluateScorer, mostPopular } from "@cllm4rec/eval";
import { datasetHash } from "@cllm4rec/recommend";
import { readModel, writeModel } from "@cllm4rec/training/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runHere } from "./run-cli.js";

/** 60 readers, 40 books with titles; a model of them with its backbone. */
const bookshop = fileURLToPath(new URL("../../recommend/test/fixtures", import.meta.url));
let folder = "";
const at = (...names: string[]) => path.join(folder, ...names);
const cllm4rec = (args: string) => runHere(folder, args);

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-cold-"));
  const shop = await Dataset.open(path.join(bookshop, "data"));
  const [users, items, titles] = [await shop.rawUserIds(), await shop.rawItemIds(), await shop.itemTitles()];
  const rows: { user: string; item: string }[] = [];
  for (const split of ["train", "validation", "test"] as const) {
    const matrix = await shop.interactions(split);
    for (let user = 0; user < shop.users; user++)
      for (const item of csrRow(matrix, user)) rows.push({ user: users[user]!, item: items[item]! });
  }
  shop.close();
  const lines = (objects: readonly object[]) => objects.map((object) => `${JSON.stringify(object)}\n`).join("");
  fs.writeFileSync(at("rows.jsonl"), lines(rows));
  fs.writeFileSync(at("meta.jsonl"), lines(items.map((item, j) => ({ item, title: titles[j] }))));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test("prepare says what it held out, baselines measure it in three rankings", async () => {
  const input = "--input @rows.jsonl --meta @meta.jsonl --columns user=user,item=item --core 0";
  const { code, stdout, stderr } = await cllm4rec(`prepare ${input} --hold-out-items 0.2 --out @data --json`);
  expect([code, stderr]).toEqual([0, expect.stringContaining("8 of the 40 items with text are held out of training")]);
  const summary = JSON.parse(stdout);
  expect(summary.coldItems).toMatchObject({ share: 0.2, seed: 0, items: 8, itemsWithText: 40 });
  expect(summary.train + summary.validation + summary.test + summary.coldTest).toBe(summary.interactions);

  const metrics = ["recall-all@3", "ndcg@5"] as const;
  const run = await cllm4rec(
    `baselines --data @data --trials 3 --metrics ${metrics.join(",")} --json --per-user @values`,
  );
  expect(run.code).toBe(0);
  const { baselines, cold } = JSON.parse(run.stdout);
  expect(cold).toEqual({ items: 8, usersWithoutHistory: expect.any(Number) });
  const methods = baselines.map(({ method, name }: { method?: string; name: string }) => method ?? name);
  const quick = ["most popular", "item KNN", "item KNN (shrinkage 10)", "content knn"];
  expect(methods).toEqual([...quick, "ease", "ease with text", "ease with text for cold items"]);
  expect(baselines.at(-1).name).toMatch(/^EASE with text for cold items \(λ .*, titles .*, cold items × [\d.]+\)$/);

  const dataset = await Dataset.open(at("data"));
  const history = await dataset.interactions("train");
  const heldOut = await dataset.interactions("cold-test");
  const candidates = await dataset.coldItems();
  const [popular, , , content] = baselines;
  const scorer = mostPopular(history, { items: dataset.items });
  const { users, metrics: found } = await evaluateScorer(scorer, { history, heldOut, candidates, metrics });
  expect(popular.cold.amongCold).toMatchObject({ users, metrics: found });
  expect(popular.cold.amongAll.metrics["ndcg@5"]).toBe(0);
  expect(content.cold.amongCold.metrics["recall-all@3"]).toBeGreaterThan(found["recall-all@3"]!);
  expect(content.cold.together.users).toBeGreaterThanOrEqual(users);
  dataset.close();
  expect(fs.existsSync(at("values", "most-popular.amongCold.json"))).toBe(true);

  const text = await cllm4rec("baselines --data @data --no-ease");
  expect(text.stdout).toContain("  cold items among themselves, ");
});

test("--metrics that are none end before anything is measured", async () => {
  const { code, stderr } = await cllm4rec("baselines --data @nowhere --metrics recall@0");
  expect([code, stderr]).toEqual([2, expect.stringContaining('--metrics: metrics: found "recall@0"')]);
});

test("evaluate measures a model in the same rankings", async () => {
  const shop = await Dataset.open(path.join(bookshop, "data"));
  const [users, items] = [await shop.rawUserIds(), await shop.rawItemIds()];
  const interactions = [];
  for (const split of ["train", "validation", "test"] as const) {
    const matrix = await shop.interactions(split);
    for (let user = 0; user < shop.users; user++)
      for (const item of csrRow(matrix, user)) interactions.push({ user, item, split });
  }
  shop.close();
  const content = { items: items.map((rawId, j) => ({ rawId, cold: j % 5 === 0 })), interactions };
  await writeDataset(at("marked"), { users: users.map((rawId) => ({ rawId })), ...content });
  const dataset = await Dataset.open(at("marked"));
  const model = await readModel(path.join(bookshop, "model"));
  const settings = JSON.parse(JSON.stringify(model.description.settings));
  settings.serving.dataset = { path: at("marked"), hash: datasetHash(dataset.manifest) };
  await writeModel(at("model"), { ...model, description: { ...model.description, settings } });
  const coldTest = dataset.manifest.coldTest!;
  dataset.close();
  const backbone = path.join(bookshop, "backbone");
  const args = `--model @model --backbone ${backbone} --metrics recall-all@3 recall-all@40`;
  const { code, stdout } = await cllm4rec(`evaluate ${args} --json --per-user @model-values.json`);
  expect(code).toBe(0);
  const { cold, metrics } = JSON.parse(stdout);
  expect(Object.keys(metrics)).toEqual(["recall-all@3", "recall-all@40"]);
  expect(cold).toMatchObject({ items: 8, usersWithoutHistory: 0 });
  // Everything is found among all 40 items; among the 8 cold ones three places are enough for more than among all.
  for (const view of ["amongCold", "amongAll", "together"]) expect(cold[view].metrics["recall-all@40"]).toBe(1);
  expect(cold.amongCold.metrics["recall-all@3"]).toBeGreaterThan(cold.amongAll.metrics["recall-all@3"]);
  expect(cold.amongCold.users).toBe(cold.amongAll.users);
  expect(coldTest).toBeGreaterThan(0);
  const { view } = JSON.parse(fs.readFileSync(at("model-values.amongCold.json"), "utf8"));
  expect(view).toBe("amongCold");
});
