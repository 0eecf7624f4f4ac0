// T5's config.json: 1.0, 1.1 and Flan-T5 as their publishers and as transformers 5 write them; every feature
// represented or refused by name.
import fs from "node:fs";
import path from "node:path";
import { Backbone, CheckpointError, parseConfig } from "@cllm4rec/backbone";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { T5Config } from "../src/checkpoint/config-t5.js";
import { readSafetensorsHeader } from "../src/checkpoint/safetensors.js";
import { f32, type RawTensor, safetensorsOf } from "./checkpoint-helpers.js";
import { modelDirectory, modelOpener } from "./goldens.js";

/** What stands in the config.json of t5-small. */
const t5Small = {
  architectures: ["T5ForConditionalGeneration"],
  d_ff: 2048,
  d_kv: 64,
  d_model: 512,
  decoder_start_token_id: 0,
  dropout_rate: 0.1,
  eos_token_id: 1,
  initializer_factor: 1.0,
  is_encoder_decoder: true,
  layer_norm_epsilon: 1e-6,
  model_type: "t5",
  n_positions: 512,
  num_heads: 8,
  num_layers: 6,
  output_past: true,
  pad_token_id: 0,
  relative_attention_num_buckets: 32,
  task_specific_params: { summarization: { max_length: 200 } },
  vocab_size: 32_128,
};

/** What stands in that of flan-t5-small. */
const { n_positions: _, ...withoutPositions } = t5Small;
const flanT5Small = {
  ...withoutPositions,
  d_ff: 1024,
  feed_forward_proj: "gated-gelu",
  num_decoder_layers: 8,
  num_heads: 6,
  num_layers: 8,
  relative_attention_max_distance: 128,
  tie_word_embeddings: false,
  transformers_version: "4.23.1",
  use_cache: true,
};

const parse = (json: unknown) => parseConfig(json) as T5Config;

