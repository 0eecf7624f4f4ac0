// Finetuning a tiny random GPT-2's tokens: what is learnt, what is held fixed, early stopping, resuming, refusals.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { type FinetuneOptions, finetune } from "@cllm4rec/finetune";
import { asciiTokenizer } from "@cllm4rec/testing";
import type { StepDone, TrainingEvent, ValidationDone } from "@cllm4rec/training";
import { readModel } from "@cllm4rec/training/model";
import { initialTables } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { csr, itemTexts, temporaryFolder, tinyGpt2, twoTastes } from "./helpers.js";

const [users, items] = [24, 16];
const { train, validation } = twoTastes(users, items);
const tokenizer = asciiTokenizer(users, items);
const sizes = { users, items, width: 16 };
const plain = initialTables({ ...sizes, seed: 3, priorDeviation: 0.3 });
const withContent = initialTables({ ...sizes, seed: 3, priorDeviation: 0.3, contentDeviation: 0.1 });

let backbone: Backbone;
let model: BaseModel;
beforeAll(async () => {
  backbone = await Backbone.open(tinyGpt2);
  model = new BaseModel(backbone, sizes);
});
afterAll(async () => {
  await model.dispose();
  await backbone.dispose();
});

const metrics = ["recall@3", "ndcg@8"] as const;

async function run(changes: Partial<FinetuneOptions> = {}) {
  const events: TrainingEvent[] = [];
  const result = await finetune({
    model,
    tokenizer,
    tables: plain,
    train,
    validation,
    seed: 1,
    epochs: 3,
    batch: { documents: 8 },
    learningRate: 0.02,
    maskedShare: 0.4,
    metrics,
    now: () => 0,
    ...changes,
    onEvent: (event) => {
      events.push(event);
      changes.onEvent?.(event);
    },
  });
  const steps = events.filter((event): event is StepDone => event.type === "step");
  const validations = events.filter((event): event is ValidationDone => event.type === "validation");
  return { ...result, events, steps, validations };
}

describe("learning", () => {
  it("lowers the loss and raises the metrics, and returns the best model's tables", async () => {
    const before = await backbone.fileHashes();
    const { steps, validations, best, tables, reason } = await run({ epochs: 60 });
    const losses = steps.map(({ languageModel }) => languageModel);
    const mean = (part: number[]) => part.reduce((a, b) => a + b) / part.length;
    expect(mean(losses.slice(-6))).toBeLessThan(0.85 * mean(losses.slice(0, 6)));
    expect(best!.metrics["recall@3"]).toBeGreaterThan(validations[0]!.metrics["recall@3"]! + 0.25);
    expect(best!.selection).toBe(Math.max(...validations.map(({ selection }) => selection)));
    expect(reason).toBe("finished");
    expect(tables.collaborative.items.data).not.toEqual(plain.collaborative.items.data);
    expect(await backbone.fileHashes()).toEqual(before);
  });

  it("is judged and published by the moving average of its tables, where one is asked for", async () => {
    const averageDecay = 0.5;
    // Without validation the tables after the last update are the result, so those of every update can be had by a run
    // each.
    const unvalidated = async (changes: { averageDecay?: number; stopAfter?: number } = {}) => {
      const losses: number[] = [];
      const stop = new AbortController();
      const { tables, updates } = await finetune({
        ...{ model, tokenizer, tables: plain, train, seed: 1, epochs: 3, batch: { documents: 8 }, learningRate: 0.02 },
        averageDecay: changes.averageDecay ?? 0,
        stop: stop.signal,
        onEvent: (event) => {
          if (event.type !== "step") return;
          losses.push(event.languageModel);
          if (event.update === changes.stopAfter) stop.abort();
        },
      });
      return { losses, updates, items: tables.collaborative.items.data };
    };
    const { losses, updates } = await unvalidated();
    const history = [plain.collaborative.items.data];
    for (let stopAfter = 1; stopAfter <= updates; stopAfter++) history.push((await unvalidated({ stopAfter })).items);
    // The first updates count for more: the decay grows with them until it is the one asked for.
    const expected = history.reduce((mean, data, update) => {
      const decay = Math.min(averageDecay, (1 + update) / (10 + update));
      const [kept, fresh] = [Math.fround(decay), Math.fround(1 - decay)]; // single precision, operation by operation
      return mean.map((x, at) => Math.fround(kept * x) + Math.fround(fresh * data[at]!));
    });
    expect((1 + updates) / (10 + updates)).toBeGreaterThan(averageDecay);
    const averaged = await unvalidated({ averageDecay });
    expect(averaged.items).toEqual(expected);
    expect(averaged.losses).toEqual(losses);
    const validated = await run({ averageDecay });
    expect(validated.validations.map(({ selection }) => selection)).not.toEqual(
      (await run()).validations.map(({ selection }) => selection),
    );
  });

  it("has the user's token in the prompt only where it is asked for, and then trains it", async () => {
    const without = await run({ epochs: 1 });
    expect(without.tables.collaborative.users).toEqual(plain.collaborative.users);
    const with_ = await run({ epochs: 1, userToken: true });
    for (let user = 0; user < users; user++) {
      const row = (data: Float32Array) => data.slice(user * 16, (user + 1) * 16);
      expect(row(with_.tables.collaborative.users.data)).not.toEqual(row(plain.collaborative.users.data));
    }
  });

  it("predicts the masked items, or all of the user's, by name", async () => {
    const count = async (changes: Partial<FinetuneOptions>) =>
      (await run({ epochs: 1, ...changes })).steps.reduce((sum, { targets }) => sum + targets, 0);
    const history = Array.from({ length: users }, (_, user) => train.indptr[user + 1]! - train.indptr[user]!);
    const expected = history.reduce((sum, n) => sum + Math.max(1, Math.min(n - 1, Math.round(0.4 * n))), 0);
    expect(await count({})).toBe(expected);
    expect(await count({ targets: "all" })).toBe(train.indices.length);
    expect(await count({ maskedShare: [0.9, 0.99] })).toBeGreaterThan(expected);
  });

  it("is the same for the same seed, and another for another seed or dropout", async () => {
    const losses = async (changes: Partial<FinetuneOptions>) =>
      (await run({ epochs: 1, ...changes })).steps.map(({ languageModel }) => languageModel);
    const first = await losses({});
    expect(await losses({})).toEqual(first);
    expect(await losses({ seed: 2 })).not.toEqual(first);
    expect(await losses({ dropout: 0.1 })).not.toEqual(first);
    expect(await losses({ backboneDropout: true })).not.toEqual(first);
  });
});

