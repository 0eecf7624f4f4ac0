// Pretrains the LM that `cllm4rec demo` uses, from nothing, with this repository's own engine, and writes
// embedded/tiny-lm.
//   node scripts/pretrain-tiny-lm.mjs [--out FOLDER] [--state FILE] [--updates N]
// Run the same command again to resume. Built packages are needed: npx turbo run build.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BaseModel } from "@cllm4rec/backbone";
import { onnxRuntime } from "@cllm4rec/onnx-grad";
import { byteLevelBpe } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { checkpointFile, Parameters, weightParameters } from "@cllm4rec/training";
import { initialLanguageModel, textLoss, tokenWindows, trainWeights } from "@cllm4rec/training/language-model";
import { LM_SEEDS, LM_SIZES, lmCorpus } from "./shop/lm-corpus.mjs";
import { trainBpe } from "./train-bpe.mjs";

const { values } = parseArgs({
  options: { out: { type: "string" }, state: { type: "string" }, updates: { type: "string", default: "560" } },
});
const out = values.out ?? fileURLToPath(new URL("../embedded/tiny-lm", import.meta.url));
const state = values.state ?? path.join(os.tmpdir(), "cllm4rec-tiny-lm", "state.safetensors");
const updates = Number(values.updates);

const END = "<|endoftext|>";
const TRAINING = {
  seed: 0,
  length: 256,
  batch: 16,
  updates,
  learningRate: {
    peak: 4e-3,
    warmup: 50,
    decay: { shape: /** @type {const} */ ("cosine"), total: updates, floor: 4e-4 },
  },
  weightDecay: 0.1,
  beta2: 0.95,
  clipNorm: 1,
};

const corpus = { train: lmCorpus("train"), heldOut: lmCorpus("heldOut") };
const { vocab, merges } = trainBpe(corpus.train, { size: 2048, specialTokens: [END] });
fs.mkdirSync(out, { recursive: true });
writeJson("tokenizer.json", byteLevelBpe({ vocab, merges }));
writeJson("tokenizer_config.json", {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: END,
  eos_token: END,
  model_max_length: 512,
});
const { tokenizer } = await loadTokenizer(out);
const end = vocab[END] ?? 0;
/** @param {readonly string[]} documents */
const tokensOf = (documents) =>
  Int32Array.from(documents.flatMap((text) => [end, ...tokenizer.encode(text, { add_special_tokens: false }).ids]));
const tokens = { train: tokensOf(corpus.train), heldOut: tokensOf(corpus.heldOut) };

const config = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: Object.keys(vocab).length,
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: "silu",
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  initializer_range: 0.05,
  bos_token_id: end,
  eos_token_id: end,
};
const engine = onnxRuntime();
const backbone = initialLanguageModel(config, { seed: TRAINING.seed, engine });
const model = new BaseModel(backbone, { users: 0, items: 0 });
const { weightDecay, beta2 } = TRAINING;
const unigram = unigramLoss(tokens.train, tokens.heldOut, config.vocab_size);
console.log(
  `${backbone.parameterCount} parameters, ${tokens.train.length} tokens to train on, ${tokens.heldOut.length} ` +
    `held out; ${engine.description}`,
);
console.log(`unigram model: perplexity ${Math.exp(unigram).toFixed(1)}`);

const begun = performance.now();
const { batches, measure } = {
  batches: tokenWindows({ tokens: tokens.train, length: TRAINING.length, batch: TRAINING.batch }),
  measure: () => textLoss(model, tokens.heldOut, { length: TRAINING.length }),
};
await trainWeights({
  model,
  task: { loss: "next-word", batches },
  parameters: new Parameters(weightParameters(backbone.weights, { weightDecay, beta2 })),
  updates,
  learningRate: TRAINING.learningRate,
  clipNorm: TRAINING.clipNorm,
  seed: TRAINING.seed,
  store: checkpointFile(state),
  validate: { every: 100, measure: async () => ({ loss: (await measure()).loss }) },
  onEvent(event) {
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    if (event.type === "run-started" && event.resumedFrom) console.log(`resumed after update ${event.update}`);
    if (event.type === "step" && event.update % 20 === 0)
      console.log(`${seconds} s, update ${event.update}/${updates}: loss ${event.languageModel.toFixed(4)}`);
    if (event.type === "validation") {
      const { loss = Number.NaN } = event.metrics;
      console.log(`${seconds} s, held out: loss ${loss.toFixed(4)}, perplexity ${Math.exp(loss).toFixed(2)}`);
    }
  },
});
await backbone.save(out);
const { loss, targets } = await measure();
writeJson("training.json", {
  corpus: { seeds: LM_SEEDS, sizes: LM_SIZES, tokens: { train: tokens.train.length, heldOut: tokens.heldOut.length } },
  training: TRAINING,
  parameters: backbone.parameterCount,
  heldOut: {
    targets,
    loss: round(loss),
    perplexity: round(Math.exp(loss)),
    unigramPerplexity: round(Math.exp(unigram)),
  },
});
const { user, system } = process.cpuUsage();
console.log(
  `${out}: perplexity ${Math.exp(loss).toFixed(2)} after ${((performance.now() - begun) / 1000).toFixed(0)} s, ` +
    `${((user + system) / 6e7).toFixed(1)} minutes of one core`,
);
await model.dispose();
await engine.dispose();

/** @param {string} name @param {unknown} value */
function writeJson(name, value) {
  fs.writeFileSync(path.join(out, name), `${JSON.stringify(value, null, 2)}\n`);
}

/** @param {number} x */
function round(x) {
  return Number(x.toFixed(4));
}

/**
 * Mean of −log p of one text under another one's token counts, one added to each.
 * @param {Int32Array} train
 * @param {Int32Array} heldOut
 * @param {number} size
 */
function unigramLoss(train, heldOut, size) {
  const counts = new Float64Array(size).fill(1);
  for (const token of train) counts[token] = (counts[token] ?? 0) + 1;
  let sum = 0;
  for (const token of heldOut.subarray(1)) sum -= Math.log((counts[token] ?? 1) / (train.length + size));
  return sum / (heldOut.length - 1);
}