describe("T5's config", () => {
  it("of T5 1.0", () => {
    expect(parse(t5Small)).toEqual({
      modelType: "t5",
      hiddenSize: 512,
      encoderLayers: 6,
      layers: 6,
      heads: 8,
      headSize: 64,
      intermediateSize: 2048,
      vocabularySize: 32_128,
      maxPositions: 512,
      normEpsilon: 1e-6,
      activation: "relu",
      gated: false,
      positionBuckets: 32,
      maxDistance: 128,
      biasInEveryBlock: false,
      tieWordEmbeddings: true,
      scaleWordHead: true,
      decoderStartTokenId: 0,
      dropout: 0.1,
      bosTokenId: null,
      eosTokenIds: [1],
      padTokenId: 0,
      unrecognisedKeys: [],
    });
  });

  it("of mT5 and UMT5, where the file decides whether the head is tied", () => {
    const { feed_forward_proj: _, decoder_start_token_id: __, ...rest } = t5Small as Record<string, unknown>;
    const mt5 = { ...rest, model_type: "mt5", tie_word_embeddings: false };
    const umt5 = { ...rest, model_type: "umt5", scalable_attention: true };
    const common = { activation: "gelu_tanh", gated: true, decoderStartTokenId: 0, unrecognisedKeys: [] };
    const [withHead, without] = [new Map([["lm_head.weight", 0]]), new Map([["shared.weight", 0]])];
    const parsed = (config: object, tensors?: ReadonlyMap<string, unknown>) =>
      parseConfig({ ...config, num_layers: 1 }, tensors ? { tensors } : {});
    expect(parsed(mt5, withHead)).toMatchObject({ ...common, tieWordEmbeddings: false, scaleWordHead: false });
    expect(parsed(mt5, without)).toMatchObject({
      tieWordEmbeddings: true,
      scaleWordHead: false,
      biasInEveryBlock: false,
    });
    expect(parsed(umt5, without)).toMatchObject({ ...common, tieWordEmbeddings: true, biasInEveryBlock: true });
    expect(parsed(umt5, without)).toMatchObject({ scaleWordHead: true });
    expect(parsed({ ...umt5, tie_word_embeddings: false }, withHead)).toMatchObject({
      tieWordEmbeddings: false,
      scaleWordHead: false,
    });
    expect(parsed({ ...umt5, scale_decoder_outputs: false })).toMatchObject({ scaleWordHead: false });
  });

  it("of Flan-T5, whose heads do not add up to its width", () => {
    const expected = { activation: "gelu_tanh", gated: true, tieWordEmbeddings: false, scaleWordHead: false };
    const sizes = { layers: 8, encoderLayers: 8, heads: 6, headSize: 64, hiddenSize: 512, maxPositions: 512 };
    expect(parse(flanT5Small)).toMatchObject({ ...expected, ...sizes, unrecognisedKeys: [] });
  });

  it("of both as transformers 5 writes them: always tied, told apart by the scale", () => {
    const derived = { dense_act_fn: "gelu_new", is_gated_act: true, is_decoder: false, classifier_dropout: 0 };
    const flan = { ...flanT5Small, ...derived, tie_word_embeddings: true, scale_decoder_outputs: false };
    expect(parse(flan)).toEqual(parse(flanT5Small));
    const old = { ...t5Small, tie_word_embeddings: true, scale_decoder_outputs: true, dense_act_fn: "relu" };
    expect(parse(old)).toEqual(parse(t5Small));
  });

  it("takes a start token that only the padding names", () => {
    const { decoder_start_token_id: _, ...rest } = t5Small;
    expect(parse({ ...rest, pad_token_id: 7 }).decoderStartTokenId).toBe(7);
    expect(() => parse({ ...rest, pad_token_id: null })).toThrow('"decoder_start_token_id" is absent');
  });

  it.each<[string, object, RegExp]>([
    [
      "another gate",
      { feed_forward_proj: "gated-tanh" },
      /"feed_forward_proj" is "gated-tanh".*expected one of relu, /,
    ],
    ["no feed-forward", { feed_forward_proj: "gated" }, /"feed_forward_proj" is "gated"/],
    [
      "an activation that disagrees",
      { dense_act_fn: "gelu" },
      /"dense_act_fn" is "gelu".*"relu", which "feed_forward_proj" says/,
    ],
    ["a gate that disagrees", { is_gated_act: true }, /"is_gated_act" is true.*false, which "feed_forward_proj" says/],
    ["an encoder alone", { is_encoder_decoder: false }, /"is_encoder_decoder" is false.*both halves/],
    ["too few buckets", { relative_attention_num_buckets: 3 }, /"relative_attention_num_buckets" is 3.*at least 4/],
    [
      "distances shorter than the buckets",
      { relative_attention_max_distance: 16 },
      /"relative_attention_max_distance" is 16.*more than 16/,
    ],
    ["a start token outside", { decoder_start_token_id: 32_128 }, /is 32128, expected a token from 0 to 32127/],
    ["quantised weights", { quantization_config: { bits: 4 } }, /"quantization_config"/],
    ["a missing size", { d_kv: undefined }, /"d_kv" is/],
  ])("refuses %s by name", (_, change, message) => {
    expect(() => parse({ ...t5Small, ...change })).toThrow(CheckpointError);
    expect(() => parse({ ...t5Small, ...change })).toThrow(message);
  });

  it("whatever stands in a field, the outcome is a config or one clear error", () => {
    const change = fc.tuple(
      fc.constantFrom(t5Small, flanT5Small),
      fc.constantFrom(...Object.keys(flanT5Small)),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(change, ([base, key, value]) => {
        try {
          const config = parseConfig({ ...base, [key]: value });
          for (const size of [config.hiddenSize, config.layers, config.heads, config.headSize, config.maxPositions])
            expect(Number.isInteger(size) && size > 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("T5's weights", () => {
  const open = modelOpener();
  let count = 0;

  async function refusal(name: string, change: (tensors: Record<string, RawTensor>) => void): Promise<string> {
    const source = modelDirectory(name);
    const bytes = fs.readFileSync(path.join(source, "model.safetensors"));
    const tensors: Record<string, RawTensor> = {};
    const header = await readSafetensorsHeader(path.join(source, "model.safetensors"));
    for (const [tensor, { dtype, shape, byteOffset, byteLength }] of header.tensors)
      tensors[tensor] = { dtype, shape, bytes: new Uint8Array(bytes.subarray(byteOffset, byteOffset + byteLength)) };
    change(tensors);
    const folder = path.join(open.folder, `changed-${count++}`);
    fs.mkdirSync(folder);
    fs.copyFileSync(path.join(source, "config.json"), path.join(folder, "config.json"));
    fs.writeFileSync(path.join(folder, "model.safetensors"), safetensorsOf(tensors));
    const weights = { cacheDirectory: path.join(open.folder, "cache") };
    const error: unknown = await Backbone.open(folder, { weights }).then(
      (backbone) => backbone.dispose(),
      (reason: unknown) => reason,
    );
    return error instanceof CheckpointError ? error.message : `opened: ${String(error)}`;
  }

  it("are all accounted for", async () => {
    const bias = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    expect(await refusal("t5", (tensors) => delete tensors[bias])).toContain(`missing weight "${bias}" [32, 3]`);
    const copy = "decoder.embed_tokens.weight";
    const changed = await refusal("t5", (tensors) => {
      tensors[copy] = {
        ...tensors[copy]!,
        bytes: tensors[copy]!.bytes.map((byte, i) => (i === 1000 ? byte ^ 1 : byte)),
      };
    });
    expect(changed).toContain("are one weight in this architecture, but their values differ");
    expect(await refusal("t5-gated", (tensors) => delete tensors["lm_head.weight"])).toContain(
      'missing weight "lm_head.weight" [48, 16]',
    );
    const stray = await refusal("t5-gelu", (tensors) => {
      tensors["decoder.block.0.layer.2.DenseReluDense.wi_1.weight"] = f32([1], [1]);
    });
    expect(stray).toContain('unexpected tensor "decoder.block.0.layer.2.DenseReluDense.wi_1.weight" [1]');
  });

  it("of the first blocks only, in encoder and decoder alike", async () => {
    const weights = { cacheDirectory: path.join(open.folder, "cache") };
    const backbone = await Backbone.open(modelDirectory("t5-gated"), { weights, layers: 1 });
    expect(backbone.config).toMatchObject({ layers: 1, encoderLayers: 1 });
    expect(backbone.weightNames.filter((name) => /block\.[1-9]/.test(name))).toEqual([]);
    const model = open.model(backbone, { users: 0, items: 0 });
    const none = { rows: 0, data: new Float32Array(0) };
    const [hidden] = await model.hiddenStates([[3, 4, 5]], { users: none, items: none });
    expect(hidden!.every(Number.isFinite)).toBe(true);
    await model.dispose();
    await backbone.dispose();
  });
});