describe("content", () => {
  it("trains the content tables on texts beside, each side drawn towards the other", async () => {
    const texts = itemTexts(users, items);
    const result = await run({
      tables: withContent,
      texts,
      textBatch: { documents: 4 },
      epochs: 2,
      scaling: "released-code",
      lambdaC: 0.1,
    });
    expect(result.steps.filter(({ task }) => task === "c-step").length).toBe(2 * (items / 4));
    for (const step of result.steps) expect(step.mutual).toBeGreaterThan(0);
    expect(result.tables.content!.items.data).not.toEqual(withContent.content!.items.data);
    const few = await run({ tables: withContent, texts, textBatch: { documents: 4 }, epochs: 2, contentSteps: 1 });
    expect(few.steps.map(({ task }) => task)).toEqual([
      "rec-step",
      "rec-step",
      "rec-step",
      "c-step",
      "rec-step",
      "rec-step",
      "rec-step",
      "c-step",
    ]);
    expect(few.events.filter(({ type }) => type === "notice")).toEqual([]);
  });

  it("draws the collaborative tables towards the content ones, the more the larger λ_c", async () => {
    const distance = async (lambdaC: number) => {
      const { tables } = await run({ tables: withContent, epochs: 6, lambdaC, scaling: "released-code" });
      expect(tables.content).toEqual(withContent.content);
      return tables.collaborative.items.data.reduce(
        (sum, z, i) => sum + (z - withContent.content!.items.data[i]!) ** 2,
        0,
      );
    };
    const [none, some, much] = [await distance(0), await distance(0.5), await distance(50)];
    expect(some).toBeLessThan(none);
    expect(much).toBeLessThan(some);
  });

  it("says what is missing", async () => {
    const codes = (events: TrainingEvent[]) => events.flatMap((event) => (event.type === "notice" ? [event.code] : []));
    expect(codes((await run({ epochs: 0 })).events)).toEqual(["no-content"]);
    expect(codes((await run({ epochs: 0, tables: withContent })).events)).toEqual(["content-fixed"]);
  });
});

