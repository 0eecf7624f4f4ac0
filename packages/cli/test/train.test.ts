// From choices to recommendations as a user or a script has it: train as a process of its own, and where signals and
// locks matter; the other commands in this process.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { csrRow, Dataset } from "@cllm4rec/corpus";
import { readModel } from "@cllm4rec/training/model";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ITEMS, type Outcome, runCli, runIn, USERS, writeBackbone, writeChoices } from "./run-cli.js";

let folder = "";
const file = (...names: string[]) => path.join(folder, ...names);
const cllm4rec = (...args: string[]): Promise<Outcome> => runIn(folder, args);
const json = (name: string) => JSON.parse(fs.readFileSync(file(name), "utf8"));

/** The one line that says what is wrong, after the exit code, with nothing on stdout and no stack trace. */
function failure({ code, stdout, stderr }: Outcome): string {
  expect(stdout).toBe("");
  expect(stderr).not.toMatch(/^ +at /m);
  const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors).toHaveLength(1);
  return `${code} ${errors[0]}`;
}

const COMMON = "--data data --backbone backbone --seed 3";
const RATES = "--batch 4 --learning-rate 0.05 --prior-deviation 0.5 --lambda-c 0.01 --validate-every 4";
const TRAIN = `--method paper --report none ${COMMON} ${RATES}`.split(" ");
const EPOCHS = 8;
const SHORT = `--warm-up-epochs 2 --rounds 2 --epochs ${EPOCHS} --pretrain-learning-rate 0.02`.split(" ");

