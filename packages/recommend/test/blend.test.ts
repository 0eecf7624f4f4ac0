// Blends in model directories: made from a dataset, opened like any model, and what is refused or reported.
import fs from "node:fs";
import path from "node:path";
import { Dataset } from "@cllm4rec/corpus";
import { type EvaluationResult, itemLists, type LinearScorer, sparseScorer, standardise } from "@cllm4rec/eval";
import {
  evaluate,
  openBaseModel,
  openEnsemble,
  openPredictor,
  openProtocol,
  openRecommender,
} from "@cllm4rec/recommend";
import { blend } from "@cllm4rec/recommend/blend";
import { readModel, type SavedModel, TrainingError, writeModel } from "@cllm4rec/training/model";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bookshop, changed, temporaryFolder } from "./helpers.js";

const { backbone, data } = bookshop;
let dataset: Dataset;
beforeAll(async () => {
  dataset = await Dataset.open(data);
});
afterAll(() => dataset.close());

/** Tables with every item's row reversed in sign: a model that recommends the worst items. */
const reversed = (model: SavedModel): SavedModel => withItems(model, (value) => -value);
/** Every second item's row reversed in sign: a model that knows half of the items. */
const halfReversed = (model: SavedModel): SavedModel =>
  withItems(model, (value, item) => (item % 2 === 0 ? value : -value));

function withItems(model: SavedModel, change: (value: number, item: number) => number): SavedModel {
  const { collaborative } = model.tables;
  const { rows, data } = collaborative.items;
  const width = data.length / rows;
  const items = { rows, data: data.map((value, at) => change(value, Math.floor(at / width))) };
  return { ...model, tables: { ...model.tables, collaborative: { ...collaborative, items } } };
}

async function measured(directory: string, options: { readonly blend?: boolean } = {}): Promise<EvaluationResult> {
  const { predictor, dispose } = await openPredictor(await openEnsemble([directory]), { backbone, ...options });
  try {
    return await evaluate({ ...predictor, ...(await openProtocol(dataset, "validation")) });
  } finally {
    await dispose();
  }
}

describe("blend", () => {
  it("is opened like the model, answers by its members' z-scores, and for histories too", async () => {
    const directory = await changed(halfReversed);
    const doing = new Set<string>();
    const learned = await blend(directory, dataset, {
      backbone,
      trials: 2,
      onProgress: (progress) => doing.add(progress.doing),
    });
    expect(learned.directory).toBe(directory);
    expect(learned.stored).toBe(true);
    expect(learned.members.filter(({ weight }) => weight > 0).length).toBeGreaterThan(1);
    expect([...doing][0]).toMatch(/^fitting EASE/);
    expect(learned.members.map(({ name }) => name.split(" (")[0])).toEqual([
      "CLLM4Rec",
      expect.stringMatching(/^EASE/),
      "item KNN",
      "most popular",
    ]);
    // What was learned is what is measured: every item of so small a shop is a candidate.
    const { metrics } = await measured(directory);
    for (const [name, value] of Object.entries(learned.metrics)) expect(metrics[name]).toBeCloseTo(value, 6);
    const alone = await measured(directory, { blend: false });
    for (const [name, value] of Object.entries(learned.members[0]!.alone))
      expect(alone.metrics[name]).toBeCloseTo(value, 6);

    const [blended, original] = await Promise.all([
      openRecommender(directory, { backbone }),
      openRecommender(directory, { backbone, blend: false }),
    ]);
    expect(blended.members).toEqual(learned.members);
    expect(original.members).toEqual([]);
    const history = ["garden-1", "garden-2"];
    const best = await blended.recommend({ history, k: 3 });
    expect(best.every(({ item }) => !history.includes(item))).toBe(true);
    const scores = await blended.scores({ history });
    expect(scores).not.toEqual(await original.scores({ history }));
    expect(best[0]!.score).toBe(scores[blended.items.indexOf(best[0]!.item)]);
    // Embeddings, and what is computed from them, are the model's.
    expect(await blended.similarItems("crime-1", 3)).toEqual(await original.similarItems("crime-1", 3));
    await Promise.all([blended.close(), original.close()]);
  });

  it("with a scorer that knows better adds what it says; the same again replaces it", async () => {
    const directory = await changed(reversed);
    const scorer = neighbours(dataset.items);
    const learned = await blend(directory, dataset, { backbone, scorers: [scorer] });
    const [model, other] = learned.members;
    expect(model).toMatchObject({ name: "CLLM4Rec", weight: 0, contribution: 0 });
    expect(other).toMatchObject({ name: "neighbours", weight: 1 });
    const recommender = await openRecommender(directory, { backbone });
    const row = recommender.items.indexOf("crime-3");
    const expected = standardise(scorer.scores(itemLists([[row]])), dataset.items);
    expect(await recommender.scores({ history: ["crime-3"] })).toEqual(expected);
    await recommender.close();
    const file = path.join(directory, "blend.safetensors");
    const before = fs.readFileSync(file);
    const opened = await openBaseModel(backbone, { users: dataset.users, items: dataset.items });
    await blend(directory, dataset, { opened, scorers: [scorer] });
    await opened.dispose();
    expect(fs.readFileSync(file).equals(before)).toBe(true);
  });

  it("of several models needs the first's directory alone, and leaves the others as they are", async () => {
    const [bad, good] = [await changed(reversed), await changed((model) => model)];
    const out = path.join(temporaryFolder(), "blended");
    const { members, stored } = await blend([bad, good], dataset, { backbone, scorers: [], out });
    expect(stored).toBe(true);
    expect(members.map(({ weight }) => weight)).toEqual([0, 1]);
    expect(fs.existsSync(path.join(bad, "blend.safetensors"))).toBe(false);
    const expected = await measured(good);
    fs.rmSync(good, { recursive: true });
    fs.rmSync(bad, { recursive: true });
    expect((await measured(out)).metrics).toEqual(expected.metrics);
  });

  it("stores nothing where the model alone is best, and removes the blend that was there", async () => {
    const directory = await changed((model) => model);
    const silent = sparseScorer("silent", {
      rows: dataset.items,
      columns: dataset.items,
      indptr: new Int32Array(dataset.items + 1),
      indices: new Int32Array(0),
      values: new Float32Array(0),
    });
    fs.writeFileSync(path.join(directory, "blend.safetensors"), "an old one");
    const { stored, members } = await blend(directory, dataset, { backbone, scorers: [silent] });
    expect(stored).toBe(false);
    expect(members.map(({ weight }) => weight)).toEqual([1, 0]);
    expect(fs.existsSync(path.join(directory, "blend.safetensors"))).toBe(false);
  });

  it("refuses another dataset, nothing to blend, and a folder with files", async () => {
    await expect(blend(bookshop.model, dataset, { backbone, scorers: [] })).rejects.toThrow(
      /found one model and no scorers/,
    );
    await expect(blend(bookshop.model, dataset, { backbone, out: data })).rejects.toThrow(/found files there/);
    const other = await changed((model) => {
      const settings = JSON.parse(JSON.stringify(model.description.settings));
      settings.serving.dataset.hash = "00".repeat(32);
      return { ...model, description: { ...model.description, settings } };
    });
    await expect(blend(other, dataset, { backbone })).rejects.toThrow(/found another dataset/);
  });
});