describe("stopping and resuming", () => {
  const files = (folder: string) =>
    Object.fromEntries(
      ["embeddings.safetensors", "config.json", "training-state/finetune.safetensors"].map((name) => [
        name,
        fs.readFileSync(path.join(folder, name)).toString("hex"),
      ]),
    );
  const settings = (directory: string): Partial<FinetuneOptions> => ({
    tables: withContent,
    texts: itemTexts(users, items),
    textBatch: { documents: 8 },
    contentSteps: 1,
    epochs: 3,
    output: { directory, backboneId: "tiny", settings: { dataset: "two tastes" } },
  });

  it("ends with the same bytes when it is stopped after any update and started again", async () => {
    const whole = temporaryFolder();
    const { updates, best } = await run(settings(whole));
    expect(updates).toBe(12);
    const expected = files(whole);
    for (let stopAfter = 1; stopAfter < updates; stopAfter += 2) {
      const folder = temporaryFolder();
      const stop = new AbortController();
      const onEvent = (event: TrainingEvent) => {
        if (event.type === "step" && event.update === stopAfter) stop.abort();
      };
      const first = await run({ ...settings(folder), stop: stop.signal, onEvent });
      expect(first.reason).toBe("stopped");
      const second = await run(settings(folder));
      expect(second.best).toEqual(best);
      expect(files(folder), `stopped after update ${stopAfter}`).toEqual(expected);
    }
  });

  it.each([0, 0.7])(
    "writes the best model (average decay %d) again where a kill came between its state and itself",
    async (averageDecay) => {
      const folder = temporaryFolder();
      const first = await run({ ...settings(folder), averageDecay, epochs: 1 });
      const before = fs.readFileSync(path.join(folder, "embeddings.safetensors"));
      fs.rmSync(path.join(folder, "embeddings.safetensors"));
      const again = await run({ ...settings(folder), averageDecay, epochs: 1 });
      expect(again.steps).toEqual([]);
      expect(again.tables).toEqual(first.tables);
      expect(fs.readFileSync(path.join(folder, "embeddings.safetensors")).equals(before)).toBe(true);
    },
  );

  it("resumes where more epochs are asked for, and describes itself in config.json", async () => {
    const folder = temporaryFolder();
    await run({ ...settings(folder), epochs: 1 });
    const more = await run(settings(folder));
    expect(more.steps.map(({ round }) => round)).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    const { description, tables } = await readModel(folder);
    expect(tables).toEqual(more.tables);
    expect(description).toMatchObject({
      stage: "finetune",
      backbone: { id: "tiny", contentHash: backbone.contentHash },
      sizes: { words: 128, users, items, width: 16 },
      settings: { dataset: "two tastes", finetune: { maskedShare: 0.4 }, best: { epoch: more.best!.epoch } },
      metrics: more.best!.metrics,
    });
  });

  it("refuses a folder of other settings or of other initial tables", async () => {
    const folder = temporaryFolder();
    await run({ ...settings(folder), epochs: 1 });
    await expect(run({ ...settings(folder), maskedShare: 0.5 })).rejects.toThrow(/begun with (batches|maskedShare)/);
    await expect(run({ ...settings(folder), dropout: 0.3 })).rejects.toThrow(/begun with dropout 0, now it is 0.3/);
    const other = initialTables({ ...sizes, seed: 4, priorDeviation: 0.3, contentDeviation: 0.1 });
    await expect(run({ ...settings(folder), tables: other })).rejects.toThrow(/begun with tables/);
  });

  it("ends early after `patience` validations without a new best, and keeps the best", async () => {
    const { validations, reason, best } = await run({ epochs: 50, learningRate: 1e-9, dropout: 0, patience: 3 });
    expect(reason).toBe("early");
    expect(validations.length).toBe(4);
    expect(best!.epoch).toBe(0);
  });

  it("validates every so many epochs and after the last", async () => {
    const { validations } = await run({ epochs: 5, validateEvery: 3 });
    expect(validations.map(({ round }) => round)).toEqual([2, 4]);
  });

  it("works without validation: the last tables are the result, and are written", async () => {
    const folder = temporaryFolder();
    const { validation: _, ...rest } = { validation, output: { directory: folder, backboneId: "tiny" } };
    const events: TrainingEvent[] = [];
    const result = await finetune({
      model,
      tokenizer,
      tables: plain,
      train,
      epochs: 1,
      ...rest,
      onEvent: (event) => events.push(event),
    });
    expect(result.best).toBeUndefined();
    expect((await readModel(folder)).tables).toEqual(result.tables);
    expect(events.some(({ type }) => type === "validation")).toBe(false);
  });
});

it.each([
  [{ epochs: -1 }, /epochs: found -1/],
  [{ validateEvery: 0 }, /validateEvery: found 0/],
  [{ patience: 0.5 }, /patience: found 0.5/],
  [{ dropout: 1 }, /dropout: found 1/],
  [{ selectBy: ["recall@20"] as const }, /selectBy: found recall@20, expected metrics of this run: recall@3, ndcg@8/],
  [{ contentSteps: -1 }, /contentSteps: found -1/],
  [{ texts: itemTexts(users, items) }, /text documents without content tables/],
  [{ maskedShare: 0 }, /maskedShare is 0/],
  [{ maxLength: 20 }, /leaves no room/],
])("refuses %j", async (changes, message) => {
  await expect(run(changes)).rejects.toThrow(message);
});

