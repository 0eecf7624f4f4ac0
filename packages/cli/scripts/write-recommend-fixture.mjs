#!/usr/bin/env node
// Writes packages/recommend/test/fixtures: a small model that `cllm4rec train` trained, and the random backbone that it
// was trained on. The bookshop's readers like crime novels or books about gardens; titles and reviews say which is
// which.
//   node packages/cli/scripts/write-recommend-fixture.mjs      (after a build; the same bits on the same machine)
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { TrainableBackbone } from "@cllm4rec/backbone";
import { byteLevelBpe } from "@cllm4rec/tokenizer-ext";
import { readModel, writeModel } from "@cllm4rec/training/model";
import { Random } from "./shop/random.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const fixtures = path.join(here, "../../recommend/test/fixtures");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "recommend-fixture-"));
const cllm4rec = (/** @type {string} */ args) => {
  const bin = path.join(here, "../dist/bin.js");
  const { status } = spawnSync(process.execPath, [bin, ...args.split(" ")], { cwd: folder, stdio: "inherit" });
  if (status !== 0) throw new Error(`cllm4rec ${args}: exit code ${status}`);
};

const SHELVES = [
  ["garden", "The Rose Garden", "Herbs at Home", "A Year of Tulips", "Pruning Fruit Trees", "The Small Greenhouse"],
  ["crime", "Murder at Noon", "The Silent Witness", "A Body in the Canal", "The Last Alibi", "Poison for Two"],
];
const MORE = ["Second Edition", "Large Print", "Illustrated"];

/** Item ids are `garden-1`, `crime-1`, …; each title has editions. */
const items = SHELVES.flatMap(([shelf, ...titles]) =>
  [...titles, ...titles.flatMap((title) => MORE.map((more) => `${title} (${more})`))].map((title, n) => ({
    shelf,
    id: `${shelf}-${n + 1}`,
    title,
  })),
);

const random = new Random(5);
const lines = Array.from({ length: 60 }, (_, user) => {
  const shelf = items.filter((item) => item.shelf === SHELVES[user % 2]?.[0]);
  const chosen = new Set();
  while (chosen.size < 9) chosen.add(shelf[random.below(shelf.length)]);
  return Array.from(chosen, ({ id, shelf: name }) =>
    JSON.stringify({ user: `reader-${user + 1}`, item: id, text: name === "crime" ? "so tense" : "so calm" }),
  );
});
fs.writeFileSync(path.join(folder, "choices.jsonl"), `${lines.flat().join("\n")}\n`);
const meta = items.map(({ id, title }) => JSON.stringify({ item: id, title }));
fs.writeFileSync(path.join(folder, "books.jsonl"), `${meta.join("\n")}\n`);

const uniform = (/** @type {readonly number[]} */ shape, scale = 0, offset = 0) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => offset + scale * (2 * random.unit() - 1));
const sizes = { vocab_size: 256, n_embd: 16, n_layer: 2, n_head: 2, n_positions: 160 };
const backbone = TrainableBackbone.create({ model_type: "gpt2", ...sizes }, ({ name, shape }) => {
  if (name === "wte.weight") return uniform(shape, 0.1);
  if (name === "wpe.weight") return uniform(shape, 0.05);
  if (shape.length === 1) return uniform(shape, 0, name.endsWith("weight") ? 1 : 0);
  return uniform(shape, Math.sqrt(3 / (shape[0] ?? 1))); // variance 1 over the inputs
});
await backbone.save(path.join(folder, "backbone"));
await backbone.dispose();
const bytes = Array.from({ length: 256 }, (_, byte) => byte);
const printable = (/** @type {number} */ byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
const hidden = bytes.filter((byte) => !printable(byte));
// GPT-2's byte-level alphabet: printable bytes stand for themselves, the others for U+0100 and on.
const vocab = Object.fromEntries(
  bytes.map((byte) => [String.fromCodePoint(printable(byte) ? byte : 0x100 + hidden.indexOf(byte)), byte]),
);
fs.writeFileSync(path.join(folder, "backbone/tokenizer.json"), JSON.stringify(byteLevelBpe({ vocab, merges: [] })));

cllm4rec(
  "prepare --input choices.jsonl --meta books.jsonl --columns user=user,item=item,text=text --core 0 --out data",
);
const rates = "--batch 4 --learning-rate 0.05 --prior-deviation 0.5 --lambda-c 0.01 --seed 1 --report none";
const length = "--warm-up-epochs 1 --rounds 1 --epochs 24";
cllm4rec(`train --data data --backbone backbone ${rates} ${length} --out model`);

// Without the paths of this machine: a directory that is read from beside its backbone.
const model = await readModel(path.join(folder, "model"));
const { description } = model;
const serving = /** @type {Record<string, any>} */ (description.settings.serving);
await fs.promises.rm(path.join(fixtures, "model"), { recursive: true, force: true });
await writeModel(path.join(fixtures, "model"), {
  ...model,
  description: {
    ...description,
    backbone: { ...description.backbone, id: "./backbone" },
    settings: { ...description.settings, serving: { ...serving, dataset: { ...serving.dataset, path: "./data" } } },
  },
});
for (const name of ["backbone", "data"])
  fs.cpSync(path.join(folder, name), path.join(fixtures, name), { recursive: true });
fs.rmSync(folder, { recursive: true });
