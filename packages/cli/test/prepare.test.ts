// `cllm4rec prepare`: output streams, exit codes, interruption, and what is left on disk; as a process of its own where
// its streams and signals matter.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Dataset } from "@cllm4rec/corpus";
import { sharedPath } from "@cllm4rec/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, runCli, runIn } from "./run-cli.js";

const BIN = fileURLToPath(new URL("../dist/bin.js", import.meta.url));

let folder = "";
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const file = (name: string) => path.join(folder, name);

const cllm4rec = (args: readonly string[]): Promise<Outcome> => runIn(folder, args);

/** 10 users and 10 items, every rating above 3 but one in ten, and one pair twice. */
function writeReviews(name: string, extra: readonly string[] = []): string {
  const lines = Array.from({ length: 100 }, (_, k) =>
    JSON.stringify({
      reviewerID: `user${k % 10}`,
      asin: `item${Math.floor(k / 10)}`,
      overall: k % 10 === Math.floor(k / 10) ? 2 : 5,
      reviewText: `review ${k}`,
      unixReviewTime: 1000 + k,
    }),
  );
  lines.push(
    JSON.stringify({ reviewerID: "user3", asin: "item3", overall: 4, reviewText: "again", unixReviewTime: 5000 }),
  );
  fs.writeFileSync(file(name), `${[...lines, ...extra].join("\n")}\n`);
  return name;
}

describe("files as they come", () => {
  test("by position, in Latin-1, with quotes as text", async () => {
    fs.writeFileSync(file("plain.txt"), Buffer.from('10;Zoë;"a\n20;Zoë;b\n', "latin1"));
    const { code, stdout } = await cllm4rec([
      ...["prepare", "--input", "plain.txt", "--columns", "user=2,item=3,timestamp=1", "--encoding", "latin-1"],
      ...["--quote", "none", "--core", "0", "--out", "plain", "--json"],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ users: 1, items: 2, records: 2, malformed: 0, format: "csv" });
    const dataset = await Dataset.open(file("plain"));
    expect(await dataset.rawUserIds()).toEqual(["Zoë"]);
    expect(await dataset.rawItemIds()).toEqual(['"a', "b"]);
    dataset.close();
  });

  test("a quote that is never closed is named with its line, and the flags that help", async () => {
    const lines = Array.from({ length: 40 }, (_, k) => `u${k},i${k},${k === 9 ? '"oops' : "fine"}`);
    fs.writeFileSync(file("oops.csv"), `user,item,text\n${lines.join("\n")}\n`);
    const { code, stderr } = await cllm4rec(["prepare", "--input", "oops.csv", "--core", "0", "--out", "oops"]);
    expect(code).toBe(1);
    expect(stderr).toContain("31 of 40 records are malformed");
    expect(stderr).toContain("line 11, opens a quote that is never closed: lines 12 to 41 are swallowed");
    expect(stderr).toContain('raise --max-malformed. --quote "none" takes quotes for text.');
    expect(stderr).not.toContain("`");
    expect(fs.existsSync(file("oops"))).toBe(false);
  });

  test("metadata in another format than the interactions is said to be", async () => {
    fs.writeFileSync(file("few.csv"), "user,item\nu,a\n");
    fs.writeFileSync(file("few.json"), JSON.stringify([{ item: "a", title: "A", average_rating: 4 }]));
    const { code, stderr, stdout } = await cllm4rec([
      ...["prepare", "--input", "few.csv", "--meta", "few.json", "--core", "0", "--out", "few", "--json"],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ itemTexts: 1 });
    expect(stderr).toContain("format of few.json: json (recognised)");
    expect(stderr).toContain("sums of reviews: average_rating. --meta-columns names what is text");
  });
});