describe("a text map and the skip path", () => {
  /** A word of each half of the items, and one that all have. */
  const features = [
    {
      name: "titles",
      weight: 1,
      rows: items,
      columns: 3,
      indptr: Int32Array.from({ length: items + 1 }, (_, j) => 2 * j),
      indices: Int32Array.from({ length: 2 * items }, (_, p) => (p % 2 === 1 ? 2 : p < items ? 0 : 1)),
      values: new Float32Array(2 * items).fill(0.7),
    },
  ];
  const mapped = { tables: undefined, priorDeviation: 0.3, textMapLearningRate: 0.02, features } as const;
  const mean = (steps: readonly StepDone[]) => steps.reduce((sum, step) => sum + step.languageModel, 0) / steps.length;

  it("are learned, published, and carried on from", async () => {
    const directory = temporaryFolder();
    const output = { directory, backboneId: "tiny" };
    const { tables, steps, best } = await run({ ...mapped, output, epochs: 12 });
    expect(mean(steps.slice(-6))).toBeLessThan(mean(steps.slice(0, 6)));
    expect(tables.textMap!.rows).toBe(3);
    expect(new Set(tables.collaborative.skipGain).size).toBeGreaterThan(1); // each has been trained by itself
    const saved = await readModel(directory);
    expect(saved.tables).toEqual(tables);
    expect(best!.metrics["recall@3"]).toBeGreaterThan(0.9);
    const again = await run({ ...mapped, tables, epochs: 1 });
    expect(mean(again.steps)).toBeLessThan(mean(steps.slice(0, 3)));
  });

  it("resume to the same bits", async () => {
    const whole = await run({ ...mapped, output: { directory: temporaryFolder(), backboneId: "tiny" } });
    const output = { directory: temporaryFolder(), backboneId: "tiny" };
    const stop = new AbortController();
    let updates = 0;
    await run({
      ...mapped,
      output,
      stop: stop.signal,
      onEvent: (event) => {
        if (event.type === "step" && ++updates === 5) stop.abort();
      },
    });
    const resumed = await run({ ...mapped, output });
    expect(resumed.tables).toEqual(whole.tables);
    expect(resumed.validations.at(-1)).toEqual(whole.validations.at(-1));
  });

  it("leave an item that nobody has to its text", async () => {
    const without = ({ rows, columns, indptr, indices }: typeof train, item: number) =>
      csr(
        columns,
        Array.from({ length: rows }, (_, u) =>
          [...indices.subarray(indptr[u], indptr[u + 1])].filter((one) => one !== item),
        ),
      );
    const data = { train: without(train, 3), validation: without(validation, 3) };
    const { tables } = await run({ ...mapped, ...data, averageDecay: 0 });
    const { textMap, collaborative } = tables;
    const own = (item: number) => collaborative.items.data.subarray(item * 16, (item + 1) * 16);
    const text = (k: number) => 0.7 * textMap!.data[k]! + 0.7 * textMap!.data[2 * 16 + k]!; // its two words
    for (let k = 0; k < 16; k++) expect(own(3)[k]).toBeCloseTo(text(k), 5);
    expect(Math.max(...own(2).map((z, k) => Math.abs(z - text(k))))).toBeGreaterThan(1e-3);
    const negatives = await run({ ...mapped, ...data, averageDecay: 0, unseenItems: "negatives" });
    expect(negatives.steps[0]!.languageModel).toBeGreaterThan(0);
    expect(negatives.tables.collaborative.items.data).not.toEqual(collaborative.items.data);
  });

  it("train embeddings that are wider than the LM, which open again as wide", async () => {
    const directory = temporaryFolder();
    const wide = new BaseModel(backbone, { users, items, width: 24 });
    onTestFinished(() => wide.dispose());
    const { tables, steps } = await run({
      ...mapped,
      model: wide,
      output: { directory, backboneId: "tiny" },
      epochs: 6,
    });
    expect(tables.collaborative.items.data).toHaveLength(24 * items);
    expect(mean(steps.slice(-6))).toBeLessThan(mean(steps.slice(0, 6)));
    const saved = await readModel(directory);
    expect(saved.description.sizes.width).toBe(24);
    expect(saved.tables).toEqual(tables);
    await expect(run({ ...mapped, tables })).rejects.toThrow(/expected .* of width 16/);
  });

  it("refuses features of other items", async () => {
    const short = { rows: 1, indptr: Int32Array.of(0, 2), indices: Int32Array.of(0, 2), values: Float32Array.of(1, 1) };
    await expect(run({ features: [{ ...features[0]!, ...short }] })).rejects.toThrow(
      "features: found 1 rows, expected 16, one for each item",
    );
  });
});