let trained: Outcome;
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-train-"));
  await writeBackbone(file("backbone"));
  for (const [name, shift] of [["data", 0] as const, ["other", 1] as const]) {
    writeChoices(file(`${name}.jsonl`), shift);
    const columns = ["--columns", "user=user,item=item,text=text", "--core", "0", "--out", name];
    expect((await cllm4rec("prepare", "--input", `${name}.jsonl`, ...columns)).code).toBe(0);
  }
  trained = await runCli(folder, ["train", ...TRAIN, ...SHORT, "--out", "model", "--json"]);
}, 240_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe("train", () => {
  test("prints one object: what was found on validation, and what each stage did", () => {
    expect(trained.stderr).not.toContain("error");
    expect(trained.code).toBe(0);
    expect(trained.stdout.trimEnd()).not.toContain("\n");
    const printed = JSON.parse(trained.stdout);
    expect(printed).toMatchObject({ out: "model", seed: 3, users: USERS, items: ITEMS });
    expect(Object.keys(printed.validation)).toEqual(["recall@20", "recall@40", "ndcg@100"]);
    expect(printed.stages.pretrain).toMatchObject({ reason: "finished" });
    expect(printed.stages.finetune.reason).toBe("finished");
    // By chance 20 of the 73 items that are not in the history: 0.27.
    expect(printed.validation["recall@20"]).toBeGreaterThan(0.45);
  });

  test("says what it does in one line an epoch, on stderr, without a terminal's codes", () => {
    expect(trained.stderr.match(/^pretrain: warm-up epoch \d\/2, warm-up loss \d+\.\d{4}, /gm)).toHaveLength(2);
    expect(trained.stderr.match(/^pretrain: round \d, l-step loss .*, c-step loss /gm)).toHaveLength(2);
    expect(trained.stderr.match(/^finetune: epoch \d+\/8, rec-step loss /gm)).toHaveLength(EPOCHS);
    expect(trained.stderr.match(/^finetune: .*validation recall@20 0\.\d{4} /gm)).toHaveLength(EPOCHS / 4);
    expect(trained.stderr).not.toContain("\u001b");
  });

  test("writes configuration, versions and seed, and its events for people and TensorBoard", () => {
    const run = json("model/run.json");
    expect(run).toMatchObject({
      format: "cllm4rec-run",
      seed: 3,
      stages: ["pretrain", "finetune"],
      config: {
        finetune: { epochs: EPOCHS, maskedShare: [0.2, 0.8], targets: "held-out", userToken: false, dropout: 0 },
      },
      versions: { node: process.versions.node },
    });
    const events = fs.readFileSync(file("model", "events.jsonl"), "utf8").trimEnd().split("\n");
    const types = new Set(events.map((line) => JSON.parse(line).type));
    expect([...types].sort()).toEqual(["checkpoint", "round", "run-ended", "run-started", "step", "validation"]);
    expect(fs.readdirSync(file("model", "tensorboard"))).toEqual([expect.stringMatching(/tfevents/)]);
  });

  test("the same command again finds nothing left to do and changes no bit of the model", async () => {
    const before = fs.readFileSync(file("model", "embeddings.safetensors"));
    const { code, stdout, stderr } = await cllm4rec("train", ...TRAIN, ...SHORT, "--out", "model", "--json");
    expect(code).toBe(0);
    expect(stderr).toContain(`finetune: resumes after update ${JSON.parse(trained.stdout).stages.finetune.updates}`);
    expect(JSON.parse(stdout).validation).toEqual(JSON.parse(trained.stdout).validation);
    expect(fs.readFileSync(file("model", "embeddings.safetensors")).equals(before)).toBe(true);
  });

  test("interrupted in either stage, the same command ends with the same bits", async () => {
    const args = ["train", ...TRAIN, ...SHORT, "--out", "again", "--json"];
    for (const after of ["pretrain: warm-up epoch 1/2", "finetune: epoch 2/8"]) {
      const { code, stdout, stderr } = await runCli(folder, args, { signal: "SIGINT", after });
      expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
      expect(stderr).toContain("interrupted: everything is saved in again; run the same command to resume\n");
    }
    expect((await cllm4rec(...args)).code).toBe(0);
    for (const name of [
      "embeddings.safetensors",
      "training-state/pretrain.safetensors",
      "training-state/finetune.safetensors",
    ]) {
      expect(fs.readFileSync(file("again", name)).equals(fs.readFileSync(file("model", name))), name).toBe(true);
    }
  });

  test("one run at a time writes to a directory, and one that was killed does not keep it", async () => {
    const lock = file("locked", "lock.json");
    const running = runCli(folder, ["train", ...TRAIN, "--minutes", "5", "--out", "locked"]);
    const child = await vi.waitFor(() => Number(JSON.parse(fs.readFileSync(lock, "utf8")).process), 20_000);
    expect(failure(await cllm4rec("train", ...TRAIN, "--minutes", "5", "--out", "locked"))).toMatch(
      new RegExp(`^2 .*locked: is being written by process ${child} .*; wait for it, or choose another --out`),
    );
    process.kill(child, "SIGKILL");
    expect((await running).code).toBe(null);
    expect(fs.existsSync(lock)).toBe(true);
    expect((await cllm4rec("train", ...TRAIN, "--minutes", "0.001", "--out", "locked")).code).toBe(0);
    expect(fs.existsSync(lock)).toBe(false);
  });

  test("finetuning alone takes its start, and the content that it is drawn towards, from texts", async () => {
    const args = ["finetune", ...TRAIN, "--text-share", "1", "--epochs", "1", "--json"];
    fs.writeFileSync(file("still.json"), JSON.stringify({ finetune: { contentSteps: 0 } }));
    const { code, stderr } = await cllm4rec(...args, "--config", "still.json", "--out", "from-texts");
    expect({ code, notice: stderr.includes("No content is learned") }).toEqual({ code: 0, notice: true });
    const { content, collaborative } = (await readModel(file("from-texts"))).tables;
    const start = content!.items.data;
    // The words of the reviews tell the two tastes apart, and nothing else; training moved the collaborative side
    // alone.
    const rows = Array.from({ length: ITEMS }, (_, j) => start.subarray(j * 16, (j + 1) * 16).join());
    expect(new Set(rows.filter((row) => !row.startsWith("0,0,0"))).size).toBe(2);
    expect(collaborative.items.data).not.toEqual(start);
    writeChoices(file("wordless.jsonl"), 0, { texts: false });
    await cllm4rec(
      ..."prepare --input wordless.jsonl --columns user=user,item=item --core 0 --out wordless".split(" "),
    );
    expect(failure(await cllm4rec(...args, "--data", "wordless", "--out", "no-words"))).toMatch(
      /^2 .*textShare is 1, and wordless has no texts of the kinds reviews, item-texts, user-texts; /,
    );
  });

  test("a pretraining that ran out of time leaves what finetuning can begin with", async () => {
    const pretrained = await cllm4rec(
      "pretrain",
      ...COMMON.split(" "),
      "--minutes",
      "0.01",
      "--out",
      "short",
      "--json",
    );
    expect(JSON.parse(pretrained.stdout).stages).toMatchObject({ pretrain: { reason: "time" } });
    const finetuned = await cllm4rec("finetune", ...TRAIN, "--epochs", "1", "--from", "short", "--out", "from-short");
    expect(finetuned.code).toBe(0);
    const before = fs.readdirSync(file("short"));
    expect(failure(await cllm4rec("finetune", ...TRAIN, "--from", "short", "--out", "short"))).toBe(
      "2 error: --from and --out are both short; finetuning would overwrite what it began with, choose another --out",
    );
    expect(fs.readdirSync(file("short"))).toEqual(before);
  });

  test("time limits the stages; with more of it the run resumes", async () => {
    const args = ["train", ...TRAIN, "--out", "timed", "--json"];
    const first = JSON.parse((await cllm4rec(...args, "--minutes", "0.03")).stdout);
    expect(first.stages).toMatchObject({ pretrain: { reason: "time" }, finetune: { reason: "time" } });
    const second = JSON.parse((await cllm4rec(...args, "--minutes", "0.05")).stdout);
    expect(second.stages.pretrain).toEqual(first.stages.pretrain);
    expect(second.stages.finetune.updates).toBeGreaterThan(first.stages.finetune.updates);
    expect(second.stages.finetune.seconds).toBeGreaterThan(first.stages.finetune.seconds);
  });

  test("the stages one by one, settings in a file", async () => {
    const settings = {
      data: "data",
      backbone: "backbone",
      priorDeviation: 0.3,
      pretrain: { warmUpEpochs: 1, rounds: 1 },
    };
    fs.writeFileSync(file("pretrain.json"), JSON.stringify({ ...settings, seed: 8, out: "elsewhere" }));
    const one = await cllm4rec("pretrain", "--config", "pretrain.json", "--out", "first", "--rounds", "2", "--json");
    expect(one.code).toBe(0);
    expect(json("first/run.json")).toMatchObject({
      seed: 8,
      config: { out: "first", pretrain: { warmUpEpochs: 1, rounds: 2 } },
    });
    expect(fs.existsSync(file("elsewhere"))).toBe(false);
    const two = await cllm4rec("finetune", ...TRAIN, "--epochs", "2", "--from", "first", "--out", "second", "--json");
    expect(two.stderr).toContain("c-step loss"); // the content tables of the first keep learning
    expect(JSON.parse(two.stdout).stages).toMatchObject({ finetune: { reason: "finished" } });
  });
});

