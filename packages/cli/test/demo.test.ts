// `cllm4rec demo` as a user runs it, and that what is bundled for it is what the committed generators make.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { expectClose } from "@cllm4rec/testing";
import { byteLevelBpe } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { textLoss } from "@cllm4rec/training/language-model";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lmCorpus } from "../scripts/shop/lm-corpus.mjs";
import { sampleData } from "../scripts/shop/sample-data.mjs";
import { trainBpe } from "../scripts/train-bpe.mjs";
import { describeDemo } from "../src/demo/describe.js";
import { type Outcome, runCli, runIn } from "./run-cli.js";

const embedded = (...names: string[]) =>
  path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "embedded", ...names);
const fixture = (name: string) =>
  JSON.parse(fs.readFileSync(path.join(path.dirname(fileURLToPath(import.meta.url)), "fixtures", name), "utf8"));

/** The settings of the demo for fewer epochs: every command of it, in less time. */
function writeShortSettings(file: string, more: object = {}): void {
  const settings = JSON.parse(fs.readFileSync(embedded("demo.json"), "utf8"));
  fs.writeFileSync(file, JSON.stringify({ ...settings, finetune: { ...settings.finetune, epochs: 2 }, ...more }));
}

const lmText = lmCorpus("train");

describe("the sample data", () => {
  const data = sampleData();

  test.each(["reviews", "items"] as const)("%s.jsonl.gz is what the generator makes, byte for byte", (name) => {
    const bundled = gunzipSync(fs.readFileSync(embedded("sample-data", `${name}.jsonl.gz`)));
    expect(bundled.equals(Buffer.from(data[name]))).toBe(true);
  });

  test("another seed makes another shop", () => {
    expect(sampleData(1).reviews).not.toBe(data.reviews);
  });

  test("shares no title with the text of the LM", () => {
    const titles = new Set(
      data.items
        .trimEnd()
        .split("\n")
        .map((line): string => JSON.parse(line).title),
    );
    const text = lmText.join("\n");
    expect(text).toContain("The user has interacted with");
    expect([...titles].filter((title) => text.includes(title))).toEqual([]);
  });
});

test("the BPE trainer merges as Hugging Face's does", () => {
  const { texts, size, vocab, merges } = fixture("tiny-lm.json").bpe;
  expect(trainBpe(texts, { size, specialTokens: ["<|endoftext|>"] })).toEqual({ vocab, merges });
});

describe("the tiny LM", () => {
  const said = JSON.parse(fs.readFileSync(embedded("tiny-lm", "training.json"), "utf8"));

  test("fits into four megabytes, and its tokenizer is the one that its text gives", () => {
    const files = fs.readdirSync(embedded("tiny-lm"));
    const bytes = files.map((file) => fs.statSync(embedded("tiny-lm", file)).size);
    expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThan(4 * 2 ** 20);
    const { vocab, merges } = trainBpe(lmText, { size: 2048, specialTokens: ["<|endoftext|>"] });
    const written = JSON.parse(fs.readFileSync(embedded("tiny-lm", "tokenizer.json"), "utf8"));
    expect(written).toEqual(JSON.parse(JSON.stringify(byteLevelBpe({ vocab, merges }))));
  });

  test("knows the held-out text as well as its card says, and computes what transformers computes", async () => {
    const backbone = await Backbone.open(embedded("tiny-lm"));
    const model = new BaseModel(backbone, { users: 0, items: 0 });
    const { tokenizer } = await loadTokenizer(embedded("tiny-lm"));
    const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids;
    const tokens = lmCorpus("heldOut").flatMap((text) => [0, ...encode(text)]);
    // A tenth of the text will do.
    const { loss } = await textLoss(model, tokens.slice(0, 7000), { length: 256 });
    expect(Math.exp(loss)).toBeLessThan(1.15 * said.heldOut.perplexity);
    expect(said.heldOut.unigramPerplexity).toBeGreaterThan(20 * said.heldOut.perplexity);

    const { texts } = fixture("tiny-lm.json");
    for (const { text, ids, loss: expected, logits } of texts) {
      expect(encode(text)).toEqual(ids);
      const none = { rows: 0, data: new Float32Array() };
      const tables = { users: none, items: none };
      const document = { ids: ids.slice(0, -1), targets: ids.slice(1) };
      const result = await model.nextWordLoss([document], tables, { gradients: false });
      expectClose([result.loss], [expected], { rtol: 1e-4, label: text });
      const ours = await model.nextWordLogits([ids], tables);
      expectClose(ours.slice(0, logits.length), logits, { rtol: 1e-3, atol: 1e-3, label: text });
    }
    await model.dispose();
    await backbone.dispose();
  });
});

