// cllm4rec compare: what baselines and evaluate write for every user, compared by hand and by the command.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { compareRuns, fromJson } from "@cllm4rec/eval";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runHere, USERS, writeChoices } from "./run-cli.js";

let folder = "";
const at = (...names: string[]) => path.join(folder, ...names);

const cllm4rec = (args: string) => runHere(folder, args);

let printed: { name: string; metrics: Record<string, number> }[];
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-compare-"));
  writeChoices(at("choices.jsonl"));
  const columns = "--columns user=user,item=item,text=text --core 0";
  expect((await cllm4rec(`prepare --input @choices.jsonl ${columns} --out @data`)).code).toBe(0);
  const { code, stdout } = await cllm4rec("baselines --data @data --no-ease --per-user @values --json");
  expect(code).toBe(0);
  printed = JSON.parse(stdout).baselines;
  const validation = "baselines --data @data --no-ease --split validation --per-user @validation";
  expect((await cllm4rec(validation)).code).toBe(0);
}, 60_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const read = (name: string) => JSON.parse(fs.readFileSync(at("values", name), "utf8"));

test("a file a recommender holds every user's values, whose means are the metrics", () => {
  expect(fs.readdirSync(at("values")).sort()).toEqual([
    "content-knn-reviews-1.json",
    "item-knn-shrinkage-10.json",
    "item-knn.json",
    "most-popular.json",
  ]);
  const { split, history, perUser } = read("item-knn.json");
  expect({ split, history }).toEqual({ split: "test", history: "train" });
  const values: number[] = perUser.values["recall@20"];
  expect(values).toHaveLength(USERS);
  const mean = values.reduce((sum, value) => sum + value, 0) / USERS;
  expect(mean).toBeCloseTo(printed.find(({ name }) => name === "item KNN")!.metrics["recall@20"]!, 12);
});

test("two recommenders: the difference with its interval and both tests", async () => {
  const command = "compare --candidate @values/item-knn.json --baseline @values/most-popular.json";
  const { code, stdout } = await cllm4rec(`${command} --json`);
  expect(code).toBe(0);
  const { users, metrics } = JSON.parse(stdout);
  expect(users).toBe(USERS);
  const expected = compareRuns(fromJson(read("item-knn.json")), fromJson(read("most-popular.json")), { seed: 0 });
  expect(Object.keys(metrics)).toEqual(["recall@20", "recall@40", "ndcg@100"]);
  for (const [name, { candidate, baseline, difference, tTest, wilcoxon }] of Object.entries(expected)) {
    expect(metrics[name]).toEqual({
      ...{ candidate, baseline, difference: candidate - baseline },
      ...{ interval: [difference.low, difference.high], tTest: tTest.pValue, wilcoxon: wilcoxon.pValue },
    });
  }
  // Two tastes: neighbours know whose is whose, popularity does not.
  expect(metrics["recall@20"].interval[0]).toBeGreaterThan(0);
  expect(metrics["recall@20"].wilcoxon).toBeLessThan(0.01);
  const table = (await cllm4rec(command)).stdout;
  expect(table).toMatch(
    /^recall@20 +[01]\.\d{4} +0\.\d{4} +\+0\.\d{4} +\[\+0\.\d{4}, \+0\.\d{4}\] +[\d.e-]+ +[\d.e-]+$/m,
  );
});

test("several files on a side are averaged user by user first", async () => {
  const [knn, shrunk, popular] = ["item-knn", "item-knn-shrinkage-10", "most-popular"].map(
    (name) => `@values/${name}.json`,
  );
  const { stdout } = await cllm4rec(`compare --candidate ${knn} ${shrunk} --baseline ${popular} --json`);
  const { metrics } = JSON.parse(stdout);
  const of = (wanted: string) => printed.find(({ name }) => name === wanted)!.metrics["ndcg@100"]!;
  expect(metrics["ndcg@100"].candidate).toBeCloseTo((of("item KNN") + of("item KNN (shrinkage 10)")) / 2, 12);
});

test("what cannot be compared is one clear error", async () => {
  const failure = async (args: string) => {
    const { code, stdout, stderr } = await cllm4rec(`compare ${args}`);
    expect(stdout).toBe("");
    expect(stderr.match(/^error: /gm)).toHaveLength(1);
    return `${code} ${stderr}`;
  };
  const knn = "@values/item-knn.json";
  expect(await failure(`--candidate ${knn} --baseline @validation/item-knn.json`)).toMatch(
    /^1 .*validation\/item-knn\.json: found split validation, history train, expected split test/,
  );
  expect(await failure(`--candidate ${knn} --baseline @nowhere.json`)).toMatch(/^1 .*nowhere\.json/);
  expect(await failure(`--candidate @choices.jsonl --baseline ${knn}`)).toMatch(/^1 .*choices\.jsonl: .*--per-user/);
  fs.writeFileSync(at("short.json"), JSON.stringify({ ...read("item-knn.json"), perUser: undefined }));
  expect(await failure(`--candidate @short.json --baseline ${knn}`)).toMatch(/^1 .*short\.json: .*no `perUser` values/);
  expect(await failure(`--candidate ${knn}`)).toMatch(/^2 .*--baseline/);
});