describe("evaluate", () => {
  test("on validation finds again what training found; on test, users and the paper's metrics", async () => {
    const validation = await cllm4rec("evaluate", "--model", "model", "--split", "validation", "--json");
    expect(JSON.parse(validation.stdout).metrics).toEqual(JSON.parse(trained.stdout).validation);
    const { code, stdout } = await cllm4rec("evaluate", "--model", "model", "--json");
    expect(code).toBe(0);
    const printed = JSON.parse(stdout);
    expect(stdout.trimEnd()).not.toContain("\n");
    expect(Object.keys(printed).slice(0, 2)).toEqual(["users", "metrics"]);
    expect(printed).toMatchObject({ users: USERS, split: "test" });
    expect(Object.keys(printed.metrics)).toEqual(["recall@20", "recall@40", "ndcg@100"]);
    // Worked out from the recommendations themselves: hits in 20 over min(20, test items).
    const dataset = await Dataset.open(file("data"));
    const [held, users, items] = [
      await dataset.interactions("test"),
      await dataset.rawUserIds(),
      await dataset.rawItemIds(),
    ];
    dataset.close();
    const request = ["-k", "20", "--json", "--known", "train", "--user", ...users];
    const lines = (await cllm4rec("recommend", "--model", "model", ...request)).stdout;
    const recalls = lines
      .trimEnd()
      .split("\n")
      .map((line, user) => {
        const wanted = Array.from(csrRow(held, user), (item) => items[item]!);
        const found: { user: string; items: { item: string }[] } = JSON.parse(line);
        expect(found.user).toBe(users[user]);
        return found.items.filter(({ item }) => wanted.includes(item)).length / Math.min(20, wanted.length);
      });
    expect(recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length).toBeCloseTo(
      printed.metrics["recall@20"],
      10,
    );
  });

  test("several models are one: their logits are averaged, by evaluate and by recommend", async () => {
    const settings = `--method paper --data data --backbone backbone --seed 4 ${RATES} --epochs 8 --report none`.split(
      " ",
    );
    expect(await cllm4rec("finetune", ...settings, "--out", "seed-4")).toMatchObject({ code: 0 });
    const scores = async (...models: string[]): Promise<ReadonlyMap<string, number>> => {
      // one item: the order that the seed decides is no matter
      const request = ["--history", "i3", "-k", `${ITEMS}`, "--json"];
      const { stdout } = await cllm4rec("recommend", "--model", ...models, ...request);
      const { items }: { items: { item: string; score: number }[] } = JSON.parse(stdout);
      return new Map(items.map(({ item, score }) => [item, score]));
    };
    const [one, other, both] = [await scores("model"), await scores("seed-4"), await scores("model", "seed-4")];
    expect(both.size).toBe(ITEMS - 1);
    for (const [item, score] of both) expect(score).toBeCloseTo((one.get(item)! + other.get(item)!) / 2, 3);
    const evaluated = await cllm4rec("evaluate", "--model", "model", "seed-4", "--per-user", "users.json", "--json");
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ users: USERS, model: ["model", "seed-4"] });
    expect(json("users.json").metrics).toEqual(JSON.parse(evaluated.stdout).metrics);
    const token = ["--user-token", "--out", "seed-4-user-token"];
    expect(await cllm4rec("finetune", ...settings, ...token)).toMatchObject({ code: 0 });
    expect(failure(await cllm4rec("evaluate", "--model", "model", "seed-4-user-token"))).toBe(
      "1 error: seed-4-user-token: has another prompt than model; the models of an ensemble may differ only in " +
        "their training",
    );
  });

  test("without --json: a table with intervals", async () => {
    const { stdout } = await cllm4rec("evaluate", "--model", "model");
    expect(stdout).toMatch(/recall@20 +0\.\d+ +\[0\.\d+, \d\.\d+\]/);
  });

  test("moved folders are found by --data and --backbone, and only if they are the same", async () => {
    fs.cpSync(file("data"), file("moved-data"), { recursive: true });
    fs.cpSync(file("backbone"), file("moved-backbone"), { recursive: true });
    fs.cpSync(file("backbone"), file("other-backbone"), { recursive: true });
    fs.appendFileSync(file("other-backbone", "tokenizer.json"), " ");
    const evaluate = (...args: string[]) => cllm4rec("evaluate", "--model", "model", "--json", ...args);
    const here = await evaluate();
    const moved = await evaluate("--data", "moved-data", "--backbone", "moved-backbone");
    expect(moved.stdout).toBe(here.stdout);
    // White space changes nothing; a token does.
    expect((await evaluate("--backbone", "other-backbone")).stdout).toBe(here.stdout);
    const tokenizer = fs.readFileSync(file("backbone", "tokenizer.json"), "utf8");
    fs.writeFileSync(
      file("other-backbone", "tokenizer.json"),
      tokenizer.replace('"a":97', '"a":98').replace('"b":98', '"b":97'),
    );
    expect(failure(await evaluate("--backbone", "other-backbone"))).toMatch(
      /^1 .*other-backbone: found a tokenizer with hash/,
    );
    fs.writeFileSync(file("other-backbone", "tokenizer.json"), tokenizer);
    const config = JSON.parse(fs.readFileSync(file("backbone", "config.json"), "utf8")) as Record<string, unknown>;
    const changed = { ...config, layer_norm_epsilon: 1e-4 }; // the default is 1e-5
    fs.writeFileSync(file("other-backbone", "config.json"), JSON.stringify(changed));
    expect(failure(await evaluate("--backbone", "other-backbone"))).toMatch(
      /^1 .*other-backbone: found a config\.json with hash/,
    );
    expect(failure(await evaluate("--data", "other"))).toMatch(
      /^1 .*other: found a dataset with content hash .*give that one as --data/,
    );
    expect(failure(await evaluate("--backbone", "data"))).toMatch(/^1 .*data.*config\.json/);
  });
});