test("ids and titles with line ends stay on one line of the demo's text", () => {
  const item = { item: "i", title: "one\ntwo\u001b[2J" };
  const text = describeDemo({
    ...{ data: "d", model: "m", report: "r", seed: 0, users: 1, metrics: {}, baselines: [], seconds: 1 },
    recommendations: [{ user: "u\nv", history: [item], recommended: [{ ...item, score: 1, found: false }] }],
  });
  expect(text).toContain("u\\u000av has bought\n    one\\u000atwo\\u001b[2J\n");
  expect(text).toContain("  1  one\\u000atwo");
});

describe("cllm4rec demo", () => {
  let folder = "";
  let first: Outcome;
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-demo-"));
    writeShortSettings(path.join(folder, "short.json"));
    first = await runCli(folder, ["demo", "--config", "short.json", "--json"]);
  }, 240_000);
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  test("learns to recommend: far better than popularity, with items of the user's own kind", () => {
    expect(first.code, first.stderr).toBe(0);
    const result = JSON.parse(first.stdout);
    expect(first.stdout.trimEnd()).not.toContain("\n");
    const names = result.baselines.map(({ name }: { name: string }) => name);
    expect(names.slice(0, 2)).toEqual(["most popular", expect.stringContaining("item KNN")]);
    expect(names.slice(-2)).toEqual([expect.stringMatching(/^EASE \(/), expect.stringMatching(/^EASE with text \(/)]);
    for (const metric of ["recall@20", "recall@40", "ndcg@100"])
      expect(result.metrics[metric], metric).toBeGreaterThan(1.4 * result.baselines[0].metrics[metric]);
    expect(result.users).toBeGreaterThan(500);
    expect(result.recommendations).toHaveLength(3);
    for (const { history, recommended } of result.recommendations) {
      expect(recommended).toHaveLength(5);
      const bought = history.map(({ item }: { item: string }) => item);
      for (const { item, title, score } of recommended) {
        expect(bought).not.toContain(item);
        expect(title).toMatch(/^\w+ (plain|rustic|colourful|vintage|sturdy|elegant) /);
        expect(score).toBeTypeOf("number");
      }
    }
    expect(fs.readFileSync(path.join(folder, result.report), "utf8")).toMatch(/^<!doctype html>/i);
  });

  test("the same command again has nothing left to train, and tells people what to do next", async () => {
    writeShortSettings(path.join(folder, "again.json"), { report: "none" });
    const { code, stdout, stderr } = await runIn(folder, ["demo", "--config", "again.json"]);
    expect(code, stderr).toBe(0);
    const { metrics } = JSON.parse(first.stdout);
    expect(stdout).toMatch(new RegExp(`^  CLLM4Rec +${metrics["recall@20"].toFixed(4)} `, "m"));
    // Who is best by recall@20 is what the figures say.
    const { baselines } = JSON.parse(first.stdout);
    const rows: { name: string; metrics: Record<string, number> }[] = [{ name: "CLLM4Rec", metrics }, ...baselines];
    const best = rows.toSorted((a, b) => b.metrics["recall@20"]! - a.metrics["recall@20"]!)[0]!;
    expect(stdout).toContain(`  ${best.name} is best by recall@20`);
    for (const name of ["prepare", "train", "evaluate", "baselines", "recommend"])
      expect(stdout).toMatch(new RegExp(`^\\$ .*cllm4rec (-- )?${name} --`, "m"));
    expect(stdout).toContain("The report, for a browser: cllm4rec-demo/model/report.html\n");
    expect(stdout).toContain("made up");
    expect(stdout).toMatch(/--backbone HuggingFaceTB\/SmolLM2-135M/);
    expect(stderr).not.toContain("epoch 1/");
  }, 120_000);

  test("a folder that holds something else is left alone", async () => {
    fs.mkdirSync(path.join(folder, "mine", "data"), { recursive: true });
    fs.writeFileSync(path.join(folder, "mine", "data", "letter.txt"), "dear");
    const { code, stderr } = await runIn(folder, ["demo", "--out", "mine", "--json"]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^error: .*mine\/data/m);
    expect(fs.readdirSync(path.join(folder, "mine", "data"))).toEqual(["letter.txt"]);
  });
});
