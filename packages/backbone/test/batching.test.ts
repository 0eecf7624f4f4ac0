// The batch that a sequence travels in does not change what comes out of it, and long rows in blocks of queries agree
// with whole ones.
import path from "node:path";
import { sampled } from "@cllm4rec/testing";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
// From the sources: the graphs are no part of the public API.
import { Backbone } from "../src/model/backbone.js";
import { BaseModel } from "../src/model/base-model.js";
import { packBatch } from "../src/model/batch.js";
import type { SoftTables, TokenInput } from "../src/model/documents.js";
import { lossGraph } from "../src/model/graphs.js";
import { expectRelative, modelDirectory, modelOpener, noSoftTokens, table } from "./goldens.js";

/** Between two ways of computing the same in F32; where rows are longer, sums are added in another order. */
const SAME = 1e-5;

const { folder } = modelOpener();
const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
});

async function open(name: string, users: number, items: number): Promise<{ model: BaseModel; tables: SoftTables }> {
  const weights = { cacheDirectory: path.join(folder, "cache") };
  const backbone = await Backbone.open(modelDirectory(name), { weights });
  const model = new BaseModel(backbone, { users, items });
  closing.push(() => model.dispose().then(() => backbone.dispose()));
  const { width } = model.vocabulary;
  const rows = (count: number, phase: number) =>
    table(
      Float32Array.from({ length: count * width }, (_, k) => Math.sin(k * 1.7 + phase)),
      width,
    );
  return { model, tables: { users: rows(users, 0), items: rows(items, 1) } };
}

/**
 * Documents over words, items, and one user each, so that every user row's gradient comes from one document.
 * @param shared words that all of them begin with
 */
