// config.json of the decoders beyond GPT-2 and Llama: defaults as in transformers, one normal form, what is refused by name.
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
    expect(llama("phi3", { resid_pdrop: 0.1, embd_pdrop: 0.1 })).toMatchObject({
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
