// config.json of the decoders beyond GPT-2 and Llama: defaults as in transformers, one normal form, what is refused by
// name.
import { describe, expect, it } from "vitest";
import { rotaryFrequencies, rotaryMagnitude } from "../src/architectures/rope.js";
import { parseConfig } from "../src/checkpoint/config.js";
import type { LlamaConfig } from "../src/checkpoint/config-llama.js";

const sizes = {
  vocab_size: 300,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 8,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 1024,
};
const llama = (type: string, more: object = {}) => parseConfig({ ...sizes, ...more, model_type: type }) as LlamaConfig;

describe("the Llama family", () => {
  it("has each member's own defaults", () => {
    expect(llama("qwen3")).toMatchObject({ headSize: 128, queryKeyNorm: true, tieWordEmbeddings: false });
    expect(llama("qwen3", { attention_bias: true })).toMatchObject({
      attentionBias: { queryKeyValue: true, output: true },
    });
    expect(llama("smollm3")).toMatchObject({
      rotaryLayers: [true, true, true, false, true, true, true, false],
      tieWordEmbeddings: true,
      rope: { theta: 2_000_000 },
    });
    expect(llama("smollm3", { no_rope_layer_interval: 2 }).rotaryLayers.slice(0, 4)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    const phi4 = { lm_head_bias: false, full_attn_mod: 1, interpolate_factor: 1 };
    expect(llama("phi3", { ...phi4, resid_pdrop: 0.1, embd_pdrop: 0.1 })).toMatchObject({
      fusedProjections: true,
      normEpsilon: 1e-5,
      dropout: { attention: 0, residual: 0.1 },
      unrecognisedKeys: [],
    });
    const windowed = { use_sliding_window: true, sliding_window: 9 };
    expect(llama("smollm3", windowed).windows).toEqual([null, null, null, 9, null, null, null, 9]);
    expect(llama("qwen3", { ...windowed, max_window_layers: 6 }).windows.slice(4)).toEqual([null, null, 9, 9]);
    expect(llama("phi3", { sliding_window: 9 }).windows).toEqual(new Array(8).fill(9));
    expect(llama("phi3").windows).toEqual(new Array(8).fill(null));
  });

  it("takes null for as many key/value heads as query heads, and the absent number for transformers' default", () => {
    const heads = { num_attention_heads: 32, num_key_value_heads: undefined };
    for (const [type, expected] of Object.entries({
      llama: 32,
      mistral: 8,
      qwen2: 32,
      qwen3: 32,
      smollm3: 4,
      phi3: 32,
    }))
      expect(llama(type, heads).keyValueHeads, type).toBe(expected);
    expect(llama("smollm3", { num_attention_heads: 32, num_key_value_heads: null }).keyValueHeads).toBe(32);
    expect(() => llama("mistral", { num_key_value_heads: undefined })).toThrow(
      /"num_key_value_heads" is absent, which means 8, expected a divisor of "num_attention_heads" = 4/,
    );
  });

  it.each<[string, string, object, RegExp]>([
    ["layers without positions elsewhere", "qwen3", { no_rope_layers: [1, 0] }, /"no_rope_layers" is \[1,0\]/],
    ["too few of them", "smollm3", { no_rope_layers: [1, 0] }, /expected 8 numbers, one for each layer/],
    ["other numbers", "smollm3", { no_rope_layers: [2] }, /"no_rope_layers/],
    ["a bias that nobody reads", "qwen3", { mlp_bias: true }, /"mlp_bias" is true.*false for model_type "qwen3"/],
    ["a bias of Phi-4's head", "phi3", { lm_head_bias: true }, /"lm_head_bias" is true/],
    ["biases in Phi-3", "phi3", { attention_bias: true }, /"attention_bias" is true.*false for model_type "phi3"/],
    ["a billion layers", "qwen3", { num_hidden_layers: 1e9 }, /"num_hidden_layers" is 1000000000/],
    ["partial rotation elsewhere", "qwen3", { partial_rotary_factor: 0.5 }, /"partial_rotary_factor" is 0\.5/],
    [
      "an odd share",
      "phi3",
      { partial_rotary_factor: 0.6 },
      /heads are 16 wide and 0\.6 of them is turned, which is 9/,
    ],
    ["LongRoPE elsewhere", "qwen3", { rope_scaling: { type: "longrope", short_factor: [1] } }, /is "longrope"/],
    [
      "factors of the wrong number",
      "phi3",
      { rope_scaling: { type: "longrope", short_factor: [1], long_factor: [1] } },
      /"rope_scaling\.short_factor" is 1 numbers, expected 8/,
    ],
    ["linear scaling in Phi-3", "phi3", { rope_scaling: { type: "linear", factor: 2 } }, /rope_type" is "linear"/],
    [
      "ropes that disagree in their factor",
      "qwen3",
      { rope_parameters: { rope_type: "yarn", factor: 2 }, rope_scaling: { type: "yarn", factor: 4 } },
      /"rope_scaling" is .* expected it to mean the same as "rope_parameters"/,
    ],
  ])("refuses by name: %s", (_, type, more, message) => {
    expect(() => llama(type, more)).toThrow(message);
  });
});

describe("yarn", () => {
  const yarn = (more: object) => llama("qwen3", { rope_scaling: { rope_type: "yarn", factor: 4, ...more } }).rope;

  it("has transformers' defaults", () => {
    expect(yarn({}).scaling).toEqual({
      type: "yarn",
      factor: 4,
      betaFast: 32,
      betaSlow: 1,
      originalMaxPositions: 1024,
      truncate: true,
      attentionFactor: 0.1 * Math.log(4) + 1,
    });
    // The outer length has priority; null for the factor is the ratio of the two lengths.
    const outer = { original_max_position_embeddings: 256 };
    const rope_scaling = { rope_type: "yarn", factor: null, original_max_position_embeddings: 512 };
    expect(llama("qwen3", { ...outer, rope_scaling }).rope.scaling).toMatchObject({
      factor: 4,
      originalMaxPositions: 256,
    });
  });

  it("scales attention by the factor given, or by the ratio of two mscales", () => {
    expect(rotaryMagnitude(yarn({ attention_factor: 1.5, mscale: 2, mscale_all_dim: 1 }))).toBe(1.5);
    const m = (mscale: number) => 0.1 * mscale * Math.log(4) + 1;
    expect(rotaryMagnitude(yarn({ mscale: 2, mscale_all_dim: 0.5 }))).toBeCloseTo(m(2) / m(0.5), 12);
    expect(rotaryMagnitude(yarn({ mscale: 2 }))).toBeCloseTo(m(1), 12);
    expect(rotaryMagnitude(llama("qwen3").rope)).toBe(1);
  });

  it("keeps high frequencies, divides low ones, and interpolates between", () => {
    const rope = yarn({ original_max_position_embeddings: 1024 });
    const plain = rotaryFrequencies({ ...rope, scaling: null });
    const shares = rotaryFrequencies(rope).map((frequency, d) => plain[d]! / frequency);
    expect(shares[0]).toBe(1);
    expect(shares.at(-1)).toBeCloseTo(4, 12);
    for (let d = 1; d < shares.length; d++) expect(shares[d]!).toBeGreaterThanOrEqual(shares[d - 1]! - 1e-12);
    expect(shares.filter((share) => share > 1.01 && share < 3.99).length).toBeGreaterThan(3);
  });
});

describe("LongRoPE", () => {
  const eight = (first: number) => [first, 2, 3, 4, 5, 6, 7, 8];
  const longrope = (maxPositions?: number, type = "longrope") =>
    parseConfig(
      {
        ...sizes,
        model_type: "phi3",
        original_max_position_embeddings: 256,
        rope_scaling: { type, short_factor: eight(1), long_factor: eight(9) },
      },
      maxPositions === undefined ? {} : { maxPositions },
    ) as LlamaConfig;

  it("divides each pair's frequency by its short factor, and ends at the original length", () => {
    const { rope, maxPositions } = longrope();
    expect(maxPositions).toBe(256);
    expect(rope.scaling).toEqual({
      type: "longrope",
      shortFactors: eight(1),
      originalMaxPositions: 256,
      attentionFactor: Math.sqrt(1 + Math.log(4) / Math.log(256)),
    });
    const plain = rotaryFrequencies({ ...rope, scaling: null });
    expect(rotaryFrequencies(rope)).toEqual(plain.map((frequency, d) => frequency / eight(1)[d]!));
    expect(longrope(100).maxPositions).toBe(100);
    expect(longrope(undefined, "su").rope).toEqual(rope); // the first name of it
  });

  it("refuses longer sequences, whose frequencies are others", () => {
    expect(() => longrope(257)).toThrow(/maxPositions is 257, expected at most 256.*"long_factor"/);
    expect(() => longrope(1025)).toThrow(/maxPositions is 1025, expected an integer from 1 to/);
  });
});

describe("Gemma 3", () => {
  const gemma = (more: object = {}) => parseConfig({ ...sizes, ...more, model_type: "gemma3_text" });

  it("has five local layers before each global one, with a rope of their own", () => {
    const local = [true, true, true, true, true, false, true, true];
    expect(gemma({ sliding_window: 512 })).toMatchObject({
      localLayers: local,
      windows: local.map((is) => (is ? 512 : null)),
      rope: { global: { theta: 1_000_000, scaling: null }, local: { theta: 10_000, scaling: null } },
      headSize: 256,
      queryScalar: 256,
      tieWordEmbeddings: true,
    });
    // A local layer keeps its rope where its window hides nothing.
    expect(gemma()).toMatchObject({ localLayers: local, windows: new Array(8).fill(null) });
    const rope = { rope_theta: 5e5, rope_local_base_freq: 500, rope_scaling: { rope_type: "linear", factor: 8 } };
    expect(gemma(rope)).toMatchObject({
      rope: { global: { theta: 5e5, scaling: { type: "linear", factor: 8 } }, local: { theta: 500, scaling: null } },
    });
    const byLayer = {
      full_attention: { rope_type: "linear", factor: 8, rope_theta: 5e5 },
      sliding_attention: { rope_theta: 500 },
    };
    expect(gemma({ rope_parameters: byLayer })).toEqual(gemma(rope));
  });

  it.each<[string, object, RegExp]>([
    ["soft-capping", { final_logit_softcapping: 30 }, /"final_logit_softcapping" is 30/],
    ["attention both ways", { use_bidirectional_attention: true }, /"use_bidirectional_attention" is true/],
    ["another activation", { hidden_activation: "silu" }, /"hidden_activation" is "silu".*gelu_new/],
    ["a rope for all layers", { rope_parameters: { rope_type: "default" } }, /"rope_parameters\.rope_type"/],
    [
      "two ropes for global layers",
      { rope_parameters: { full_attention: {} }, rope_scaling: { rope_type: "linear", factor: 2 } },
      /"rope_scaling".*absent where "rope_parameters" is there/,
    ],
    ["an unknown rope parameter", { rope_parameters: { full_attention: { mrope: 1 } } }, /full_attention\.mrope/],
    ["heads that do not divide", { num_key_value_heads: 3 }, /"num_key_value_heads" is 3, expected a divisor/],
  ])("refuses by name: %s", (_, more, message) => {
    expect(() => gemma(more)).toThrow(message);
  });
});

describe("OPT", () => {
  const opt = (more: object = {}) =>
    parseConfig({
      model_type: "opt",
      vocab_size: 300,
      hidden_size: 64,
      ffn_dim: 96,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      max_position_embeddings: 128,
      ...more,
    });

  it("has the width of its embeddings as K, and transformers' defaults", () => {
    expect(opt()).toMatchObject({
      hiddenSize: 64,
      blockWidth: 64,
      activation: "relu",
      normBefore: true,
      finalNorm: true,
      bias: true,
      normAffine: true,
      tieWordEmbeddings: true,
      dropout: { attention: 0, residual: 0.1 },
    });
    const medium = { word_embed_proj_dim: 32, do_layer_norm_before: false, layerdrop: 0, init_std: 0.02 };
    expect(opt(medium)).toMatchObject({
      hiddenSize: 32,
      blockWidth: 64,
      headSize: 16,
      finalNorm: false,
      unrecognisedKeys: [],
    });
    expect(opt({ _remove_final_layer_norm: true })).toMatchObject({ normBefore: true, finalNorm: false });
    expect(() => opt({ num_attention_heads: 5 })).toThrow(/"hidden_size" is 64, expected a multiple/);
    expect(() => opt({ activation_function: "tanh" })).toThrow(/"activation_function" is "tanh".*relu/);
  });
});

describe("GPT-NeoX", () => {
  const neox = (more: object = {}) =>
    parseConfig({ ...sizes, num_key_value_heads: null, ...more, model_type: "gpt_neox" });

  it("turns a quarter of each head unless the file says otherwise, in either form", () => {
    expect(neox()).toMatchObject({
      rope: { theta: 10_000, dimensions: 4, scaling: null },
      parallelResidual: true,
      attentionBias: true,
      tieWordEmbeddings: false,
      activation: "gelu",
    });
    const rope = { theta: 500, dimensions: 8 };
    expect(neox({ rotary_pct: 0.5, rotary_emb_base: 500 })).toMatchObject({ rope });
    expect(neox({ rope_parameters: { rope_theta: 500, partial_rotary_factor: 0.5 } })).toMatchObject({ rope });
    expect(() => neox({ rotary_pct: 0.2 })).toThrow(/heads are 16 wide and 0\.2 of them is turned, which is 3/);
    expect(() => neox({ hidden_act: "tanh" })).toThrow(/"hidden_act" is "tanh"/);
  });
});
