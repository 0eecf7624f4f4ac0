// Cold items of a dataset, taken out of a model and added again by their text: the embeddings that they had, how a
// blend ranks them, and how long adding takes.
//   node benchmarks/src/added-items.js MODEL DATA   # DATA: prepare --hold-out-items; MODEL: trained on it
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { csrRow, Dataset } from "@cllm4rec/corpus";
import { openRecommender } from "@cllm4rec/recommend";

const K = 20;
const GROUP = 128;
const [model, data] = process.argv.slice(2);
if (model === undefined || data === undefined) {
  process.stderr.write("usage: node benchmarks/src/added-items.js MODEL DATA\n");
  process.exit(2);
}

const dataset = await Dataset.open(data);
const [ids, users] = [await dataset.rawItemIds(), await dataset.rawUserIds()];
const [titles, texts] = [await dataset.itemTitles(), await dataset.itemTexts()];
const cold = Array.from(await dataset.coldItems());
const [coldTest, test] = [await dataset.interactions("cold-test"), await dataset.interactions("test")];
dataset.close();

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "added-items-"));
const itemsFile = path.join(folder, "items.json");
const shop = await openRecommender(model, { known: "train", itemsFile });
const coldIds = cold.map((item) => /** @type {string} */ (ids[item]));
const isCold = new Set(coldIds);
const asked = users.flatMap((user, row) =>
  csrRow(coldTest, row).length > 0 && shop.knows(user) ? [{ user, row }] : [],
);

/** @param {(item: string) => boolean} [filter] */
async function lists(filter) {
  /** @type {string[][]} */
  const found = [];
  for (let from = 0; from < asked.length; from += GROUP) {
    const group = asked.slice(from, from + GROUP).map(({ user }) => shop.recommend({ user, k: K, filter }));
    found.push(...(await Promise.all(group)).map((list) => list.map(({ item }) => item)));
  }
  return found;
}

/**
 * @param {readonly string[][]} found
 * @param {readonly import("@cllm4rec/corpus").Csr[]} wanted
 */
function recall(found, wanted) {
  const sum = asked.reduce((total, { row }, at) => {
    const items = new Set(wanted.flatMap((matrix) => Array.from(csrRow(matrix, row), (item) => ids[item])));
    const hits = found[at]?.filter((item) => items.has(item)).length ?? 0;
    return total + hits / Math.min(K, items.size);
  }, 0);
  return sum / asked.length;
}

/** @param {string} name */
async function report(name) {
  const [all, among] = [await lists(), await lists((item) => isCold.has(item))];
  const share = all.flat().filter((item) => isCold.has(item)).length / all.flat().length;
  const figures = [recall(among, [coldTest]), recall(all, [coldTest]), recall(all, [coldTest, test]), share];
  process.stdout.write(`| ${name} | ${figures.map((figure) => figure.toFixed(4)).join(" | ")} |\n`);
  return all;
}

process.stdout.write(`${asked.length} users, ${cold.length} cold items of ${ids.length}\n\n`);
process.stdout.write("| | among cold: recall@20 | among all | cold and warm | cold items in the 20 best |\n");
process.stdout.write("| --- | --- | --- | --- | --- |\n");
const before = await shop.embedItems(coldIds);
const trained = await report("in the model");
await shop.removeItems(coldIds);
const items = cold.map((item) => ({ item: ids[item] ?? "", text: texts[item] ?? "", title: titles[item] ?? "" }));
const started = performance.now();
await shop.addItems(items);
const seconds = (performance.now() - started) / 1000;
const added = await report("added by their text");
const after = await shop.embedItems(coldIds);
const different = before.data.filter((value, at) => value !== after.data[at]).length;
const alike = trained.filter((list, at) => list.join("\n") === added[at]?.join("\n")).length;
process.stdout.write(`\n${different} of ${before.data.length} numbers of the embeddings differ; `);
process.stdout.write(`${alike} of ${asked.length} lists are the same; adding took ${seconds.toFixed(2)} s\n`);
await shop.close();
await fs.rm(folder, { recursive: true });
