// Gemma 3's config.json, of the models for text alone (270m, 1b); field names as in transformers' Gemma3TextConfig.
import { z } from "zod";
import { activationOf } from "./config-activation.js";
import {
  type CommonConfig,
  type ConfigContext,
  commonFields,
  count,
  epsilon,
  layerCount,
  limitPositions,
  parseFields,
  probability,
  refuseCommon,
  specialTokens,
  unsupported,
} from "./config-common.js";
import { configKeys, unrecognised } from "./config-keys.js";
import { type Rope, refuseUnknown, ropeOf, ropeSchema } from "./config-rope.js";
import { type Windows, windowsOf } from "./config-windows.js";
import { CheckpointError } from "./errors.js";
import type { JsonObject } from "./json.js";

/**
 * Gemma 3: scaled embeddings, RMSNorm before and after each part of a block, GeGLU, local layers with a window between
 * global ones.
 */
export interface Gemma3Config extends CommonConfig<"gemma3_text"> {
  /** Heads of keys and values; divides `heads`. */
  readonly keyValueHeads: number;
  readonly activation: "gelu_tanh";
  /** For each layer the number of last positions that a query looks at, itself included; null for all. */
  readonly windows: Windows;
  /** Which layers are local; their window may be wider than any sequence. */
  readonly localLayers: readonly boolean[];
  /** Rotary positions of global and of local layers. */
  readonly rope: { readonly global: Rope; readonly local: Rope };
  /** Dot products are divided by the square root of this. */
  readonly queryScalar: number;
  /** Whether the attention's projections have biases. */
  readonly attentionBias: boolean;
  /** Probability of dropping attention weights in training. */
  readonly dropout: { readonly attention: number };
}

const positive = z.number().positive();

const keys = configKeys({
  understood: {
    ...commonFields,
    vocab_size: count,
    hidden_size: count,
    intermediate_size: count,
    num_hidden_layers: layerCount,
    num_attention_heads: count,
    num_key_value_heads: count.default(4),
    head_dim: count.default(256),
    max_position_embeddings: count,
    rms_norm_eps: epsilon.default(1e-6),
    hidden_activation: z.string().default("gelu_pytorch_tanh"),
    query_pre_attn_scalar: positive.default(256),
    attention_bias: z.boolean().default(false),
    attention_dropout: probability.nullish(),
    tie_word_embeddings: z.boolean().default(true),
    sliding_window: count.nullish(),
    sliding_window_pattern: count.nullish(),
    layer_types: z.array(z.string()).nullish(),
    rope_theta: positive.nullish(),
    rope_local_base_freq: positive.nullish(),
    rope_scaling: ropeSchema.nullish(),
    rope_parameters: z
      .object({ full_attention: ropeSchema.nullish(), sliding_attention: ropeSchema.nullish() })
      .nullish(),
  },
  // layer_types says the same as the second; the first is about memory.
  harmless: ["cache_implementation", "_sliding_window_pattern"],
});

type Fields = z.infer<typeof keys.schema>;

/** The typed config of a Gemma 3 checkpoint; see `parseConfig`. */
export function parseGemma3Config(config: JsonObject, context: ConfigContext): Gemma3Config {
  const fields = parseFields(keys, config, context);
  refuseCommon(fields, context);
  const { num_attention_heads: heads, num_key_value_heads: keyValueHeads, num_hidden_layers: layers } = fields;
  if (heads % keyValueHeads !== 0) {
    throw new CheckpointError(
      `${context.file}: "num_key_value_heads" is ${keyValueHeads}, expected a divisor of "num_attention_heads" = ` +
        `${heads}`,
    );
  }
  const maxPositions = limitPositions(fields.max_position_embeddings, context);
  // Five local layers, then a global one, unless the file says otherwise.
  const pattern = fields.sliding_window_pattern ?? 6;
  const types =
    fields.layer_types ??
    Array.from({ length: layers }, (_, i) => ((i + 1) % pattern === 0 ? "full_attention" : "sliding_attention"));
  const window = fields.sliding_window === undefined ? 4096 : fields.sliding_window;
  return {
    modelType: "gemma3_text",
    hiddenSize: fields.hidden_size,
    layers,
    heads,
    keyValueHeads,
    headSize: fields.head_dim,
    intermediateSize: fields.intermediate_size,
    vocabularySize: fields.vocab_size,
    maxPositions,
    normEpsilon: fields.rms_norm_eps,
    activation: activationOf("hidden_activation", fields.hidden_activation, context, ["gelu_tanh"]),
    windows: windowsOf(types, window, { layers, maxPositions }, context),
    localLayers: types.map((type) => type === "sliding_attention"),
    rope: parseRopes(config, fields, context),
    queryScalar: fields.query_pre_attn_scalar,
    attentionBias: fields.attention_bias,
    tieWordEmbeddings: fields.tie_word_embeddings,
    dropout: { attention: fields.attention_dropout ?? 0 },
    ...specialTokens(fields, context),
    unrecognisedKeys: unrecognised(keys, config),
  };
}

const TYPES = ["default", "linear", "llama3", "yarn"];

/**
 * Rope objects by kind of layer (transformers 5), or `rope_theta` and `rope_scaling` of global, `rope_local_base_freq`
 * of local layers.
 */
function parseRopes(config: JsonObject, fields: Fields, context: ConfigContext): Gemma3Config["rope"] {
  const { rope_parameters: byLayer, rope_scaling: scaling } = fields;
  const raw = config.rope_parameters as JsonObject | null | undefined;
  for (const [key, value] of Object.entries(raw ?? {})) {
    if (key !== "full_attention" && key !== "sliding_attention")
      throw unsupported(context, `rope_parameters.${key}`, value, "only full_attention and sliding_attention");
    refuseUnknown(value, `rope_parameters.${key}`, context, TYPES);
  }
  refuseUnknown(config.rope_scaling, "rope_scaling", context, TYPES);
  if (byLayer?.full_attention && scaling)
    throw unsupported(context, "rope_scaling", scaling, `it absent where "rope_parameters" is there`);
  const ofLayers = (key: "full_attention" | "sliding_attention", theta: number) =>
    ropeOf(byLayer?.[key] ?? {}, `rope_parameters.${key}`, fields, context, { headSize: fields.head_dim, theta });
  const [global, local] = [fields.rope_theta ?? 1_000_000, fields.rope_local_base_freq ?? 10_000];
  return {
    global: scaling
      ? ropeOf(scaling, "rope_scaling", fields, context, { headSize: fields.head_dim, theta: global })
      : ofLayers("full_attention", global),
    local: ofLayers("sliding_attention", local),
  };
}
