// The config.json of the Llama family: llama, mistral, qwen2. Field names as in transformers' LlamaConfig, MistralConfig, Qwen2Config.
// One normal form: what differs between the three (biases, windows) is a field of it.
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
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
import { CheckpointError, shown } from "./errors.js";
import { isJsonObject, type JsonObject } from "./json.js";

/** How rotary frequencies are stretched beyond the length of pretraining. */
export type RopeScaling =
  | {
      readonly type: "linear";
      /** All frequencies are divided by this. */
      readonly factor: number;
    }
  | {
      /** Llama 3.1: low frequencies are divided by `factor`, high ones kept, those between interpolated. */
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    };

/** Llama, Mistral and Qwen2: RMSNorm, rotary positions, grouped-query attention, SwiGLU. */
export interface LlamaConfig extends CommonConfig<"llama" | "mistral" | "qwen2"> {
  /** Heads of keys and values; divides `heads`. */
  readonly keyValueHeads: number;
  readonly activation: "silu";
  readonly rope: {
    /** θ: pair d of a head turns by position · θ^(−2d / headSize). */
    readonly theta: number;
    readonly scaling: RopeScaling | null;
  };
  /** Which attention projections have a bias: q, k and v together, and the output. */
  readonly attentionBias: { readonly queryKeyValue: boolean; readonly output: boolean };
  /** Whether gate, up and down projections have a bias. */
  readonly mlpBias: boolean;
  /** Probability of dropping attention weights in training. */
  readonly dropout: { readonly attention: number };
}

const ropeSchema = z.object({
  type: z.string().nullish(),
  rope_type: z.string().nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().nullish(),
  factor: z.number().min(1).nullish(),
  low_freq_factor: z.number().positive().nullish(),
  high_freq_factor: z.number().positive().nullish(),
  original_max_position_embeddings: count.nullish(),
});

const keys = configKeys({
  understood: {
    ...commonFields,
    vocab_size: count,
    hidden_size: count,
    intermediate_size: count,
    num_hidden_layers: layerCount,
    num_attention_heads: count,
    num_key_value_heads: count.nullish(),
    head_dim: count.nullish(),
    max_position_embeddings: count,
    rms_norm_eps: epsilon.default(1e-6),
    hidden_act: z.string().default("silu"),
    attention_dropout: probability.default(0),
    tie_word_embeddings: z.boolean().default(false),
    rope_theta: z.number().positive().nullish(),
    rope_scaling: ropeSchema.nullish(),
    rope_parameters: ropeSchema.nullish(),
    rope_interleaved: z.boolean().nullish(),
    partial_rotary_factor: z.number().nullish(),
    original_max_position_embeddings: count.nullish(),
    attention_bias: z.boolean().nullish(),
    mlp_bias: z.boolean().nullish(),
    sliding_window: count.nullish(),
    use_sliding_window: z.boolean().nullish(),
    max_window_layers: z.number().int().nonnegative().nullish(),
    layer_types: z.array(z.string()).nullish(),
  },
});

type Fields = z.infer<typeof keys.schema>;

/** The typed config of a checkpoint of the Llama family; see `parseConfig`. */
export function parseLlamaConfig(
  modelType: LlamaConfig["modelType"],
  config: JsonObject,
  context: ConfigContext,
): LlamaConfig {
  const fields = parseFields(keys, config, context);
  refuseCommon(fields, context);
  if (fields.hidden_act !== "silu" && fields.hidden_act !== "swish") {
    throw unsupported(context, "hidden_act", fields.hidden_act, '"silu"');
  }
  if (fields.rope_interleaved) throw unsupported(context, "rope_interleaved", true, "false");
  const heads = fields.num_attention_heads;
  const keyValueHeads = keyValueHeadsOf(modelType, fields);
  const headSize = fields.head_dim ?? fields.hidden_size / heads;
  if (heads % keyValueHeads !== 0) {
    throw new CheckpointError(
      `${context.file}: "num_key_value_heads" is ${keyValueHeads}, expected a divisor of "num_attention_heads" = ${heads}`,
    );
  }
  if (!Number.isInteger(headSize) || headSize % 2 !== 0) {
    throw new CheckpointError(
      `${context.file}: heads are ${headSize} wide ("head_dim", or "hidden_size" / "num_attention_heads"), expected an even whole number`,
    );
  }
  const maxPositions = limitPositions(fields.max_position_embeddings, context);
  refuseWindow(modelType, fields, maxPositions, context);
  return {
    modelType,
    hiddenSize: fields.hidden_size,
    layers: fields.num_hidden_layers,
    heads,
    keyValueHeads,
    headSize,
    intermediateSize: fields.intermediate_size,
    vocabularySize: fields.vocab_size,
    maxPositions,
    normEpsilon: fields.rms_norm_eps,
    activation: "silu",
    rope: parseRope(config, fields, context),
    ...biases(modelType, fields, context),
    tieWordEmbeddings: fields.tie_word_embeddings,
    dropout: { attention: fields.attention_dropout },
    ...specialTokens(fields, context),
    unrecognisedKeys: unrecognised(keys, config),
  };
}

/** transformers' defaults: absent is 8 in Mistral and 32 in Qwen2, and as many as query heads in Llama; null is always the latter. */
function keyValueHeadsOf(modelType: LlamaConfig["modelType"], fields: Fields): number {
  const absent = { llama: null, mistral: 8, qwen2: 32 }[modelType];
  const { num_key_value_heads: stated = absent } = fields;
  return stated ?? fields.num_attention_heads;
}

