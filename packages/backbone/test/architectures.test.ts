// Tiny random models of every supported architecture and feature against Hugging Face transformers, elementwise,
// through the public API.
import { type Backbone, type BaseModel, openCheckpoint, openFloat32Weights } from "@cllm4rec/backbone";
import { describe, expect, it } from "vitest";
import {
  expectRelative,
  type GoldenModel,
  goldenRecord,
  goldenTensors,
  modelDirectory,
  modelOpener,
  noSoftTokens,
  table,
} from "./goldens.js";

const open = modelOpener();

const MODELS: [name: string, embedding: string, what: string][] = [
  ["gpt2", "wte.weight", "bare names, mask buffers, no head in the file"],
  ["gpt2-untied", "transformer.wte.weight", "prefixed names, exact GELU, n_inner, a head of its own"],
  ["gpt2-relu", "transformer.wte.weight", "ReLU, tied head stored twice, both mask buffers"],
  ["llama", "model.embed_tokens.weight", "as many key/value heads as heads, a head of its own, inv_freq buffers"],
  ["llama-gqa", "lm_head.weight", "grouped heads, tied matrix under the head's name"],
  [
    "llama-biases",
    "model.embed_tokens.weight",
    "all biases, one key/value head, heads that do not add up to the width",
  ],
  ["llama-rope-linear", "model.embed_tokens.weight", "linear rope scaling, BF16"],
  ["llama-rope-llama3", "model.embed_tokens.weight", "Llama 3.1's rope scaling, an older config.json"],
  ["mistral", "model.embed_tokens.weight", "head_dim, shards"],
  ["qwen2", "model.embed_tokens.weight", "biases on q, k and v, tied"],
  ["qwen2-window", "model.embed_tokens.weight", "layer_types with a window of 7"],
  ["mistral-window", "model.embed_tokens.weight", "a window of 4 in all layers"],
  ["llama-rope-yarn", "model.embed_tokens.weight", "yarn with its defaults, an older config.json"],
  ["qwen3", "model.embed_tokens.weight", "norms on queries and keys, head_dim, tied"],
  ["qwen3-window", "model.embed_tokens.weight", "max_window_layers, biases, one key/value head, an older config.json"],
  ["qwen3-rope-yarn", "model.embed_tokens.weight", "yarn with mscales and bounds that are not rounded"],
  ["smollm3", "model.embed_tokens.weight", "one layer of four without positions, yarn with a factor for attention"],
  ["smollm3-window", "model.embed_tokens.weight", "no_rope_layers, a window in these, untied"],
  ["phi3", "model.embed_tokens.weight", "fused projections, a window in all layers"],
  ["gemma3", "model.embed_tokens.weight", "two ropes by kind of layer, windows in two of three layers"],
  ["gemma3-pattern", "model.embed_tokens.weight", "sliding_window_pattern, older rope keys, biases, untied"],
  ["opt", "model.decoder.embed_tokens.weight", "norms before, tied"],
  [
    "opt-projected",
    "model.decoder.embed_tokens.weight",
    "norms after each sum, blocks wider than embeddings, GELU's tanh form",
  ],
  ["opt-bare", "model.decoder.embed_tokens.weight", "neither biases nor scales, GELU, untied"],
  ["gpt-neox", "gpt_neox.embed_in.weight", "a quarter of each head turned, parallel residual, untied"],
  [
    "gpt-neox-sequential",
    "gpt_neox.embed_in.weight",
    "one part after the other, no biases in attention, linear rope, tied",
  ],
  ["phi3-longrope", "model.embed_tokens.weight", "LongRoPE, three quarters of each head turned, grouped heads, tied"],
];

/** The frozen vocabulary embeddings of these tokens, [T, K]. */
async function vocabularyRows(directory: string, name: string, ids: readonly number[]): Promise<Float32Array> {
  const weights = await openFloat32Weights(await openCheckpoint(directory), { cacheDirectory: `${open.folder}/cache` });
  const width = weights.tensor(name).shape[1]!;
  const all = await weights.read(name);
  return Float32Array.from(ids.flatMap((id) => [...all.subarray(id * width, (id + 1) * width)]));
}

