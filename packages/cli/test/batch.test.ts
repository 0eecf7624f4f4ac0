// Commands for many users or items at once: lists and vectors in files, histories from a file, runs that resume.
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { wordFeatures } from "@cllm4rec/corpus";
import { openRecommender, type Recommender } from "@cllm4rec/recommend";
import { readModel, textBlocksOf, writeModel } from "@cllm4rec/training/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeLists } from "../src/batch/recommendations.js";
import { StageDisplay } from "../src/progress.js";
import { runHere } from "./run-cli.js";

const bookshop = fileURLToPath(new URL("../../recommend/test/fixtures", import.meta.url));
const backbone = path.join(bookshop, "backbone");
let folder = "";
let shop: Recommender;
const at = (name: string) => path.join(folder, name);
const cllm4rec = (args: string) => runHere(folder, `${args} --backbone ${backbone}`);
const lines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const read = (name: string) => fs.readFileSync(at(name), "utf8");

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-batch-"));
  const model = await readModel(path.join(bookshop, "model"));
  const textFeatures = textBlocksOf([{ name: "titles", weight: 1, ...wordFeatures(model.titles!) }]);
  await writeModel(at("model"), { ...model, textFeatures });
  shop = await openRecommender(at("model"), { backbone });
});
afterAll(async () => {
  await shop.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

test("recommend --users all: the lists of single calls, as lines and as rows, and resumed", async () => {
  const { code, stderr } = await cllm4rec("recommend --model @model --users all -k 3 --out @recs.jsonl");
  expect([code, stderr]).toEqual([0, expect.stringContaining("lists for 60 users\n")]);
  const whole = read("recs.jsonl");
  const lists = lines(whole);
  expect(lists.map(({ user }) => user)).toEqual(shop.users);
  const single = await shop.recommend({ user: "reader-4", k: 3 });
  const { items } = lists.find(({ user }) => user === "reader-4");
  expect(items.map(({ item, title }: { item: string; title: string }) => [item, title])).toEqual(
    single.map(({ item, title }) => [item, title]),
  );
  expect(fs.readdirSync(folder).filter((name) => /part|tmp/.test(name))).toEqual([]);

  await cllm4rec("recommend --model @model --users all -k 3 --out @recs.csv");
  const rows = read("recs.csv").trimEnd().split("\n");
  expect(rows[0]).toBe("user,rank,item,score,title");
  expect(rows).toHaveLength(1 + 3 * 60);
  expect(rows[1]!.split(",").slice(0, 3)).toEqual([lists[0].user, "1", lists[0].items[0].item]);
  // What another run has begun is begun again.
  const part = (count: number, identity: string) =>
    [`{"lists":60,"identity":"${identity}"}`, ...whole.split("\n").slice(0, count), '{"user":"rea'].join("\n");
  fs.writeFileSync(at("recs.jsonl.part"), part(5, "another run"));
  const other = await cllm4rec("recommend --model @model --users all -k 3 --out @recs.jsonl");
  expect(other.stderr).toContain("lists for 60 users\n");
  expect(read("recs.jsonl")).toBe(whole);
});

test("a user without a history has an empty list", async () => {
  const model = await readModel(at("model"));
  const { users } = model.ids!;
  const empty = {
    rows: users.length,
    columns: 40,
    indptr: new Int32Array(users.length + 1),
    indices: new Int32Array(0),
  };
  const { train } = model.histories!;
  const [from] = [train!.indptr[1]!];
  const later = {
    ...train!,
    indptr: train!.indptr.map((at) => Math.max(0, at - from)),
    indices: train!.indices.slice(from),
  };
  await writeModel(at("newcomer"), { ...model, histories: { train: later, validation: empty, test: empty } });
  const { code, stderr } = await cllm4rec("recommend --model @newcomer --users all -k 1 --out @newcomer.jsonl");
  expect([code, stderr]).toEqual([0, expect.stringContaining("; 1 of them have no history, and an empty list")]);
  const lists = lines(read("newcomer.jsonl"));
  expect(lists[0]).toEqual({ user: users[0], items: [] });
  expect(lists[1].items).toHaveLength(1);
});

test("lists that an interrupted run wrote are kept, but for one that is not whole", async () => {
  const requests = Array.from({ length: 600 }, (_, n) => ({ name: `user ${n}` }));
  const asked: string[] = [];
  const run = (name: string, signal: AbortSignal, stop?: () => void) =>
    writeLists({
      ...{ file: at(name), requests, identity: "one", signal, display: new StageDisplay(new PassThrough()) },
      async recommend({ name: user }) {
        asked.push(user);
        if (user === "user 300") stop?.();
        return [{ item: `item of ${user}`, score: 0.5 }];
      },
    });
  const interruption = new AbortController();
  const interrupted = run("many.jsonl", interruption.signal, () => interruption.abort(new Error("interrupted")));
  await expect(interrupted).rejects.toThrow("interrupted");
  expect(fs.existsSync(at("many.jsonl"))).toBe(false);
  fs.appendFileSync(at("many.jsonl.part"), '{"user":"user 512","it');
  asked.length = 0;
  expect(await run("many.jsonl", new AbortController().signal)).toBe(512);
  expect(asked).toHaveLength(88);
  expect(await run("whole.jsonl", new AbortController().signal)).toBe(0);
  expect(read("many.jsonl")).toBe(read("whole.jsonl"));
  expect(fs.existsSync(at("many.jsonl.part"))).toBe(false);
});

test("recommend takes histories from a file, and names the line that is none", async () => {
  fs.writeFileSync(
    at("histories.jsonl"),
    '["garden-1","garden-6"]\n\n{"user":"visitor","history":["crime-1"]}\n{"user":"reader-2"}\n',
  );
  const { code, stdout } = await cllm4rec("recommend --model @model --histories @histories.jsonl -k 2 --json");
  expect(code).toBe(0);
  const lists = lines(stdout);
  expect(lists.map(({ user }) => user)).toEqual([null, "visitor", "reader-2"]);
  const first = await shop.recommend({ history: ["garden-1", "garden-6"], k: 2 });
  expect(lists[0].items.map(({ item }: { item: string }) => item)).toEqual(first.map(({ item }) => item));
  fs.writeFileSync(at("bad.jsonl"), '["garden-1"]\n{"histories":[]}\n');
  const bad = await cllm4rec("recommend --model @model --histories @bad.jsonl");
  expect(bad.code).toBe(2);
  expect(bad.stderr).toMatch(/bad\.jsonl:2: .*expected \{"user"/);
  const both = await cllm4rec("recommend --model @model --users all --user reader-2");
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("give one of them")]);
  const pdf = await cllm4rec("recommend --model @model --users all --out @recs.pdf");
  expect([pdf.code, pdf.stderr]).toEqual([2, expect.stringContaining("ends in .jsonl, .parquet, .csv")]);
});

test("similar-items lists the items of the library", async () => {
  const { stdout } = await cllm4rec("similar-items --model @model --item crime-1 garden-2 -k 2 --json");
  expect(lines(stdout)).toEqual([
    { item: "crime-1", items: await shop.similarItems("crime-1", 2) },
    { item: "garden-2", items: await shop.similarItems("garden-2", 2) },
  ]);
  const table = await cllm4rec("similar-items --model @model --item crime-1 -k 1");
  expect(table.stdout).toMatch(/^crime-1\n {4}1 +0\.\d{3} {2}crime-\d+ {2}[A-Z].*\n$/);
  const unknown = await cllm4rec("similar-items --model @model --item crime-100");
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringMatching(/unknown item "crime-100"; did you mean/)]);
});