describe("recommend", () => {
  const recommend = (...args: string[]) => cllm4rec("recommend", "--model", "model", "--json", ...args);

  test("one line a user, in the order asked for; nothing of the history, best first", async () => {
    const { code, stdout } = await recommend("--user", "u5", "u2", "--user", "u0", "-k", "7");
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ user }) => user)).toEqual(["u5", "u2", "u0"]);
    const dataset = await Dataset.open(file("data"));
    const known = await dataset.interactions("train");
    const [users, items] = [await dataset.rawUserIds(), await dataset.rawItemIds()];
    dataset.close();
    for (const { user, items: found } of lines) {
      const history = Array.from(csrRow(known, users.indexOf(user)), (item) => items[item]);
      expect(found).toHaveLength(7);
      for (const [rank, { item, score }] of found.entries()) {
        expect(history).not.toContain(item);
        if (rank > 0) expect(score).toBeLessThanOrEqual(found[rank - 1].score);
      }
    }
  });

  test("the model directory holds what it needs: without the dataset the answer is the same", async () => {
    const here = await recommend("--user", "u5", "-k", "7");
    fs.renameSync(file("data"), file("data-away"));
    const { code, stdout, stderr } = await recommend("--user", "u5", "-k", "7");
    fs.renameSync(file("data-away"), file("data"));
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: here.stdout, stderr: "" });
  });

  test("a history is enough for someone whom the model does not know", async () => {
    const { code, stdout } = await recommend("--user", "stranger", "--history", "i0", "i3", "i6", "-k", "3");
    expect(code).toBe(0);
    const { user, items } = JSON.parse(stdout);
    expect(user).toBe("stranger");
    expect(items).toHaveLength(3);
    for (const { item } of items) expect(["i0", "i3", "i6"]).not.toContain(item);
    expect(JSON.parse((await recommend("--history", "i0", "i3", "i6", "-k", "3")).stdout)).toEqual({
      user: null,
      items,
    });
  });

  test("unknown users and items, and nobody at all, are one clear error", async () => {
    expect(failure(await recommend("--user", "u1", "nobody"))).toMatch(
      /^1 error: model: unknown user "nobody"; .*--history/,
    );
    expect(failure(await recommend("--history", "i1", "i999"))).toMatch(
      /^1 error: model: unknown item "i999" in --history/,
    );
    expect(failure(await recommend())).toMatch(/^2 error: found no users/);
    expect(failure(await recommend("--user", "u1", "-k", "0"))).toMatch(/^2 .*An integer from 1 on/);
    expect(failure(await recommend("--user", "u1", "u2", "--history", "i1"))).toMatch(
      /^2 error: --history is one user's/,
    );
  });
});

