// The search for settings: real trials of a few steps, interrupted and resumed, without a look at the test items.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Dataset } from "@cllm4rec/corpus";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readConfig } from "../src/settings/config.js";
import { readSpace, resolveSpace } from "../src/tuning/space.js";
import { trialsCsv, trialsText } from "../src/tuning/trials-table.js";
import { runHere, writeBackbone, writeChoices } from "./run-cli.js";

let folder = "";
const file = (...names: string[]) => path.join(folder, ...names);
const read = (...names: string[]) => JSON.parse(fs.readFileSync(file(...names), "utf8"));
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-tune-"));
  await writeBackbone(file("backbone"));
  writeChoices(file("data.jsonl"), 0, { texts: false });
  const { code } = await runHere(folder, "prepare --input @data.jsonl --core 0 --out @data");
  expect(code).toBe(0);
  fs.writeFileSync(
    file("space.json"),
    '{ "finetune.dropout": [0, 0.3], "finetune.learningRate": { "timesDefault": [0.5, 2] } } // two settings',
  );
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const tune = "tune --data @data --backbone @backbone --out @tuning --epochs 2 --rungs 2 --trials 3 --threads 1";

test("it searches, is interrupted and resumes", async () => {
  const command = `${tune} --space @space.json --json`;
  const begun = await runHere(folder, command, { until: "candidate 2" });
  expect([begun.code, begun.stderr]).toEqual([130, expect.stringContaining("run the same command to resume")]);
  const before = read("tuning", "search.json").trials;
  expect(before.map(({ candidate, budget }: Record<string, number>) => [candidate, budget])).toEqual([
    [0, 1],
    [1, 1],
  ]);
  const { code, stdout, stderr } = await runHere(folder, command);
  expect([code, stderr]).toEqual([0, expect.stringContaining("candidate 2, 1 epoch: dropout 0")]);

  const { trials, search } = read("tuning", "search.json");
  expect(trials.slice(0, 2)).toEqual(before);
  expect(search).toMatchObject({ seed: 0, "space.finetune.dropout": { values: [0, 0.3] } });
  // Three candidates for one epoch, the best of them for the second.
  const ofBudget = (epochs: number) => trials.filter(({ budget }: { budget: number }) => budget === epochs);
  expect([ofBudget(1).length, ofBudget(2).length, trials.length]).toEqual([3, 1, 4]);
  const best = trials.reduce((a: { score: number }, b: { score: number }) => (b.score > a.score ? b : a));
  const printed = JSON.parse(stdout);
  expect(printed).toMatchObject({ complete: true, trials: 4, best, config: file("tuning", "best.json") });
  expect(printed.start.candidate).toBe(0);

  // What it found is a configuration that train takes, and says what the best trial was trained with.
  const config = readConfig(file("tuning", "best.json"), { out: "model" }, { command: "train" });
  expect(config.finetune).toMatchObject({ epochs: best.budget, dropout: best.settings["finetune.dropout"] ?? 0 });
  expect(fs.readFileSync(file("tuning", "trials.csv"), "utf8").split("\n")).toHaveLength(6);

  // Nothing is trained twice; another search in the same folder is refused.
  const again = await runHere(folder, command);
  expect([again.code, JSON.parse(again.stdout)]).toEqual([0, printed]);
  const other = await runHere(folder, `${command} --seed 1`);
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("the search was begun with")]);
});

test("the test items decide nothing", async () => {
  const [seen] = read("tuning", "search.json").trials;
  // The same dataset as if nobody had test items.
  const real = Dataset.prototype.interactions;
  const spy = vi.spyOn(Dataset.prototype, "interactions").mockImplementation(async function (this: Dataset, split) {
    const matrix = await real.call(this, split);
    return split === "test" ? { ...matrix, indptr: matrix.indptr.map(() => 0), indices: new Int32Array() } : matrix;
  });
  const { code, stdout } = await runHere(
    folder,
    `${tune.replace("@tuning", "@blind")} --trials 1 --rungs 1 --epochs 1 --json`,
  );
  expect(spy).toHaveBeenCalledWith("test");
  spy.mockRestore();
  const { best } = JSON.parse(stdout);
  expect([code, best.score, best.details.metrics]).toEqual([0, seen.score, seen.details.metrics]);
});