describe.each(MODELS)("%s", (name, embedding, _what) => {
  const directory = modelDirectory(name);
  const { sequences, greedy } = goldenRecord<GoldenModel>(name);
  let opened: Promise<{ backbone: Backbone; words: BaseModel; golden: (tensor: string) => Float32Array }> | undefined;
  const setUp = () => {
    opened ??= (async () => {
      const backbone = await open.backbone(directory);
      return { backbone, words: open.model(backbone, { users: 0, items: 0 }), golden: await goldenTensors(name) };
    })();
    return opened;
  };

  it("hidden states of every position", async () => {
    const { words, golden } = await setUp();
    const hidden = await words.hiddenStates(
      sequences.map(({ ids }) => ids),
      noSoftTokens,
    );
    for (const [i, actual] of hidden.entries()) expectRelative(actual, golden(`${i}.hidden`), `sequence ${i}`);
  });

  it("logits of every position, each from the prefix that ends there", async () => {
    const { words, golden } = await setUp();
    const short = sequences.filter(({ ids }) => ids.length < 256);
    expect(short.map(({ ids }) => ids.length)).toEqual([1, 2, 7, 20]);
    const prefixes = short.flatMap(({ ids }) => ids.map((_, t) => ids.slice(0, t + 1)));
    const logits = await words.nextWordLogits(prefixes, noSoftTokens);
    let at = 0;
    short.forEach((_, i) => {
      const expected = golden(`${i}.logits`);
      expectRelative(logits.subarray(at, at + expected.length), expected, `sequence ${i}`);
      at += expected.length;
    });
    expect(at).toBe(logits.length);
  });

  it("loss of vocabulary sequences", async () => {
    const { words } = await setUp();
    for (const { ids, targets, loss } of sequences) {
      const result = await words.nextWordLoss([{ ids, targets }], noSoftTokens);
      expectRelative([result.loss], [loss], "loss");
      expectRelative(result.documentLosses, [loss * ids.length], "document loss");
      expect(result.gradients!.users.rows).toHaveLength(0);
      expect(result.gradients!.items.rows).toHaveLength(0);
    }
  });

  it("gradient towards the input embeddings of every position", async () => {
    const { backbone, golden } = await setUp();
    const { vocabularySize, hiddenSize } = backbone.config;
    // Every position is a user token of its own, whose embedding is that of the vocabulary token which stands there.
    const all = sequences.flatMap(({ ids }) => ids);
    const model = open.model(backbone, { users: all.length, items: 0 });
    const users = table(await vocabularyRows(directory, embedding, all), hiddenSize);
    let first = 0;
    for (const [i, { ids, targets, loss }] of sequences.entries()) {
      const rows = ids.map((_, t) => first + t);
      const document = { ids: rows.map((row) => vocabularySize + row), targets };
      const result = await model.nextWordLoss([document], { users, items: noSoftTokens.items });
      expectRelative([result.loss], [loss], "loss");
      expect([...result.gradients!.users.rows]).toEqual(rows);
      expectRelative(result.gradients!.users.data, golden(`${i}.gradient`), `sequence ${i}`);
      first += ids.length;
    }
    await model.dispose();
  });

  it("greedy continuations, with and without the key/value cache", async () => {
    const { words } = await setUp();
    for (const { prompt, continuation } of greedy) {
      expect(continuation).toHaveLength(16);
      const cached: number[] = [];
      for await (const token of words.generate(prompt, noSoftTokens, { maxTokens: 16 })) cached.push(token);
      expect(cached).toEqual(continuation);
      const uncached = [...prompt];
      while (uncached.length < prompt.length + 16) {
        const logits = await words.nextWordLogits([uncached], noSoftTokens);
        uncached.push(logits.indexOf(Math.max(...logits)));
      }
      expect(uncached.slice(prompt.length)).toEqual(continuation);
    }
  });
});
