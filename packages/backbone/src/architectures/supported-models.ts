// Which models are covered, for people: the README's table is made from this (scripts/supported-models.mjs), and a test
// compares the two.
import type { BackboneConfig } from "../checkpoint/config.js";

/** An architecture by its `model_type` in config.json. */
export interface SupportedModel {
  /** Models that people know it by. */
  readonly knownFrom: string;
  /**
   * What its checkpoints may have. Activations and scalings of rotary positions are not repeated here: the parser of
   * the config says them.
   */
  readonly supported: string;
  /** What is refused by name. */
  readonly refused: string;
}

/** Every `model_type` that `Backbone.open` takes. */
export const supportedModels: Readonly<Record<BackboneConfig["modelType"], SupportedModel>> = {
  gemma3_text: {
    knownFrom: "Gemma 3 270M and 1B, the models for text alone",
    supported:
      "embeddings times √K, for users and items too; local layers with a masked window and RoPE of their own, by " +
      "`layer_types` or `sliding_window_pattern`; `query_pre_attn_scalar`; attention biases",
    refused: "Gemma 3 with images (`gemma3`), soft-capping, attention both ways",
  },
  gpt2: {
    knownFrom: "GPT-2, DistilGPT-2",
    supported: "any `n_inner`; tied or untied head; names with and without `transformer.`; mask buffers",
    refused: "scaling by layer index, cross-attention",
  },
  gpt_neox: {
    knownFrom: "Pythia, GPT-NeoX-20B",
    supported:
      "one matrix for queries, keys and values; `rotary_pct`; parallel or sequential residual; attention with or " +
      "without biases; head under either name",
    refused: "an odd number of rotated dimensions",
  },
  llama: {
    knownFrom: "Llama 2 and 3, SmolLM2, TinyLlama",
    supported: "grouped-query and multi-query attention; attention and MLP biases; `head_dim` ≠ width / heads",
    refused: "windows, partial or interleaved RoPE",
  },
  mistral: {
    knownFrom: "Mistral 7B, Mistral NeMo",
    supported: "`sliding_window`, masked in all layers; `head_dim`",
    refused: "windows in some layers only, biases",
  },
  mt5: {
    knownFrom: "mT5",
    supported: "as T5; a head of its own or the vocabulary matrix, whichever the file has, without scale",
    refused: "an encoder alone",
  },
  opt: {
    knownFrom: "OPT 125M to 66B, Galactica",
    supported:
      "learned positions from the third row on; norms before or after (`do_layer_norm_before`), with or without " +
      "scales; `word_embed_proj_dim`: K is the width of embeddings; with or without biases",
    refused: "cross-attention",
  },
  phi3: {
    knownFrom: "Phi-3 mini and medium, Phi-3.5 mini, Phi-4, Phi-4 mini",
    supported:
      "fused `qkv_proj` and `gate_up_proj`; `partial_rotary_factor`; `sliding_window`, masked in all layers; " +
      "LongRoPE for sequences up to the original length",
    refused: "LongRoPE for longer sequences, biases",
  },
  qwen2: {
    knownFrom: "Qwen1.5, Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen",
    supported:
      "windows by `use_sliding_window` with `max_window_layers` or `layer_types`, masked; biases on q, k and v",
    refused: "partial RoPE, other biases",
  },
  qwen3: {
    knownFrom: "Qwen3 0.6B to 32B, Qwen3-Embedding's decoder",
    supported: "norms on queries and keys; `head_dim`; windows as Qwen2; attention biases",
    refused: "partial RoPE, MLP biases, experts (`qwen3_moe`)",
  },
  smollm3: {
    knownFrom: "SmolLM3",
    supported:
      "layers without positions, by `no_rope_layers` or `no_rope_layer_interval`; windows in these, by " +
      "`use_sliding_window` or `layer_types`; attention and MLP biases",
    refused: "partial RoPE",
  },
  t5: {
    knownFrom: "T5 1.0 and 1.1, Flan-T5",
    supported:
      "tied, scaled head (1.0) or one of its own; each activation with and without gate; any number of buckets; " +
      "encoder and decoder of different depth; embeddings under any of their three names",
    refused: "an encoder alone, other feed-forwards",
  },
  umt5: {
    knownFrom: "UMT5",
    supported: "as mT5; position biases in every block; the head scaled where the config ties it",
    refused: "an encoder alone",
  },
};