describe("errors", () => {
  test.each<[string, object | string, RegExp]>([
    [
      "an unknown key",
      { finetune: { epoch: 3 } },
      /c\.json: unknown key "finetune\.epoch"; did you mean "finetune\.epochs"\?/,
    ],
    ["another one", { sead: 3 }, /unknown key "sead"; did you mean "seed"\?/],
    ["a key like no other", { zzzzzzzz: 3 }, /unknown key "zzzzzzzz"; known here: data, backbone/],
    ["a wrong type", { finetune: { epochs: "ten" } }, /finetune\.epochs: found "ten"\. .*expected/],
    ["a missing setting", { backbone: "backbone" }, /c\.json: no data; give --data/],
    ["a file that is no JSON", "{", /c\.json: is not JSON/],
  ])("%s in the configuration", async (_, content, message) => {
    fs.writeFileSync(file("c.json"), typeof content === "string" ? content : JSON.stringify(content));
    const said = failure(await cllm4rec("train", "--config", "c.json", "--out", "x"));
    expect(said).toMatch(/^2 /);
    expect(said).toMatch(message);
    expect(fs.existsSync(file("x"))).toBe(false);
  });

  test("a run is not continued with other settings or other data", async () => {
    const train = (...args: string[]) => cllm4rec("train", ...TRAIN, ...SHORT, "--out", "model", ...args);
    const before = fs.readFileSync(file("model", "run.json"), "utf8");
    expect(failure(await train("--learning-rate", "0.01"))).toMatch(
      /^2 error: model\/run\.json: the run was begun with finetune\.learningRate 0\.05, now it is 0\.01; give the same to resume, or another --out/,
    );
    expect(failure(await train("--no-pretrain"))).toMatch(/^2 .*the stages pretrain, finetune, now they are finetune/);
    expect(failure(await train("--data", "other"))).toMatch(/^2 .*other has other content/);
    expect(fs.readFileSync(file("model", "run.json"), "utf8")).toBe(before);
  });

  test("folders that are no dataset, backbone or model are named", async () => {
    expect(failure(await cllm4rec("train", "--data", "backbone", "--backbone", "backbone", "--out", "x"))).toMatch(
      /^1 error: backbone is not a prepared dataset/,
    );
    expect(failure(await cllm4rec("train", "--data", "data", "--backbone", "./nowhere", "--out", "x"))).toMatch(
      /^1 error: .*nowhere: no such directory/,
    );
    expect(failure(await cllm4rec("evaluate", "--model", "data"))).toMatch(/^1 error: data\/embeddings\.safetensors/);
    expect(fs.existsSync(file("x"))).toBe(false);
  });
});

test("help of each command has examples and goes to stdout", async () => {
  for (const name of ["train", "pretrain", "finetune", "evaluate", "compare", "recommend"]) {
    const { code, stdout, stderr } = await cllm4rec(name, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`$ cllm4rec ${name} --`);
  }
});
