// config.json: what transformers 5 and earlier versions write, in one normal form; every feature represented or refused
// by name.
import fs from "node:fs";
import path from "node:path";
import { sharedPath, smollm2Directory } from "@cllm4rec/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { rotaryFrequencies } from "../src/architectures/rope.js";
import { parseConfig } from "../src/checkpoint/config.js";
import { parseFields } from "../src/checkpoint/config-common.js";
import { configKeys, unrecognised } from "../src/checkpoint/config-keys.js";
import type { LlamaConfig } from "../src/checkpoint/config-llama.js";
import { CheckpointError } from "../src/checkpoint/errors.js";
import type { JsonObject } from "../src/checkpoint/json.js";
import { fixture, goldens } from "./checkpoint-helpers.js";

/** Written by test/oracle/configs.py. */
const rotary: {
  frequencies: Record<string, { json: object; frequencies: number[] }>;
  heads: { json: object; keyValueHeads: number }[];
} = JSON.parse(fs.readFileSync(fixture("rotary.json"), "utf8"));

const gpt2 = { model_type: "gpt2", vocab_size: 500, n_positions: 128, n_embd: 64, n_layer: 2, n_head: 4 };
const llama = {
  model_type: "llama",
  vocab_size: 300,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 1024,
};

describe("what transformers writes", () => {
  it.each(Object.entries(goldens.configs))("is read as its object says: %s", (_, { json, expected }) => {
    const config = parseConfig(json);
    expect(config).toMatchObject(expected);
    expect(config.unrecognisedKeys).toEqual([]);
  });

  it("has its architecture's own fields in normal form", () => {
    const of = (name: string) => parseConfig(goldens.configs[name]!.json);
    expect(of("gpt2")).toMatchObject({ activation: "gelu_tanh", positionRows: 128 });
    expect(of("llama")).toMatchObject({
      activation: "silu",
      rope: { theta: 10_000, scaling: null },
      attentionBias: { queryKeyValue: true, output: true },
      mlpBias: true,
    });
    expect(of("llama-linear")).toMatchObject({ rope: { theta: 10_000, scaling: { type: "linear", factor: 2 } } });
    expect(of("llama-3.1")).toMatchObject({
      rope: {
        theta: 500_000,
        scaling: {
          type: "llama3",
          factor: 8,
          lowFrequencyFactor: 1,
          highFrequencyFactor: 4,
          originalMaxPositions: 8192,
        },
      },
      eosTokenIds: [7, 8],
    });
    expect(of("mistral")).toMatchObject({ attentionBias: { queryKeyValue: false, output: false }, mlpBias: false });
    expect(of("qwen2")).toMatchObject({ attentionBias: { queryKeyValue: true, output: false }, mlpBias: false });
  });
});