test("an exhausted limit of time ends it with what there is", async () => {
  const { code, stdout } = await runHere(folder, `${tune} --space @space.json --json --minutes 0.0000001`);
  expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ trials: 4, complete: true })]);
  const none = await runHere(folder, `${tune.replace("@tuning", "@other")} --minutes 0.0000001`);
  expect([none.code, none.stdout]).toEqual([0, expect.stringContaining("No candidate could be trained")]);
});

test.each([
  ['{ "finetune.dropuot": [0] }', 'unknown key "finetune.dropuot"; did you mean "finetune.dropout"?'],
  ['{ "finetune.dropout": [3] }', "finetune.dropout: found 3"],
  ['{ "finetune.epochs": [3] }', "finetune.epochs cannot be searched"],
  ['{ "finetune.dropout": 3 }', 'finetune.dropout: found 3, expected { "finetune.dropout": [0, 0.1]'],
  [
    '{ "finetune.dropout": { "timesDefault": [1, 2] } }',
    "finetune.dropout: its default is 0, and a multiple of that is no range",
  ],
])("refuses the space %s", async (text, message) => {
  fs.writeFileSync(file("bad.json"), text);
  const { code, stderr } = await runHere(folder, `${tune.replace("@tuning", "@new")} --space @bad.json`);
  expect([code, stderr]).toEqual([2, expect.stringContaining(`bad.json: ${message}`)]);
  expect(fs.existsSync(file("new"))).toBe(false);
});

test("a dataset without validation items, and a folder with other files, are refused", async () => {
  const columns = "--core 0 --validation-share 0";
  await runHere(folder, `prepare --input @data.jsonl ${columns} --out @bare`);
  const bare = await runHere(folder, tune.replace("@data", "@bare"));
  expect([bare.code, bare.stderr]).toEqual([2, expect.stringContaining("has no validation items to choose by")]);
  const used = await runHere(folder, tune.replace("@tuning", "@bare"));
  expect([used.code, used.stderr]).toEqual([2, expect.stringContaining("is not empty and holds other files")]);
});

test("multiples of a default", () => {
  fs.writeFileSync(file("times.json"), '{ "finetune.learningRate": { "timesDefault": [0.5, 2] } }');
  const config = readConfig(undefined, { data: "d", backbone: "b", out: "o", "finetune.learningRate": 0.004 });
  expect(resolveSpace(readSpace(file("times.json")), config, "s")).toEqual({
    "finetune.learningRate": { low: 0.002, high: 0.008, scale: "log" },
  });
});

test("tables of trials", () => {
  const trials = [
    { candidate: 0, settings: {}, budget: 1, score: 0.5, details: { metrics: { "mrr@5": 0.5 }, seconds: 2 } },
    {
      candidate: 1,
      settings: { "finetune.maskedShare": [0.2, 0.8] },
      budget: 1,
      score: null,
      details: { error: 'a "b"' },
    },
    { candidate: 2, settings: { "finetune.maskedShare": 0.5 }, budget: 1, score: 0.7, details: { seconds: 1 } },
    { candidate: 0, settings: {}, budget: 3, score: 0.6, details: { metrics: { "mrr@5": 0.6 }, seconds: 4 } },
  ];
  expect(trialsCsv(trials)).toBe(
    "candidate,epochs,score,mrr@5,seconds,finetune.maskedShare,error\n0,1,0.5,0.5,2.0,,\n" +
      '1,1,,,0.0,"[0.2,0.8]","a ""b"""\n2,1,0.7,,1.0,0.5,\n0,3,0.6,0.6,4.0,,\n',
  );
  expect(
    trialsText(trials)
      .split("\n")
      .map((line) => line.trim().split(/\s{2,}/)),
  ).toEqual([
    ["candidate", "epochs", "score", "settings"],
    ["2", "1", "0.7000", "maskedShare 0.5"],
    ["0", "3", "0.6000", "the settings to start from"],
    [""],
  ]);
});