describe("a good run", () => {
  test("--json: stdout is exactly one object with the documented keys; the rest goes to stderr", async () => {
    const input = writeReviews("good.json", ["{broken"]);
    const args = `prepare --input ${input} --min-rating 3 --core 5 --seed 7 --out good --json`;
    const { code, stdout, stderr } = await runCli(folder, args.split(" "));
    expect(code).toBe(0);
    expect(stdout.endsWith("}\n")).toBe(true);
    expect(stdout.trimEnd()).not.toContain("\n");
    expect(JSON.parse(stdout)).toMatchObject({
      users: 10,
      items: 10,
      interactions: 91,
      train: 71,
      validation: 10,
      test: 10,
      records: 102,
      malformed: 1,
      duplicates: 1,
      belowRating: 9,
      outsideCore: 0,
      format: "amazon-2014",
      seed: 7,
      out: "good",
    });
    expect(stderr).toContain("format: amazon-2014 (recognised)");
    expect(stderr).toContain("malformed: good.json, line 102, is not of the format: {broken");
    const dataset = await Dataset.open(file("good"), { verify: "full" });
    expect(dataset.manifest.interactions).toBe(91);
    dataset.close();
    expect(fs.readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("without --json: Table 3's figures", async () => {
    const { code, stdout } = await cllm4rec(["prepare", "--input", writeReviews("table.json"), "--out", "table"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/interactions +91 {2}train 71, validation 10, test 10/);
    expect(stdout).toMatch(/sparsity +9\.00%/);
    expect(stdout).toMatch(/records read +101 {2}1 duplicates, 9 not above rating 3/);
  });

  test("several inputs, options repeated, columns mapped, a CSV and its metadata", async () => {
    fs.writeFileSync(file("a.csv"), "uid,sku\nu,a\nu,b\nu,c\n");
    fs.writeFileSync(file("b.csv"), "uid,sku\nv,a\nv,b\n");
    fs.writeFileSync(file("m.csv"), "sku,name\na,Alpha\n");
    const args = [
      "prepare",
      "--input",
      "a.csv",
      "--input",
      "b.csv",
      "--meta",
      "m.csv",
      "--columns",
      "user=uid,item=sku",
      "--meta-columns",
      "item=sku,title=name",
    ];
    const { code, stdout } = await cllm4rec([
      ...args,
      "--core",
      "0",
      "--split",
      "leave-one-out",
      "--out",
      "columns",
      "--json",
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      users: 2,
      items: 3,
      train: 2,
      validation: 1,
      test: 2,
      itemTexts: 1,
      minRating: null,
    });
  });

  test("--split cllm4rec has a seed of its own; a given split without validation names the flag that draws one", async () => {
    const paper = await cllm4rec(
      `prepare --input ${writeReviews("paper.json")} --split cllm4rec --out paper --json`.split(" "),
    );
    expect(paper.stderr).toContain("warning: 1 records repeat a (user, item) pair");
    expect(JSON.parse(paper.stdout)).toMatchObject({
      split: "cllm4rec",
      seed: 98_765,
      train: 71,
      validation: 10,
      test: 10,
    });
    fs.mkdirSync(file("lightgcn"));
    fs.writeFileSync(file("lightgcn/train.txt"), "0 0 1 2\n1 1 2\n");
    fs.writeFileSync(file("lightgcn/test.txt"), "0 3\n1 0\n");
    const args = ["prepare", "--input", "lightgcn", "--json", "--out"];
    const without = await cllm4rec([...args, "given"]);
    expect(JSON.parse(without.stdout)).toMatchObject({ split: "given", train: 5, validation: 0, test: 2 });
    expect(without.stderr).toMatch(/warning: lightgcn has no file for validation.* With --validation-share a share/);
    const drawn = await cllm4rec([...args, "drawn", "--validation-share", "0.1"]);
    expect(JSON.parse(drawn.stdout)).toMatchObject({ split: "given", train: 3, validation: 2, test: 2 });
    expect(drawn.stderr).not.toContain("warning");
  });

  test("--force replaces a dataset, and only a dataset", async () => {
    const input = writeReviews("force.json");
    expect((await cllm4rec(["prepare", "--input", input, "--out", "force"])).code).toBe(0);
    const refused = await cllm4rec(["prepare", "--input", input, "--core", "0", "--out", "force"]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("error: force already holds a dataset");
    const replaced = await cllm4rec([
      "prepare",
      "--input",
      input,
      "--min-rating",
      "none",
      "--out",
      "force",
      "--force",
      "--json",
    ]);
    expect(JSON.parse(replaced.stdout)).toMatchObject({ interactions: 100, minRating: null });
    fs.mkdirSync(file("precious"));
    fs.writeFileSync(file("precious/thesis.txt"), "x");
    expect((await cllm4rec(["prepare", "--input", input, "--out", "precious", "--force"])).code).toBe(2);
    expect(fs.readdirSync(file("precious"))).toEqual(["thesis.txt"]);
  });
});

describe("a bad run: exit code, one message, no stack trace, nothing on disk", () => {
  const one = (stderr: string) => stderr.split("\n").filter((line) => line.startsWith("error: "));

  test.each<[string, string[], RegExp]>([
    ["no input", ["prepare", "--out", "x"], /required option '--input/],
    ["no output", ["prepare", "--input", "good.json"], /required option '--out/],
    ["an unknown option", ["prepare", "--input", "good.json", "--out", "x", "--sead", "1"], /unknown option '--sead'/],
    ["an unknown command", ["prepair"], /unknown command 'prepair'/],
    [
      "an unknown format",
      ["prepare", "--input", "good.json", "--out", "x", "--format", "amazon"],
      /unknown format "amazon"/,
    ],
    [
      "an unknown split",
      ["prepare", "--input", "good.json", "--out", "x", "--split", "half"],
      /Allowed choices are random, leave-one-out, time/,
    ],
    [
      "a word for a number",
      ["prepare", "--input", "good.json", "--out", "x", "--core", "five"],
      /'five' is invalid. An integer from 0 on/,
    ],
    [
      "an incomplete mapping",
      ["prepare", "--input", "good.json", "--out", "x", "--columns", "user=a"],
      /names no item column/,
    ],
    [
      "a mapping with a fixed format",
      ["prepare", "--input", "good.json", "--out", "x", "--format", "amazon-2014", "--columns", "user=a,item=b"],
      /not with amazon-2014/,
    ],
    [
      "shares above one",
      ["prepare", "--input", "good.json", "--out", "x", "--test-share", "0.6", "--validation-share", "0.6"],
      /less than 1/,
    ],
  ])("%s is wrong usage: 2", async (_, args, message) => {
    const { code, stdout, stderr } = await cllm4rec(args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(one(stderr)).toHaveLength(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(fs.existsSync(file("x"))).toBe(false);
  });

  test.each<[string, () => string[], RegExp]>([
    ["a missing file", () => ["--input", "missing.json"], /missing\.json does not exist/],
    ["an unknown kind of file", () => [...named("odd.bin", "\u0001\u0002odd")], /not recognised/],
    [
      "mostly malformed records",
      () => [...named("mostly.jsonl", '{"user":"u","item":"a"}\n{\n{\n')],
      /2 of 3 records are malformed.*mostly\.jsonl, line 2/,
    ],
    [
      "a wrong column",
      () => [...named("c.csv", "a,b\n1,2\n"), "--columns", "user=a,item=c"],
      /no column "c" for item: its columns are "a", "b"/,
    ],
    ["nothing left", () => [...named("few.jsonl", '{"user":"u","item":"a"}\n')], /nothing remains of 1 records/],
  ])("%s is wrong data: 1", async (_, args, message) => {
    const { code, stdout, stderr } = await cllm4rec(["prepare", ...args(), "--out", "x", "--json"]);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(one(stderr)).toHaveLength(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(fs.readdirSync(folder).filter((name) => name.startsWith(".") || name === "x")).toEqual([]);
  });

  function named(name: string, content: string): string[] {
    fs.writeFileSync(file(name), content);
    return ["--input", name];
  }
});

test.each<[NodeJS.Signals, number]>([
  ["SIGINT", 130],
  ["SIGTERM", 143],
])("%s cleans up and ends with %d", async (signal, expected) => {
  const line = (k: number) => `user${k % 5000},item${k % 911},5,${k}\n`;
  const rows = Array.from({ length: 400_000 }, (_, k) => line(k)).join("");
  fs.writeFileSync(file("long.csv"), `user,item,rating,timestamp\n${rows}`);
  const { code, stdout, stderr } = await runCli(folder, "prepare --input long.csv --out long --json".split(" "), {
    signal,
    after: "reading long.csv",
  });
  expect(stderr).toContain("interrupted: nothing was written");
  expect({ code, stdout }).toEqual({ code: expected, stdout: "" });
  expect(fs.readdirSync(folder).filter((name) => name.startsWith(".long") || name === "long")).toEqual([]);
});

test("help goes to stdout with examples and the formats; exit code 0", async () => {
  const { code, stdout, stderr } = await runCli(folder, ["prepare", "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("$ cllm4rec prepare --input");
  expect(stdout).toMatch(/^ {2}matrices /m);
  const version = await cllm4rec(["--version"]);
  expect(version).toMatchObject({ code: 0, stderr: "" });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/);
});

test("a reader that stops early is no error", async () => {
  const child = spawn(process.execPath, [BIN, "prepare", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  await new Promise((resolve) => child.once("close", resolve));
  expect(stderr).toBe("");
});

const beauty = sharedPath("data/amazon-beauty-cllm4rec");
test.skipIf(beauty === undefined)("a folder of the authors' matrices", async () => {
  const { code, stdout } = await cllm4rec(["prepare", "--input", beauty!, "--out", "beauty", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    users: 10_553,
    items: 6_086,
    interactions: 94_148,
    train: 70_614,
    validation: 11_767,
    test: 11_767,
  });
});