describe("a stored blend", () => {
  it("that is damaged is refused; in an ensemble, or of a model trained again, it is left out and reported", async () => {
    const directory = await changed(reversed);
    await blend(directory, dataset, { backbone, scorers: [neighbours(dataset.items)] });
    const file = path.join(directory, "blend.safetensors");
    const bytes = fs.readFileSync(file);
    const damaged = Uint8Array.from(bytes);
    damaged[damaged.length - 2]! ^= 1;
    fs.writeFileSync(file, damaged);
    const error = await openRecommender(directory, { backbone }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TrainingError);
    expect(error).toMatchObject({ message: expect.stringMatching(/blend\.safetensors: found checksum/) });
    fs.writeFileSync(file, bytes);

    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    const ensemble = await openRecommender([directory, bookshop.model], { backbone, onNotice });
    expect(notices.splice(0)).toEqual([expect.stringMatching(/its blend is not used, because an ensemble averages/)]);
    expect(ensemble.members).toEqual([]);
    await ensemble.close();

    await writeModel(directory, await readModel(bookshop.model)); // trained again
    const recommender = await openRecommender(directory, { backbone, onNotice });
    expect(notices).toEqual([expect.stringMatching(/was trained again after its blend was made, .*cllm4rec blend$/)]);
    expect(recommender.members).toEqual([]);
    await recommender.close();
  });
});

/** Whoever has an item of one kind gets the others of the kind, nearest numbers first. */
function neighbours(items: number): LinearScorer {
  const half = items / 2;
  const kind = (item: number) => Math.floor(item / half);
  const rows = Array.from({ length: items }, (_, i) =>
    Array.from({ length: items }, (__, j) => j).filter((j) => j !== i && kind(i) === kind(j)),
  );
  const indptr = Int32Array.from({ length: items + 1 }, (_, i) =>
    rows.slice(0, i).reduce((sum, row) => sum + row.length, 0),
  );
  return sparseScorer("neighbours", {
    rows: items,
    columns: items,
    indptr,
    indices: Int32Array.from(rows.flat()),
    values: Float32Array.from(rows.flatMap((row, i) => row.map((j) => 1 / (1 + Math.abs(i - j))))),
  });
}
