// Real reviews on a real LM: Amazon Musical Instruments on tinystories-656k, from the raw file to both language models'
// losses.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { Dataset, decoderOnly, openTokenCache, prepare, textDocuments, trainReviewTexts } from "@cllm4rec/corpus";
import { pretrain } from "@cllm4rec/pretrain";
import { greedyTokenizer, sharedPath } from "@cllm4rec/testing";
import { initialTables } from "@cllm4rec/training/stage";
import { expect, it } from "vitest";

const file = sharedPath("data/amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz");
const tinystories = sharedPath("models/tinystories-656k");

it.skipIf(!file || !tinystories)("learns from real choices and real reviews", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-pretrain-real-"));
  await prepare({ inputs: [file!], output: path.join(folder, "dataset") });
  const dataset = await Dataset.open(path.join(folder, "dataset"));
  const { users, items } = dataset;
  const backbone = await Backbone.open(tinystories!);
  const model = new BaseModel(backbone, { users, items });
  const tokenizer = greedyTokenizer(tinystories!, { rows: backbone.config.vocabularySize, users, items });
  const cache = await openTokenCache({
    directory: path.join(folder, "cache"),
    tokenizer,
    tokenizerIdentity: "greedy tinystories-656k",
    corpus: trainReviewTexts(dataset),
  });
  const reviews = textDocuments({ tokenizer, cache, layout: decoderOnly(), maxLength: 32 });
  const before = await backbone.fileHashes();
  const losses: Record<string, number[]> = { "warm-up": [], "l-step": [], "c-step": [] };
  const { tables } = await pretrain({
    model,
    tokenizer,
    tables: initialTables({
      users,
      items,
      width: backbone.config.hiddenSize,
      seed: 0,
      priorDeviation: 0.3,
      contentDeviation: 0.1,
    }),
    train: await dataset.interactions("train"),
    texts: { ...reviews, length: 500, identity: `${reviews.identity}, the first 500` },
    warmUpEpochs: 4,
    rounds: 3,
    lSteps: "epoch",
    cSteps: 2,
    batch: { documents: 64 },
    textBatch: { documents: 50 },
    learningRate: 5e-3,
    contentLearningRate: 0.1,
    lambdaC: 0.001,
    onEvent: (event) => {
      if (event.type === "step") losses[event.task]!.push(event.languageModel);
    },
  });
  const mean = (part: readonly number[]) => part.reduce((a, b) => a + b) / part.length;
  const { "warm-up": warmUp = [], "l-step": l = [] } = losses;
  const epoch = warmUp.length / 4;
  expect(mean(warmUp.slice(-epoch))).toBeLessThan(mean(warmUp.slice(0, epoch)) - 0.2);
  expect(losses["c-step"]!.length).toBe(6);
  expect(mean(l.slice(-4))).toBeLessThan(mean(l.slice(0, 4)) - 0.5);
  expect(tables.content!.items.rows).toBe(items);
  expect(await backbone.fileHashes()).toEqual(before);
  cache.close();
  dataset.close();
  await model.dispose();
  await backbone.dispose();
  fs.rmSync(folder, { recursive: true });
});
