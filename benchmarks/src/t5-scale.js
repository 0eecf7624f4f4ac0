// What the scale of new embeddings does to training on a T5, whose vocabulary embeddings have unit variance (paper,
// B.2.2): finetuning from several initial deviations at several learning rates, on real purchases. node src/t5-scale.js
// --reviews FILE --tokenizer DIR [--seconds 240]
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { Backbone, BaseModel, TrainableBackbone } from "@cllm4rec/backbone";
import { csrRow, Dataset, prepare } from "@cllm4rec/corpus";
import { finetune } from "@cllm4rec/finetune";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { Parameters, weightParameters } from "@cllm4rec/training";
import { trainWeights } from "@cllm4rec/training/language-model";
import { initialTables } from "@cllm4rec/training/stage";

const { values: options } = parseArgs({
  options: {
    /** Reviews in a format that `cllm4rec prepare` reads. */
    reviews: { type: "string" },
    /** A folder with tokenizer.json. */
    tokenizer: { type: "string" },
    /** For how long the T5 is trained on the reviews first; 0 leaves it random. */
    seconds: { type: "string", default: "240" },
    /** Another LM in place of the T5 that is made here, with the same tokenizer. */
    backbone: { type: "string" },
    width: { type: "string", default: "64" },
    /** Users in a batch. */
    batch: { type: "string", default: "32" },
    epochs: { type: "string", default: "24" },
    /** Initial deviations, as shares of the vocabulary's. */
    shares: { type: "string", default: "0.01,0.1,1" },
    rates: { type: "string", default: "0.001,0.01" },
  },
});
if (!options.reviews || !options.tokenizer) throw new Error("--reviews FILE and --tokenizer DIR are needed");

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "t5-scale-"));
const width = Number(options.width);
const { tokenizer, json } = await loadTokenizer(options.tokenizer);
const words = Math.max(...Object.values(json.model.vocab), ...(json.added_tokens ?? []).map(({ id }) => id)) + 1;
await prepare({ inputs: [options.reviews], output: path.join(folder, "data") });
const dataset = await Dataset.open(path.join(folder, "data"));
const { users, items } = dataset;
const [train, validation] = [await dataset.interactions("train"), await dataset.interactions("validation")];
const extended = new ExtendedTokenizer({ tokenizer, rows: words, users, items });

/** @param {string} list */
const numbersOf = (list) => list.split(",").map(Number);