/** Llama's biases follow its config, Mistral never has any, Qwen2 always has them on q, k and v only. */
function biases(
  modelType: LlamaConfig["modelType"],
  fields: Fields,
  context: ConfigContext,
): Pick<LlamaConfig, "attentionBias" | "mlpBias"> {
  if (modelType === "llama") {
    const attention = fields.attention_bias ?? false;
    return { attentionBias: { queryKeyValue: attention, output: attention }, mlpBias: fields.mlp_bias ?? false };
  }
  const queryKeyValue = modelType === "qwen2";
  // transformers does not read these two keys here; a file that sets them against the architecture comes from somewhere else.
  if (fields.attention_bias != null && fields.attention_bias !== queryKeyValue) {
    throw unsupported(
      context,
      "attention_bias",
      fields.attention_bias,
      `${queryKeyValue} for model_type "${modelType}"`,
    );
  }
  if (fields.mlp_bias) throw unsupported(context, "mlp_bias", true, `false for model_type "${modelType}"`);
  return { attentionBias: { queryKeyValue, output: false }, mlpBias: false };
}

/** A sliding window no shorter than the longest sequence hides nothing; a shorter one would have to be masked. */
function refuseWindow(
  modelType: LlamaConfig["modelType"],
  fields: Fields,
  maxPositions: number,
  context: ConfigContext,
): void {
  const other = fields.layer_types?.find((type) => type !== "full_attention" && type !== "sliding_attention");
  if (other !== undefined) throw unsupported(context, "layer_types", other, '"full_attention"');
  let window: number | null = null;
  if (modelType === "mistral") {
    window = fields.sliding_window === undefined ? 4096 : fields.sliding_window; // absent is 4096 in transformers, null is none
  } else if (fields.layer_types) {
    if (fields.layer_types.includes("sliding_attention")) window = fields.sliding_window ?? 4096;
  } else if (fields.use_sliding_window && fields.num_hidden_layers > (fields.max_window_layers ?? 28)) {
    window = fields.sliding_window ?? 4096;
  }
  if (window !== null && window < maxPositions) {
    throw unsupported(
      context,
      "sliding_window",
      window,
      `none, or at least the ${maxPositions} positions of the model: attention within a window is not implemented. With sequences that short it hides nothing: pass maxPositions: ${window}`,
    );
  }
}

/** Rotary settings, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before). */
function parseRope(config: JsonObject, fields: Fields, context: ConfigContext): LlamaConfig["rope"] {
  for (const each of ["rope_parameters", "rope_scaling"]) {
    const raw = config[each];
    const unknown = isJsonObject(raw)
      ? Object.keys(raw).find((name) => !Object.hasOwn(ropeSchema.shape, name))
      : undefined;
    // The types that have further parameters are refused by name; otherwise an unknown parameter is.
    if (unknown !== undefined && isJsonObject(raw)) {
      const type = raw.rope_type ?? raw.type;
      if (type === undefined || SUPPORTED.includes(String(type)))
        throw unsupported(context, `${each}.${unknown}`, raw[unknown], "it absent");
    }
  }
  const [current, legacy] = [fields.rope_parameters, fields.rope_scaling];
  const rope = resolveRope(current ? "rope_parameters" : "rope_scaling", current ?? legacy ?? {}, fields, context);
  if (current && legacy && !isDeepStrictEqual(resolveRope("rope_scaling", legacy, fields, context), rope)) {
    throw unsupported(
      context,
      "rope_scaling",
      legacy,
      `it to mean the same as "rope_parameters", ${shown(current)}, in every number (also "rope_theta"), or only one of the two`,
    );
  }
  return rope;
}

/** One of the two objects in normal form; what it lacks is taken from the top level of the file. */
function resolveRope(
  key: "rope_parameters" | "rope_scaling",
  rope: z.infer<typeof ropeSchema>,
  fields: Fields,
  context: ConfigContext,
): LlamaConfig["rope"] {
  const type = ropeType(rope);
  if (type === undefined || !SUPPORTED.includes(type)) {
    throw unsupported(context, `${key}.rope_type`, type ?? rope, `one of ${SUPPORTED.join(", ")}`);
  }
  const partial = rope.partial_rotary_factor ?? fields.partial_rotary_factor ?? 1;
  if (partial !== 1) throw unsupported(context, "partial_rotary_factor", partial, "1");
  const theta = rope.rope_theta ?? fields.rope_theta ?? 10_000;
  if (type === "default") return { theta, scaling: null };
  const need = (name: "factor" | "low_freq_factor" | "high_freq_factor"): number => {
    const value = rope[name];
    if (value == null)
      throw new CheckpointError(
        `${context.file}: "${key}.${name}" is absent, expected a positive number for rope type "${type}"`,
      );
    return value;
  };
  const factor = need("factor");
  if (type === "linear") return { theta, scaling: { type, factor } };
  const lowFrequencyFactor = need("low_freq_factor");
  const highFrequencyFactor = need("high_freq_factor");
  if (highFrequencyFactor <= lowFrequencyFactor) {
    throw new CheckpointError(
      `${context.file}: "${key}.high_freq_factor" is ${highFrequencyFactor}, expected more than "low_freq_factor" = ${lowFrequencyFactor}`,
    );
  }
  // transformers gives the top level priority over the object (RotaryEmbeddingConfigMixin.standardize_rope_params).
  const originalMaxPositions =
    fields.original_max_position_embeddings ?? rope.original_max_position_embeddings ?? fields.max_position_embeddings;
  return {
    theta,
    scaling: { type: "llama3", factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions },
  };
}

const SUPPORTED = ["default", "linear", "llama3"];

/** The type a rope object states; none stated and no parameters means default; two that disagree are none. */
function ropeType(rope: z.infer<typeof ropeSchema>): string | undefined {
  const { rope_type: current, type: legacy } = rope;
  if (current != null && legacy != null && current !== legacy) return `${current} / ${legacy}`;
  return current ?? legacy ?? (rope.factor == null ? "default" : undefined);
}
