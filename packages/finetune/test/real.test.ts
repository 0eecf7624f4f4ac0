// Real purchases on a real LM: a slice of Amazon Beauty on tinystories-656k, held out against the untrained model and
// popularity.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { type Csr, csrRow, Dataset, prepare } from "@cllm4rec/corpus";
import { itemLists, RankingEvaluator } from "@cllm4rec/eval";
import { finetune } from "@cllm4rec/finetune";
import { evaluate, IndexRecommender } from "@cllm4rec/recommend";
import { greedyTokenizer, sharedPath } from "@cllm4rec/testing";
import { initialTables } from "@cllm4rec/training/stage";
import { expect, it } from "vitest";
import { csr } from "./helpers.js";

const beauty = sharedPath("data/amazon-beauty-cllm4rec");
const tinystories = sharedPath("models/tinystories-656k");

/**
 * The users of the `size` most bought items, with what they bought of them: at least two in training and one to be
 * found.
 */
function slice(train: Csr, validation: Csr, size: number, users: number): { train: Csr; validation: Csr } {
  const counts = new Int32Array(train.columns);
  for (const item of train.indices) counts[item]!++;
  const kept = Array.from(counts.keys()).sort((a, b) => counts[b]! - counts[a]! || a - b);
  const renumbered = new Map(kept.slice(0, size).map((item, index) => [item, index]));
  const row = (matrix: Csr, user: number) =>
    [...csrRow(matrix, user)].flatMap((item) => (renumbered.has(item) ? [renumbered.get(item)!] : []));
  const rows = Array.from({ length: train.rows }, (_, user) => [row(train, user), row(validation, user)] as const)
    .filter(([known, found]) => known.length >= 2 && found.length >= 1)
    .slice(0, users);
  return {
    train: csr(
      size,
      rows.map(([known]) => known),
    ),
    validation: csr(
      size,
      rows.map(([, found]) => found),
    ),
  };
}

/** Recall@20 of the same list for everyone: the items that most users bought. */
function popularityRecall(train: Csr, validation: Csr): number {
  const counts = new Float32Array(train.columns);
  for (const item of train.indices) counts[item]!++;
  const evaluator = new RankingEvaluator({ items: train.columns, metrics: ["recall@20"] });
  for (let user = 0; user < train.rows; user++) {
    const row = (matrix: Csr) => itemLists([csrRow(matrix, user)]);
    evaluator.addScores({ scores: counts, heldOut: row(validation), masked: row(train) });
  }
  return evaluator.result().metrics["recall@20"]!;
}

it.skipIf(!beauty || !tinystories)(
  "learns what to recommend from real purchases, and leaves the LM as it is",
  async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-finetune-real-"));
    await prepare({ inputs: [beauty!], output: path.join(folder, "beauty") });
    const dataset = await Dataset.open(path.join(folder, "beauty"));
    const { train, validation } = slice(
      await dataset.interactions("train"),
      await dataset.interactions("validation"),
      400,
      500,
    );
    dataset.close();
    fs.rmSync(folder, { recursive: true });

    const backbone = await Backbone.open(tinystories!);
    const sizes = { users: train.rows, items: train.columns };
    const model = new BaseModel(backbone, sizes);
    const tokenizer = greedyTokenizer(tinystories!, { rows: backbone.config.vocabularySize, ...sizes });
    const tables = initialTables({ ...sizes, width: backbone.config.hiddenSize, seed: 0, priorDeviation: 0.1 });
    const before = await backbone.fileHashes();
    const untrained = await evaluate({
      model,
      tables: tables.collaborative,
      tokenizer,
      history: train,
      heldOut: validation,
    });
    const recall: number[] = [];
    const result = await finetune({
      model,
      tokenizer,
      tables,
      train,
      validation,
      epochs: 12,
      batch: { documents: 50 },
      learningRate: 6e-3,
      validateEvery: 4,
      onEvent: (event) => {
        if (event.type === "validation") recall.push(event.metrics["recall@20"]!);
      },
    });
    expect(untrained.users).toBe(train.rows);
    expect(recall.at(-1)).toBeGreaterThan(3 * untrained.metrics["recall@20"]!);
    expect(result.best!.metrics["recall@20"]).toBeGreaterThan(popularityRecall(train, validation));
    expect(await backbone.fileHashes()).toEqual(before);

    const recommender = new IndexRecommender({ model, tables: result.tables.collaborative, tokenizer });
    for await (const { items } of recommender.recommendUsers([0, 1, 2], train, 10)) expect(items.length).toBe(10);
    await model.dispose();
    await backbone.dispose();
  },
);
