// What an epoch of finetuning costs, data, optimiser and all, against the floor: the frozen LM's and the item head's
// operations at the machine's matmul rate, measured just before and after.
import os from "node:os";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { BatchPlan, Dataset, decoderOnly, recommendationDocuments } from "@cllm4rec/corpus";
import { finetune } from "@cllm4rec/finetune";
import { matmulRate, onnxRuntime } from "@cllm4rec/onnx-grad";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { initialTables } from "@cllm4rec/training/stage";
import { backboneDirectory, circumstances, prepared } from "./run.js";

const BATCH = 128;

/** Each with as many of the data set's users as make an epoch of a minute or less. */
const CASES = /** @type {const} */ ([
  { backbone: "tinystories-656k", layers: undefined, users: 10_553 },
  { backbone: "smollm2-135m", layers: 1, users: 10_553 },
  { backbone: "smollm2-135m", layers: undefined, users: 1_024 },
]);

/** @param {{ shared: string, repeats: number }} options */
export async function epochCosts({ shared, repeats }) {
  const dataset = await Dataset.open(path.resolve(await prepared("beauty", shared)));
  const train = await dataset.interactions("train");
  const { items } = dataset;
  dataset.close();
  const engine = onnxRuntime();
  const rate = await matmulRate(engine);
  const results = [];
  for (const { backbone: name, layers, users } of CASES) {
    process.stderr.write(`${name}${layers ? `, ${layers} layer` : ""}: ${users} users\n`);
    const directory = await backboneDirectory(name, shared);
    const backbone = await Backbone.open(directory, { engine, ...(layers && { layers }) });
    const model = new BaseModel(backbone, { users, items });
    const { tokenizer: base } = await loadTokenizer(directory);
    const tokenizer = new ExtendedTokenizer({ tokenizer: base, rows: backbone.config.vocabularySize, users, items });
    const { width, maxPositions } = model.vocabulary;
    const tables = initialTables({ users, items, width, seed: 0, priorDeviation: 0.02 });
    const some = firstRows(train, users);
    const documents = recommendationDocuments({
      ...{ tokenizer, interactions: some, layout: decoderOnly(), maxLength: maxPositions },
      ...{ targets: "held-out", maskedShare: 0.5, userToken: false, order: "shuffled" },
    });
    const plan = new BatchPlan(documents, { size: { documents: BATCH } });
    /** @param {number} seed */
    const epoch = (seed) =>
      finetune({
        model,
        tokenizer,
        tables,
        train: some,
        seed,
        epochs: 1,
        batch: { documents: BATCH },
        maskedShare: 0.5,
      });
    await epoch(0); // loads the graphs
    const runs = [];
    for (let seed = 1; seed <= repeats; seed++) {
      const before = await rate.measure();
      const started = performance.now();
      await epoch(seed);
      const seconds = (performance.now() - started) / 1e3;
      const gflops = (before + (await rate.measure())) / 2;
      const { needed, whole, tokens } = usefulOperations(model, plan, seed);
      runs.push({ seconds, floor: needed / gflops / 1e9, wholeFloor: whole / gflops / 1e9, tokens, gflops });
    }
    const middle = runs.sort((a, b) => a.floor / a.seconds - b.floor / b.seconds)[runs.length >> 1];
    results.push({ backbone: name, layers: backbone.config.layers, users, items, ...middle });
    await model.dispose();
    await backbone.dispose();
  }
  await rate.dispose();
  const { description } = engine;
  await engine.dispose();
  return {
    engine: description,
    ...circumstances(os.availableParallelism()),
    results,
  };
}

/**
 * Operations of an epoch over its useful tokens: `whole` with all of the LM for every token, `needed` with the last
 * block's output projection and MLP for last positions alone.
 * @param {BaseModel} model
 * @param {BatchPlan<import("@cllm4rec/corpus").RecommendationDocument>} plan
 * @param {number} seed
 */
export function usefulOperations({ backbone, vocabulary }, plan, seed) {
  let [needed, whole, tokens] = [0, 0, 0];
  /** @type {import("@cllm4rec/corpus").BatchState} */
  let state = { seed, epoch: 0, step: 0 };
  for (let left = plan.steps(state); left > 0; left--) {
    const { documents, next } = plan.batch(state);
    const lengths = documents.map(({ ids }) => ids.length);
    const head = 2 * vocabulary.items * vocabulary.width * lengths.length * 3; // logits, and both factors' gradients
    needed += head + backbone.operations(lengths, { wanted: lengths.length, backward: true });
    whole += head + backbone.operations(lengths, { backward: true });
    tokens += lengths.reduce((a, b) => a + b, 0);
    state = next;
  }
  return { needed, whole, tokens };
}

/**
 * @param {import("@cllm4rec/corpus").Csr} matrix
 * @param {number} rows
 */
function firstRows({ columns, indptr, indices }, rows) {
  return { rows, columns, indptr: indptr.slice(0, rows + 1), indices: indices.slice(0, indptr[rows]) };
}