describe("what earlier versions wrote", () => {
  it("takes transformers' defaults for what is absent, except sizes", () => {
    expect(parseConfig(gpt2)).toEqual({
      modelType: "gpt2",
      hiddenSize: 64,
      layers: 2,
      heads: 4,
      headSize: 16,
      intermediateSize: 256,
      vocabularySize: 500,
      positionRows: 128,
      maxPositions: 128,
      normEpsilon: 1e-5,
      activation: "gelu_tanh",
      tieWordEmbeddings: true,
      dropout: { embedding: 0.1, attention: 0.1, residual: 0.1 },
      bosTokenId: null,
      eosTokenIds: [],
      padTokenId: null,
      unrecognisedKeys: [],
    });
    expect(parseConfig(llama)).toEqual({
      modelType: "llama",
      hiddenSize: 64,
      layers: 2,
      heads: 4,
      keyValueHeads: 4,
      headSize: 16,
      intermediateSize: 96,
      vocabularySize: 300,
      maxPositions: 1024,
      normEpsilon: 1e-6,
      activation: "silu",
      rope: { theta: 10_000, dimensions: 16, scaling: null },
      rotaryLayers: [true, true],
      windows: [null, null],
      attentionBias: { queryKeyValue: false, output: false },
      queryKeyNorm: false,
      mlpBias: false,
      fusedProjections: false,
      tieWordEmbeddings: false,
      dropout: { attention: 0, residual: 0 },
      bosTokenId: null,
      eosTokenIds: [],
      padTokenId: null,
      unrecognisedKeys: [],
    });
    for (const [base, sizes] of [
      [gpt2, ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head"]],
      [llama, Object.keys(llama).slice(1)],
    ] as const) {
      for (const key of sizes) {
        const { [key]: _, ...rest } = base as Record<string, unknown>;
        expect(() => parseConfig(rest), key).toThrow(`"${key}" is absent`);
      }
    }
  });

  it("reads rope_theta and rope_scaling, with type or rope_type", () => {
    expect(parseConfig({ ...llama, rope_theta: 5e5, rope_scaling: { type: "linear", factor: 4 } })).toMatchObject({
      rope: { theta: 5e5, scaling: { type: "linear", factor: 4 } },
    });
    const scaling = { rope_type: "llama3", factor: 32, low_freq_factor: 1, high_freq_factor: 4 };
    expect(parseConfig({ ...llama, rope_scaling: scaling })).toMatchObject({
      rope: { scaling: { originalMaxPositions: 1024 } },
    });
    expect(parseConfig({ ...llama, rope_scaling: null, rope_theta: 100_000 })).toMatchObject({
      rope: { theta: 1e5, scaling: null },
    });
    expect(parseConfig({ ...llama, rope_scaling: { type: "default" } })).toMatchObject({ rope: { scaling: null } });
  });

  it.each(Object.entries(rotary.frequencies))(
    "gives transformers' rotary frequencies: %s",
    (_, { json, frequencies }) => {
      const computed = rotaryFrequencies((parseConfig(json) as LlamaConfig).rope);
      expect(computed).toHaveLength(frequencies.length);
      computed.forEach((frequency, d) => {
        expect(Math.abs(frequency / frequencies[d]! - 1)).toBeLessThan(1e-6); // theirs are rounded to F32
      });
    },
  );

  it.each(rotary.heads)("takes transformers' number of key and value heads: %#", ({ json, keyValueHeads }) => {
    expect(parseConfig(json)).toMatchObject({ keyValueHeads });
  });

  it("takes two rope objects that mean the same, and refuses those that do not", () => {
    const object = { rope_type: "linear", factor: 2 };
    const both = { ...llama, rope_theta: 5e5, rope_scaling: { type: "linear", factor: 2 }, rope_parameters: object };
    expect(parseConfig(both)).toMatchObject({ rope: { theta: 5e5, scaling: { type: "linear", factor: 2 } } });
    for (const change of [
      { rope_parameters: { ...object, factor: 4 } },
      { rope_scaling: { type: "linear", factor: 8 } },
      { rope_parameters: { ...object, rope_theta: 1e6 } },
    ])
      expect(() => parseConfig({ ...both, ...change })).toThrow(
        /"rope_scaling" is \{.*mean the same as "rope_parameters"/,
      );
    const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const lengths = {
      ...llama,
      rope_parameters: { ...llama3, original_max_position_embeddings: 64 },
      rope_scaling: llama3,
    };
    expect(() => parseConfig(lengths)).toThrow(/"rope_scaling"/);
    expect(parseConfig({ ...lengths, original_max_position_embeddings: 32 })).toMatchObject({
      rope: { scaling: { originalMaxPositions: 32 } }, // the top level decides for both
    });
  });

  it("names what it does not know", () => {
    expect(parseConfig({ ...llama, torch_dtype: "float32", invented: 30, auto_map: {} }).unrecognisedKeys).toEqual([
      "invented",
      "auto_map",
    ]);
  });
});

describe("token ids", () => {
  it("come from generation_config.json where it has them; negative ones are none", () => {
    const config = { ...llama, bos_token_id: 1, eos_token_id: 2, pad_token_id: -1 };
    expect(parseConfig(config)).toMatchObject({ bosTokenId: 1, eosTokenIds: [2], padTokenId: null });
    expect(parseConfig(config, { generationConfig: { eos_token_id: [2, 9, 9] } }).eosTokenIds).toEqual([2, 9]);
    expect(parseConfig(config, { generationConfig: { temperature: 1 } }).eosTokenIds).toEqual([2]);
    expect(() => parseConfig(config, { generationConfig: { eos_token_id: "</s>" } })).toThrow(
      /generation_config\.json.*token ids/s,
    );
  });
});

describe("the sequence length", () => {
  it("can be limited below the model's own", () => {
    expect(parseConfig(gpt2, { maxPositions: 64 })).toMatchObject({ maxPositions: 64, positionRows: 128 });
    for (const maxPositions of [0, 1.5, 129])
      expect(() => parseConfig(gpt2, { maxPositions })).toThrow(/from 1 to the model's own 128/);
  });

  it("is not limited by a sliding window, which is masked in the layers that have it", () => {
    const windowsOf = (config: object, maxPositions?: number) =>
      parseConfig(config, maxPositions === undefined ? {} : { maxPositions });
    const mistral = { ...llama, model_type: "mistral", num_key_value_heads: 2 };
    const long = { ...mistral, max_position_embeddings: 32_768 };
    const both = { windows: [4096, 4096], maxPositions: 32_768 };
    const none = { windows: [null, null], maxPositions: 32_768 };
    const upper = { windows: [null, 4096], maxPositions: 32_768 };
    expect(windowsOf({ ...long, sliding_window: 4096 })).toMatchObject(both);
    expect(windowsOf(long)).toMatchObject(both); // absent: transformers' default
    expect(windowsOf({ ...long, sliding_window: null })).toMatchObject(none);
    // One that is no shorter than any sequence hides nothing.
    expect(windowsOf({ ...long, sliding_window: 4096 }, 4096)).toMatchObject({ windows: [null, null] });
    expect(windowsOf({ ...mistral, sliding_window: 1024 })).toMatchObject({ windows: [null, null] });
    const qwen2 = { ...long, model_type: "qwen2", sliding_window: 4096, max_window_layers: 1 };
    const used = { ...qwen2, use_sliding_window: true };
    expect(windowsOf(qwen2)).toMatchObject(none); // use_sliding_window is false unless it says otherwise
    expect(windowsOf(used)).toMatchObject(upper);
    expect(windowsOf({ ...used, max_window_layers: 2 })).toMatchObject(none);
    const types = ["sliding_attention", "full_attention"];
    expect(windowsOf({ ...used, layer_types: types })).toMatchObject({ windows: [4096, null] });
    expect(windowsOf({ ...qwen2, layer_types: ["full_attention", "full_attention"] })).toMatchObject(none);
    expect(() => windowsOf({ ...qwen2, layer_types: types })).toThrow(
      /"use_sliding_window" is absent.*true where "layer_types" has "sliding_attention"/,
    );
    expect(() => windowsOf({ ...used, layer_types: ["sliding_attention"] })).toThrow(/expected 2 types/);
    expect(() => windowsOf({ ...used, sliding_window: null, layer_types: types })).toThrow(
      /"sliding_window" to say how wide/,
    );
    expect(() => windowsOf({ ...long, layer_types: types })).toThrow(/the same in all layers for model_type "mistral"/);
    expect(() => windowsOf({ ...llama, layer_types: types })).toThrow(/no windows for model_type "llama"/);
    expect(() => windowsOf({ ...llama, use_sliding_window: true })).toThrow(/no windows for model_type "llama"/);
  });
});

describe("keys that change the computation and are not understood", () => {
  it.each<[object, string, unknown]>([
    [llama, "no_rope_layers", [1, 0]],
    [llama, "embedding_multiplier", 12],
    [llama, "attention_multiplier", 1],
    [llama, "residual_multiplier", 0.22],
    [llama, "logits_scaling", 8],
    [llama, "logit_scale", 0.0625],
    [llama, "final_logit_softcapping", 30],
    [llama, "logit_softcap", 30],
    [llama, "query_pre_attn_scalar", 256],
    [llama, "clip_qkv", 8],
    [llama, "is_causal", false],
    [llama, "use_bidirectional_attention", true],
    [llama, "num_local_experts", 8],
    [gpt2, "position_embedding_type", "relative_key"],
    [gpt2, "rope_theta", 10_000],
    [gpt2, "use_parallel_residual", true],
    [gpt2, "sliding_window", 128],
  ])("are refused by name: %#", (base, key, value) => {
    const what = "which changes the computation in a way that is not supported";
    const message = `"${key}" is ${JSON.stringify(value)}, ${what}`;
    expect(() => parseConfig({ ...base, [key]: value })).toThrow(CheckpointError);
    expect(() => parseConfig({ ...base, [key]: value })).toThrow(message);
    expect(parseConfig({ ...base, [key]: null }).unrecognisedKeys).toEqual([]);
  });

  it("pass at values that change nothing", () => {
    const neutral = { residual_multiplier: 1, logits_scaling: 1, is_causal: true, use_qk_norm: false };
    expect(parseConfig({ ...llama, ...neutral })).toEqual(parseConfig(llama));
    expect(parseConfig({ ...gpt2, position_embedding_type: "absolute" })).toEqual(parseConfig(gpt2));
  });

  it("can be understood, harmless or refused in one architecture alone", () => {
    const keys = configKeys({
      understood: { embedding_multiplier: z.number().default(1) },
      harmless: ["moe_router_loss"],
      changing: { use_conv: [false] },
    });
    const parse = (config: JsonObject) =>
      parseFields(keys, config, { file: "f", generationConfig: undefined, maxPositions: undefined });
    expect(parse({ embedding_multiplier: 3, moe_router_loss: 1, use_conv: false })).toEqual({
      embedding_multiplier: 3,
    });
    expect(() => parse({ use_conv: true })).toThrow('"use_conv" is true');
    expect(() => parse({ residual_multiplier: 3 })).toThrow('"residual_multiplier" is 3');
    expect(unrecognised(keys, { embedding_multiplier: 3, moe_router_loss: 1, use_conv: false, other: 1 })).toEqual([
      "other",
    ]);
  });
});

describe("what is not supported", () => {
  it.each<[string, object, RegExp]>([
    [
      "unknown type",
      { model_type: "lama" },
      /"model_type" is "lama", expected one of gemma3_text, gpt2, gpt_neox, llama, mistral, .*, t5, umt5$/,
    ],
    ["no type", {}, /"model_type" is absent/],
    ["type of Object.prototype", { model_type: "constructor" }, /"model_type" is "constructor"/],
    [
      "scale_attn_by_inverse_layer_idx",
      { ...gpt2, scale_attn_by_inverse_layer_idx: true },
      /"scale_attn_by_inverse_layer_idx" is true, which is not supported; expected false/,
    ],
    ["reorder_and_upcast_attn", { ...gpt2, reorder_and_upcast_attn: true }, /"reorder_and_upcast_attn" is true/],
    ["scale_attn_weights", { ...gpt2, scale_attn_weights: false }, /"scale_attn_weights" is false/],
    ["activation_function", { ...gpt2, activation_function: "tanh" }, /"activation_function" is "tanh".*gelu_new/],
    [
      "activation of Object.prototype",
      { ...gpt2, activation_function: "toString" },
      /"activation_function" is "toString"/,
    ],
    ["cross-attention", { ...gpt2, add_cross_attention: true }, /"add_cross_attention" is true/],
    ["pruned heads", { ...gpt2, pruned_heads: { 0: [1] } }, /"pruned_heads"/],
    ["quantisation", { ...llama, quantization_config: { bits: 4 } }, /"quantization_config" is \{"bits":4\}/],
    ["hidden_act", { ...llama, hidden_act: "gelu" }, /"hidden_act" is "gelu".*"silu"/],
    ["yarn without a factor", { ...llama, rope_scaling: { rope_type: "yarn" } }, /"rope_scaling\.factor" is absent/],
    [
      "yarn with its bounds the wrong way round",
      { ...llama, rope_scaling: { rope_type: "yarn", factor: 4, beta_fast: 1, beta_slow: 2 } },
      /"rope_scaling\.beta_fast" is 1, expected more than "beta_slow" = 2/,
    ],
    ["dynamic", { ...llama, rope_scaling: { type: "dynamic", factor: 2 } }, /"rope_scaling\.rope_type" is "dynamic"/],
    [
      "longrope",
      { ...llama, rope_parameters: { rope_type: "longrope", short_factor: [1] } },
      /"rope_parameters\.rope_type" is "longrope"/,
    ],
    [
      "an unknown rope parameter",
      { ...llama, rope_parameters: { rope_type: "linear", factor: 2, mrope_section: [1] } },
      /"rope_parameters\.mrope_section"/,
    ],
    [
      "rope per layer type",
      { ...llama, rope_parameters: { full_attention: { rope_type: "default" } } },
      /"rope_parameters\.full_attention"/,
    ],
    ["a factor without a type", { ...llama, rope_scaling: { factor: 2 } }, /rope_type" is \{"factor":2\}/],
    ["two types", { ...llama, rope_scaling: { type: "linear", rope_type: "llama3", factor: 2 } }, /linear/],
    [
      "rope twice, differently",
      { ...llama, rope_parameters: { rope_type: "default" }, rope_scaling: { type: "linear", factor: 2 } },
      /"rope_scaling"/,
    ],
    ["a missing factor", { ...llama, rope_scaling: { type: "linear" } }, /"rope_scaling\.factor" is absent/],
    [
      "factors in the wrong order",
      { ...llama, rope_scaling: { rope_type: "llama3", factor: 2, low_freq_factor: 4, high_freq_factor: 1 } },
      /"rope_scaling\.high_freq_factor" is 1, expected more/,
    ],
    ["partial rotation", { ...llama, partial_rotary_factor: 0.5 }, /"partial_rotary_factor" is 0\.5/],
    [
      "partial rotation inside",
      { ...llama, rope_parameters: { rope_type: "default", partial_rotary_factor: 0.25 } },
      /"partial_rotary_factor" is 0\.25/,
    ],
    [
      "mistral with biases",
      { ...llama, model_type: "mistral", num_key_value_heads: 4, sliding_window: null, attention_bias: true },
      /"attention_bias" is true.*false for model_type "mistral"/,
    ],
    [
      "qwen2 without biases",
      { ...llama, model_type: "qwen2", num_key_value_heads: 4, attention_bias: false },
      /"attention_bias" is false.*true for model_type "qwen2"/,
    ],
    ["other layers", { ...llama, layer_types: ["linear_attention"] }, /"layer_types" is "linear_attention"/],
    ["heads that do not divide", { ...gpt2, n_head: 5 }, /"n_embd" is 64, expected a multiple of "n_head" = 5/],
    [
      "kv heads that do not divide",
      { ...llama, num_key_value_heads: 3 },
      /"num_key_value_heads" is 3, expected a divisor/,
    ],
    ["odd heads", { ...llama, head_dim: 15 }, /heads are 15 wide/],
    ["fractional heads", { ...llama, num_attention_heads: 3 }, /heads are 21\.3+\d* wide/],
    ["a size of the wrong type", { ...gpt2, n_embd: "64" }, /"n_embd" is "64"/],
    ["a negative size", { ...llama, num_hidden_layers: -1 }, /"num_hidden_layers" is -1/],
    ["dropout of one", { ...gpt2, attn_pdrop: 1 }, /"attn_pdrop" is 1/],
    ["epsilon zero", { ...gpt2, layer_norm_epsilon: 0 }, /"layer_norm_epsilon" is 0/],
  ])("is refused by name: %s", (_, config, message) => {
    expect(() => parseConfig(config, { file: "dir/config.json" })).toThrow(CheckpointError);
    expect(() => parseConfig(config, { file: "dir/config.json" })).toThrow(message);
    expect(() => parseConfig(config, { file: "dir/config.json" })).toThrow(/^dir\/config\.json: /);
  });

  it("names eight fields that are wrong, and counts the others", () => {
    const layer_types = new Array<number>(5000).fill(1);
    expect(() => parseConfig({ ...llama, layer_types })).toThrow(/"layer_types\.7" is 1: [^;]*; and 4992 more\. Check/);
  });

  it("whatever stands in a field, the outcome is a config or one clear error", () => {
    const bases: Record<string, unknown>[] = Object.values(goldens.configs).map(({ json }) => json);
    const change = fc
      .constantFrom(...bases)
      .chain((base) => fc.tuple(fc.constant(base), fc.constantFrom(...Object.keys(base)), fc.jsonValue()));
    fc.assert(
      fc.property(change, ([base, key, value]) => {
        try {
          const config = parseConfig({ ...base, [key]: value });
          for (const size of [config.hiddenSize, config.layers, config.heads, config.headSize, config.maxPositions]) {
            expect(Number.isInteger(size) && size > 0).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
          expect(String(error)).toContain("config.json");
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("real models", () => {
  it.for([
    [
      "tinystories-656k",
      () => sharedPath("models/tinystories-656k"),
      { hiddenSize: 128, layers: 2, keyValueHeads: 4, vocabularySize: 2048 },
    ] as const,
    [
      "SmolLM2-135M",
      smollm2Directory,
      { hiddenSize: 576, layers: 30, keyValueHeads: 3, headSize: 64, rope: { theta: 1e5, scaling: null } },
    ] as const,
  ])("are read without remainder: %s", ([_, locate, expected], { skip }) => {
    const directory = locate();
    if (!directory) return skip();
    const config = parseConfig(JSON.parse(fs.readFileSync(path.join(directory, "config.json"), "utf8")));
    expect(config).toMatchObject({ ...expected, tieWordEmbeddings: true, eosTokenIds: [2], unrecognisedKeys: [] });
  });
});