function documentsOf(
  seeds: readonly { length: number; seed: number }[],
  { vocabulary }: BaseModel,
  shared: readonly number[] = [],
): TokenInput[] {
  const { words, users, items } = vocabulary;
  return seeds.map(({ length, seed }, d) => {
    let state = seed;
    const below = (n: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const token = () => [below(words), words + d, words + users + below(items)][below(3)]!;
    const ids = [...shared, ...Array.from({ length }, (_, t) => (t === 0 ? words + d : token()))];
    const targets = ids.map((_, t) => (t === ids.length - 1 || below(2) === 0 ? below(words) : -1));
    return { ids, targets };
  });
}

/**
 * The decoders with all properties below, and how often the random ones are tried: often where masks are made in
 * another way. Norms of queries and keys divide by their lengths, which magnifies the differences of sums in another
 * order (1.1e-5 was seen).
 */
const MODELS: [name: string, runs: number, same?: number][] = [
  ["gpt2", sampled(4, 12)],
  ["llama-gqa", sampled(4, 12)],
  ["gemma3", sampled(3, 6), 5 * SAME],
  ["qwen2-window", sampled(3, 6)],
  ["qwen3-window", 3, 5 * SAME],
  ["smollm3-window", 3],
  ["phi3", 3],
  ["opt-projected", 3],
  ["gpt-neox", 3],
];

describe.each(MODELS)("%s", (name, numRuns, same = SAME) => {
  const USERS = 12;
  const opened = open(name, USERS, 7);

  async function aloneAndTogether(
    seeds: readonly { length: number; seed: number }[],
    shared: readonly number[] = [],
  ): Promise<void> {
    const { model, tables } = await opened;
    const { width } = model.vocabulary;
    const documents = documentsOf(seeds, model, shared);
    const together = await model.nextWordLoss(documents, tables, { reduction: "sum" });
    const items = new Float64Array(tables.items.data.length);
    for (const [d, document] of documents.entries()) {
      const alone = await model.nextWordLoss([document], tables, { reduction: "sum" });
      expectRelative([together.documentLosses[d]!], [alone.loss], `loss of document ${d}`, same);
      const { users: user, items: item } = alone.gradients!;
      expect([...user.rows]).toEqual([d]);
      const row = together.gradients!.users.data.subarray(d * width, (d + 1) * width);
      expectRelative(row, user.data, `user of document ${d}`, same);
      item.rows.forEach((j, r) => {
        for (let k = 0; k < width; k++) items[j * width + k]! += item.data[r * width + k]!;
      });
    }
    const { rows, data } = together.gradients!.items;
    const summed = Float64Array.from(data, (_, at) => items[rows[Math.floor(at / width)]! * width + (at % width)]!);
    expectRelative(data, summed, "items", same);
  }

  it("losses and gradients of mixed short documents are those of each alone", async () => {
    const document = fc.record({ length: fc.integer({ min: 1, max: 40 }), seed: fc.nat() });
    const documents = fc.array(document, { minLength: 2, maxLength: USERS });
    await fc.assert(
      fc.asyncProperty(documents, (seeds) => aloneAndTogether(seeds)),
      { numRuns },
    );
  });

  it("…also where all begin with the same words, which are computed once a row", async () => {
    const document = fc.record({ length: fc.integer({ min: 1, max: 20 }), seed: fc.nat() });
    const documents = fc.array(document, { minLength: 2, maxLength: USERS });
    const words = fc.array(fc.nat(9), { minLength: 1, maxLength: 30 });
    await fc.assert(fc.asyncProperty(documents, words, aloneAndTogether), { numRuns });
    const { model, tables } = await opened;
    const seeds = Array.from({ length: 10 }, (_, seed) => ({ length: 3, seed }));
    const batch = (shared: number[]) =>
      packBatch(
        documentsOf(seeds, model, shared).map(({ ids }) => ids),
        model.vocabulary,
        tables,
      );
    const [without, shared] = [batch([]), batch([1, 2, 3, 4, 5, 6])];
    expect(without.computedTokens).toBe(30);
    expect(shared.usefulTokens).toBe(90);
    expect(shared.computedTokens).toBeLessThanOrEqual(60);
  });

  it("…also where one is the beginning of another, and where words are shared in long rows", async () => {
    const { model, tables } = await opened;
    const prompts = [
      [1, 2, 3],
      [1, 2, 3, 4],
      [1, 2, 3, 4, 5],
      [1, 2, 3],
    ];
    const long = Array.from({ length: 280 }, (_, t) => t % 7);
    for (const sequences of [prompts, [long, [...long, 3], long.slice(0, 40), [...long, ...long]]]) {
      const together = await model.hiddenStates(sequences, tables);
      for (const [i, sequence] of sequences.entries()) {
        const [alone] = await model.hiddenStates([sequence], tables);
        expectRelative(together[i]!, alone!, `hidden states ${i}`, SAME);
      }
    }
  });

  it.each([
    [256, 3, 41, 255],
    [600, 1, 17, 254, 2],
    [511, 512, 513, 5],
  ])("…also beside documents so long that attention works in blocks: %i, %i, %i …", async (...lengths) => {
    await aloneAndTogether(lengths.map((length, i) => ({ length, seed: i })));
  });

  it("hidden states, scores and logits do not depend on the batch", async () => {
    const { model, tables } = await opened;
    const prompts = documentsOf(
      [5, 1, 33, 300, 12, 260].map((length, seed) => ({ length, seed })),
      model,
    ).map(({ ids }) => ids);
    const hidden = await model.hiddenStates(prompts, tables);
    const scores = await model.itemScores(prompts, tables);
    const logits = await model.nextWordLogits(prompts, tables);
    const { items, words } = model.vocabulary;
    for (const [i, prompt] of prompts.entries()) {
      const [alone] = await model.hiddenStates([prompt], tables);
      expectRelative(hidden[i]!, alone!, `hidden states ${i}`, SAME);
      const row = (all: Float32Array, n: number) => all.subarray(i * n, (i + 1) * n);
      expectRelative(row(scores, items), await model.itemScores([prompt], tables), `scores ${i}`, SAME);
      expectRelative(row(logits, words), await model.nextWordLogits([prompt], tables), `logits ${i}`, SAME);
    }
  });

  it.each(sampled([257, 600], [256, 257, 300, 512, 600]))(
    "blocks of queries agree with whole rows of %i tokens",
    async (length) => {
      // Every position is a user of its own.
      const { model, tables } = await open(name, length, 1);
      const { vocabulary } = model;
      const ids = Array.from({ length }, (_, t) => vocabulary.words + t);
      const targets = ids.map((_, t) => (t * 7) % vocabulary.words);
      const { feeds, queryBlocks } = packBatch([ids], vocabulary, tables);
      expect(queryBlocks).toBe(length < 512 ? 2 : 4);
      const int64 = (numbers: readonly number[]) =>
        ({ dtype: "int64", shape: [numbers.length], data: BigInt64Array.from(numbers, BigInt) }) as const;
      const ones = new Float32Array(targets.length).fill(1);
      const graph = lossGraph(model.backbone, vocabulary.width, {
        head: "words",
        gradients: true,
        queryBlocks: 1,
        lastOnly: false,
      });
      const session = await model.backbone.engine.load(graph);
      const whole = await session.run({
        ...feeds,
        scored: int64(targets.map((_, t) => t)),
        targetRows: int64(targets.map((_, t) => t)),
        targetClasses: int64(targets),
        targetWeights: { dtype: "float32", shape: [targets.length], data: ones },
        rowWeights: { dtype: "float32", shape: [targets.length, 1], data: ones },
      });
      await session.dispose();
      const blocks = await model.nextWordLoss([{ ids, targets }], tables, { reduction: "sum" });
      expectRelative([blocks.loss], whole.loss!.data as Float32Array, "loss", SAME);
      expectRelative(blocks.gradients!.users.data, whole.softGradients!.data as Float32Array, "gradients", SAME);
    },
  );

  // Known fault: generation takes the row that a prompt of 256 tokens or more is packed into, rounded up for blocks,
  // for the prompt itself.
  it("generates after prompts that are long enough for blocks", async () => {
    const { model } = await opened;
    const [{ ids }] = documentsOf([{ length: 301, seed: 3 }], model) as [TokenInput];
    const prompt = Array.from(ids, (id) => id % model.vocabulary.words);
    const tables = { users: (await opened).tables.users, items: (await opened).tables.items };
    const uncached = [...prompt];
    const cached: number[] = [];
    for await (const token of model.generate(prompt, tables, { maxTokens: 4 })) {
      const logits = await model.nextWordLogits([uncached], tables);
      uncached.push(logits.indexOf(Math.max(...logits)));
      cached.push(token);
    }
    expect(cached).toHaveLength(4);
    expect(cached).toEqual(uncached.slice(prompt.length));
  });
});

it("documents without any soft token have a loss and no gradient rows", async () => {
  const { model } = await open("llama", 0, 0);
  const result = await model.nextWordLoss([{ ids: [1, 2, 3], targets: [2, 3, 4] }], noSoftTokens);
  expect(result.loss).toBeGreaterThan(0);
  expect(result.gradients).toEqual({
    users: { rows: new Int32Array(0), data: new Float32Array(0) },
    items: { rows: new Int32Array(0), data: new Float32Array(0) },
  });
});