/** Deterministic normal numbers. @param {number} seed */
function normals(seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/**
 * T5 as it begins (Raffel et al. 2020, as transformers reads it): embeddings of unit variance, projections scaled by
 * their inputs.
 */
function newT5() {
  const normal = normals(1);
  const config = {
    ...{ model_type: "t5", is_encoder_decoder: true, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1 },
    ...{
      vocab_size: words,
      d_model: width,
      d_kv: width / 4,
      num_heads: 4,
      d_ff: 4 * width,
      num_layers: 3,
      n_positions: 256,
    },
  };
  return TrainableBackbone.create(config, ({ name, shape: [rows = 0, columns] }) => {
    if (columns === undefined) return new Float32Array(rows).fill(1);
    const own = name.endsWith(".q.weight") ? (columns * (width / 4)) ** -0.5 : columns ** -0.5;
    return Float32Array.from({ length: rows * columns }, () => (name === "shared.weight" ? 1 : own) * normal());
  });
}

/** Reviews cut in two: the first half in the encoder, the second in the decoder. */
async function halves() {
  /** @type {{ encoderIds: number[], decoderIds: number[], targets: number[] }[]} */
  const documents = [];
  for await (const { text } of dataset.trainReviews()) {
    const ids = extended.encodeText(text).slice(0, 96);
    if (ids.length < 8) continue;
    const [first, second] = [ids.slice(0, ids.length >> 1), ids.slice(ids.length >> 1)];
    documents.push({ encoderIds: [...first, 1], decoderIds: [0, ...second.slice(0, -1)], targets: second });
  }
  const batch = 32;
  const steps = Math.floor(documents.length / batch);
  return {
    identity: "halves of reviews",
    steps: () => steps,
    /** @param {{ seed: number, epoch: number, step: number }} state */
    batch: ({ seed, epoch, step }) => ({
      documents: documents.slice(step * batch, (step + 1) * batch),
      next: step + 1 === steps ? { seed, epoch: epoch + 1, step: 0 } : { seed, epoch, step: step + 1 },
    }),
  };
}

/** The T5 that is made here, trained for as long as asked. */
async function ownT5() {
  const lm = newT5();
  const seconds = Number(options.seconds);
  if (seconds > 0) {
    const model = new BaseModel(lm, { users: 0, items: 0 });
    const batches = await halves();
    /** @type {number[]} */
    const losses = [];
    const stop = AbortSignal.timeout(1000 * seconds);
    await trainWeights({
      ...{
        model,
        task: { loss: "next-word", batches },
        parameters: new Parameters(weightParameters(lm.weights)),
        updates: 1e6,
        stop,
      },
      learningRate: { peak: 3e-3, warmup: 50 },
      onEvent: (event) => {
        if (event.type === "step") losses.push(event.languageModel);
      },
    });
    const mean = (/** @type {number[]} */ part) => part.reduce((a, b) => a + b, 0) / part.length;
    console.log(
      `T5 of width ${width}, ${lm.parameterCount} parameters: ${losses.length} updates on halves of reviews, −log ` +
        `p a word ${losses[0]?.toFixed(2)} → ${mean(losses.slice(-20)).toFixed(2)}`,
    );
    await model.dispose();
  }
  await lm.save(path.join(folder, "t5"));
  await lm.dispose();
  return path.join(folder, "t5");
}

const backbone = await Backbone.open(options.backbone ?? (await ownT5()), {
  weights: { cacheDirectory: path.join(folder, "cache") },
});
const model = new BaseModel(backbone, { users, items });

/** Recall@20 of the most popular items, over min(20, held-out items). */
function popularity() {
  const counts = new Float64Array(items);
  for (const item of train.indices) counts[item] = (counts[item] ?? 0) + 1;
  const order = Array.from(counts.keys()).sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b);
  let [sum, counted] = [0, 0];
  for (let user = 0; user < users; user++) {
    const wanted = csrRow(validation, user);
    if (wanted.length === 0) continue;
    const known = new Set(csrRow(train, user));
    const best = order.filter((item) => !known.has(item)).slice(0, 20);
    sum += best.filter((item) => wanted.includes(item)).length / Math.min(20, wanted.length);
    counted++;
  }
  return sum / counted;
}

const deviation = await backbone.vocabularyDeviation();
console.log(
  `vocabulary embeddings: standard deviation ${deviation.toFixed(3)}; ${users} users, ${items} items; Recall@20 ` +
    `of the most popular ${popularity().toFixed(4)}`,
);
console.log(
  "| initial deviation / vocabulary's | learning rate | Recall@20 | Recall@40 | NDCG@100 | best epoch | first " +
    "loss | last loss | gradient norm, first | s |",
);
console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
for (const share of numbersOf(options.shares)) {
  for (const learningRate of numbersOf(options.rates)) {
    const tables = initialTables({
      users,
      items,
      width: backbone.config.hiddenSize,
      seed: 1,
      priorDeviation: share * deviation,
    });
    /** @type {import("@cllm4rec/training").StepDone[]} */
    const steps = [];
    const started = performance.now();
    const { best } = await finetune({
      ...{
        model,
        tokenizer: extended,
        tables,
        train,
        validation,
        seed: 1,
        learningRate,
        epochs: Number(options.epochs),
      },
      batch: { documents: Number(options.batch) },
      validateEvery: 4,
      onEvent: (event) => {
        if (event.type === "step") steps.push(event);
      },
    });
    const [first, last] = [steps[0], steps.at(-1)];
    if (!best || !first || !last) throw new Error("no epoch was validated");
    const numbers = ["recall@20", "recall@40", "ndcg@100"].map((name) => best.metrics[name]?.toFixed(4)).join(" | ");
    const losses = `${first.languageModel.toFixed(2)} | ${last.languageModel.toFixed(2)}`;
    const time = ((performance.now() - started) / 1000).toFixed(0);
    console.log(
      `| ${share} | ${learningRate} | ${numbers} | ${best.epoch + 1} | ${losses} | ` +
        `${first.gradientNorm.toPrecision(2)} | ${time} |`,
    );
  }
}
await model.dispose();
await backbone.dispose();
dataset.close();
fs.rmSync(folder, { recursive: true });