test("embed and export write the vectors of the library in every format; new items are not kept", async () => {
  fs.writeFileSync(
    at("new.jsonl"),
    '{"item":"garden-3"}\n{"item":"new","text":"Rose \\"Garden\\"","title":"A, rose"}\n',
  );
  const { data, width } = await shop.embedItems(["garden-3"]);
  expect((await cllm4rec("embed --model @model --items @new.jsonl --out @new.vectors.jsonl")).code).toBe(0);
  const [known, added] = lines(read("new.vectors.jsonl"));
  expect(Float32Array.from(known.vector)).toEqual(data);
  expect(added).toMatchObject({ item: "new", title: "A, rose" });
  expect(fs.existsSync(at("model/added-items.json"))).toBe(false);
  expect((await cllm4rec("embed --model @model --items @new.jsonl --out @new.csv")).code).toBe(0);
  const [head, , row] = read("new.csv").split("\n");
  expect(head).toBe(["item", "title", ...Array.from({ length: width }, (_, k) => `v${k}`)].join(","));
  expect(row!.startsWith('new,"A, rose",')).toBe(true);
  expect(Float32Array.from(row!.split(",").slice(3), Number)).toEqual(Float32Array.from(added.vector));

  for (const format of ["numpy", "safetensors", "parquet"])
    expect((await cllm4rec(`export --model @model --format ${format} --out @vectors`)).code).toBe(0);
  expect(JSON.parse(read("vectors/items.npy.ids.json"))).toEqual(shop.items);
  const all = await shop.embedItems();
  for (const name of ["items.npy", "items.safetensors"]) {
    const bytes = fs.readFileSync(at(`vectors/${name}`));
    const tail = bytes.subarray(bytes.length - all.data.byteLength);
    expect(new Float32Array(Uint8Array.from(tail).buffer)).toEqual(all.data);
    if (name === "items.npy") {
      expect((bytes.length - tail.length) % 64).toBe(0);
      expect(bytes.subarray(10, 80).toString()).toContain(`'shape': (40, ${width})`);
    }
  }
  expect(fs.readdirSync(at("vectors")).sort()).toEqual([
    "items.npy",
    "items.npy.ids.json",
    "items.parquet",
    "items.safetensors",
    "items.safetensors.ids.json",
  ]);
  // The reader of data sets reads the Parquet file back.
  expect(fs.readFileSync(at("vectors/items.parquet")).subarray(0, 4).toString()).toBe("PAR1");
});

test("export --format onnx: onnxruntime alone gives the scores of the library", async () => {
  const { code, stderr } = await cllm4rec("export --model @model --format onnx --out @onnx");
  expect([code, stderr]).toEqual([0, expect.stringMatching(/model\.onnx: [\d.]+ [kM]B\n$/)]);
  const { prefix, suffix, firstItem, ids } = JSON.parse(read("onnx/model.json"));
  expect(ids).toEqual(shop.items);
  // The runtime that onnx-grad depends on, without anything of ours around it.
  const ofOnnxGrad = createRequire(createRequire(import.meta.url).resolve("@cllm4rec/onnx-grad"));
  const { InferenceSession, Tensor } = ofOnnxGrad("onnxruntime-node");
  const session = await InferenceSession.create(at("onnx/model.onnx"));
  const prompt = [...prefix, firstItem + ids.indexOf("garden-2"), ...suffix];
  const vector = (values: readonly number[]) =>
    new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
  const { scores } = await session.run({ input_ids: vector(prompt), attention_mask: vector(prompt.map(() => 1)) });
  const expected = await shop.scores({ history: ["garden-2"] });
  expect(scores.dims).toEqual([1, 40]);
  for (const [row, score] of expected.entries()) expect(scores.data[row]).toBeCloseTo(score, 3);
  await session.release();
});
