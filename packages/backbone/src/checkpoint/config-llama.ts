// The config.json of the Llama family: llama, mistral, qwen2, qwen3, smollm3, phi3. Field names as in transformers'
// LlamaConfig and its kin. One normal form: what differs between them (biases, norms, windows, fused matrices) is a
// field of it.
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
import { type ConfigKeys, configKeys, unrecognised } from "./config-keys.js";
import { parseRope, type Rope, type RopeDefaults, ropeFields } from "./config-rope.js";
import { sameWindow, type Windows, windowsOf } from "./config-windows.js";
import { CheckpointError } from "./errors.js";
import type { JsonObject } from "./json.js";

/** Llama and its kin: RMSNorm, rotary positions, grouped-query attention, SwiGLU. */
export interface LlamaConfig extends CommonConfig<LlamaType> {
  /** Heads of keys and values; divides `heads`. */
  readonly keyValueHeads: number;
  readonly activation: "silu";
  readonly rope: Rope;
  /** Which layers have rotary positions; the others have none at all (SmolLM3's NoPE layers). */
  readonly rotaryLayers: readonly boolean[];
  /** For each layer the number of last positions that a query looks at, itself included; null for all. */
  readonly windows: Windows;
  /** Which attention projections have a bias: q, k and v together, and the output. */
  readonly attentionBias: { readonly queryKeyValue: boolean; readonly output: boolean };
  /** Whether every head of queries and keys goes through an RMSNorm (Qwen3). */
  readonly queryKeyNorm: boolean;
  /** Whether gate, up and down projections have a bias. */
  readonly mlpBias: boolean;
  /** Whether q, k and v are one matrix, and gate and up another (Phi-3). */
  readonly fusedProjections: boolean;
  /** Probabilities of dropping, in training: attention weights, and the two outputs of each block. */
  readonly dropout: { readonly attention: number; readonly residual: number };
}

export type LlamaType = "llama" | "mistral" | "qwen2" | "qwen3" | "smollm3" | "phi3";

const understood = {
  ...commonFields,
  ...ropeFields,
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  rms_norm_eps: epsilon.nullish(),
  hidden_act: z.string().default("silu"),
  attention_dropout: probability.default(0),
  tie_word_embeddings: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: count.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.number().int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
};
const keys = configKeys({ understood });

/** Of which layers have rotary positions. */
const smollm3Keys = configKeys({
  understood: {
    ...understood,
    no_rope_layers: z.array(z.union([z.literal(0), z.literal(1)])).nullish(),
    no_rope_layer_interval: count.nullish(),
  },
});

/** Dropout of the embeddings is read by nobody. */
const phi3Keys = configKeys({
  understood: { ...understood, resid_pdrop: probability.default(0) },
  harmless: ["embd_pdrop"],
  // In the files of Phi-4 mini, at these values.
  changing: { lm_head_bias: [false], full_attn_mod: [1], interpolate_factor: [1] },
});

type Fields = z.infer<typeof keys.schema> &
  Partial<Pick<z.infer<typeof smollm3Keys.schema>, "no_rope_layers" | "no_rope_layer_interval">> &
  Partial<Pick<z.infer<typeof phi3Keys.schema>, "resid_pdrop">>;

/** What transformers takes for absent fields, and what each member of the family is made of. */
interface Traits {
  readonly keys?: ConfigKeys<typeof keys.schema>;
  /** As many as query heads where null. */
  readonly keyValueHeads: number | null;
  /** The width shared out among the heads where null. */
  readonly headSize?: number;
  readonly normEpsilon?: number;
  readonly tied?: boolean;
  readonly rope?: Omit<RopeDefaults, "headSize">;
  /** Biases that it has; where absent they follow `attention_bias` and `mlp_bias`. */
  readonly biases?: Pick<LlamaConfig, "attentionBias" | "mlpBias">;
  readonly queryKeyNorm?: boolean;
  readonly fusedProjections?: boolean;
}

const biases = (queryKeyValue: boolean) => ({ attentionBias: { queryKeyValue, output: false }, mlpBias: false });

const FAMILY: Readonly<Record<LlamaType, Traits>> = {
  llama: { keyValueHeads: null },
  mistral: { keyValueHeads: 8, biases: biases(false) },
  qwen2: { keyValueHeads: 32, biases: biases(true) },
  qwen3: { keyValueHeads: 32, headSize: 128, queryKeyNorm: true },
  smollm3: { keys: smollm3Keys, keyValueHeads: 4, tied: true, rope: { theta: 2_000_000 } },
  phi3: {
    keys: phi3Keys,
    keyValueHeads: null,
    normEpsilon: 1e-5,
    biases: biases(false),
    fusedProjections: true,
    rope: { partial: true, types: ["default", "longrope"], aliases: { su: "longrope", yarn: "longrope" } },
  },
};

/** The typed config of a checkpoint of the Llama family; see `parseConfig`. */
export function parseLlamaConfig(modelType: LlamaType, config: JsonObject, context: ConfigContext): LlamaConfig {
  const traits = FAMILY[modelType];
  const { keys: known = keys } = traits;
  const fields: Fields = parseFields(known, config, context);
  refuseCommon(fields, context);
  const activation = activationOf("hidden_act", fields.hidden_act, context, ["silu"]);
  const biased = parseBiases(modelType, traits, fields, context);
  const { heads, keyValueHeads, headSize } = attentionHeads(fields, traits, context);
  const rope = parseRope(config, fields, context, { ...traits.rope, headSize });
  const maxPositions = limitPositions(longest(fields, rope, context), context);
  const rotaryLayers = rotary(modelType, fields, context);
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
    normEpsilon: fields.rms_norm_eps ?? traits.normEpsilon ?? 1e-6,
    activation,
    rope,
    rotaryLayers,
    windows: windows(modelType, fields, rotaryLayers, maxPositions, context),
    ...biased,
    queryKeyNorm: traits.queryKeyNorm ?? false,
    fusedProjections: traits.fusedProjections ?? false,
    tieWordEmbeddings: fields.tie_word_embeddings ?? traits.tied ?? false,
    dropout: { attention: fields.attention_dropout, residual: fields.resid_pdrop ?? 0 },
    ...specialTokens(fields, context),
    unrecognisedKeys: unrecognised(known, config),
  };
}

/** Heads, and how wide they are. */
function attentionHeads(
  fields: Fields,
  traits: Traits,
  context: ConfigContext,
): Pick<LlamaConfig, "heads" | "keyValueHeads" | "headSize"> {
  const heads = fields.num_attention_heads;
  const stated = fields.num_key_value_heads;
  const keyValueHeads = stated ?? (stated === null ? heads : (traits.keyValueHeads ?? heads));
  const headSize = fields.head_dim ?? traits.headSize ?? fields.hidden_size / heads;
  if (heads % keyValueHeads !== 0) {
    throw new CheckpointError(
      `${context.file}: "num_key_value_heads" is ${stated ?? `absent, which means ${keyValueHeads}`}, expected a ` +
        `divisor of "num_attention_heads" = ${heads}`,
    );
  }
  if (!Number.isInteger(headSize) || headSize % 2 !== 0) {
    throw new CheckpointError(
      `${context.file}: heads are ${headSize} wide ("head_dim", or "hidden_size" / "num_attention_heads"), ` +
        "expected an even whole number",
    );
  }
  return { heads, keyValueHeads, headSize };
}

/**
 * The model's own limit. LongRoPE has other frequencies for sequences beyond the original length, so those end there.
 */
function longest(fields: Fields, { scaling }: Rope, context: ConfigContext): number {
  const own = fields.max_position_embeddings;
  if (scaling?.type !== "longrope" || scaling.originalMaxPositions >= own) return own;
  const { maxPositions } = context;
  if (maxPositions !== undefined && maxPositions > scaling.originalMaxPositions && maxPositions <= own) {
    throw new CheckpointError(
      `${context.file}: maxPositions is ${maxPositions}, expected at most ${scaling.originalMaxPositions}: for ` +
        'longer sequences LongRoPE takes "long_factor", which is not supported',
    );
  }
  return scaling.originalMaxPositions;
}

/** Biases follow the config or the architecture. */
function parseBiases(
  modelType: LlamaType,
  traits: Traits,
  fields: Fields,
  context: ConfigContext,
): Pick<LlamaConfig, "attentionBias" | "mlpBias"> {
  const attention = fields.attention_bias ?? false;
  const mlp = fields.mlp_bias ?? false;
  if (!traits.biases) {
    // transformers reads no mlp_bias for Qwen3.
    if (mlp && modelType === "qwen3") throw unsupported(context, "mlp_bias", true, `false for model_type "qwen3"`);
    return { attentionBias: { queryKeyValue: attention, output: attention }, mlpBias: mlp };
  }
  // transformers does not read these two keys here; a file that sets them against the architecture comes from somewhere
  // else.
  const { queryKeyValue } = traits.biases.attentionBias;
  if (fields.attention_bias != null && attention !== queryKeyValue)
    throw unsupported(context, "attention_bias", attention, `${queryKeyValue} for model_type "${modelType}"`);
  if (mlp) throw unsupported(context, "mlp_bias", true, `false for model_type "${modelType}"`);
  return traits.biases;
}

/** Layers with rotary positions: all, but for SmolLM3 those with a 1 in `no_rope_layers`, or three of four. */
function rotary(modelType: LlamaType, fields: Fields, context: ConfigContext): boolean[] {
  const { num_hidden_layers: layers, no_rope_layers: stated, no_rope_layer_interval: interval } = fields;
  if (modelType !== "smollm3") return new Array<boolean>(layers).fill(true);
  if (stated && stated.length < layers)
    throw unsupported(context, "no_rope_layers", stated, `${layers} numbers, one for each layer`);
  return Array.from({ length: layers }, (_, i) => (stated ? stated[i] === 1 : (i + 1) % (interval ?? 4) !== 0));
}

/** Each member of the family has keys and defaults of its own for the layers that look at a window only. */
function windows(
  modelType: LlamaType,
  fields: Fields,
  rotaryLayers: readonly boolean[],
  maxPositions: number,
  context: ConfigContext,
): Windows {
  const { num_hidden_layers: layers, layer_types: types, sliding_window: window, use_sliding_window: used } = fields;
  const size = { layers, maxPositions };
  if (modelType === "mistral" || modelType === "phi3") {
    // Absent is 4096 for Mistral in transformers, null is none. It is the same in all layers, whatever layer_types
    // says.
    const all = window === undefined && modelType === "mistral" ? 4096 : window;
    const same = sameWindow(all, layers, maxPositions);
    if (types && windowsOf(types, all, size, context).some((each, i) => each !== same[i]))
      throw unsupported(context, "layer_types", types, `the same in all layers for model_type "${modelType}"`);
    return same;
  }
  if (modelType === "llama") {
    if (types) windowsOf(types, window ?? 1, size, context);
    if (used || types?.includes("sliding_attention"))
      throw unsupported(
        context,
        used ? "use_sliding_window" : "layer_types",
        used ? true : types,
        `no windows for model_type "llama"`,
      );
    return sameWindow(null, layers, maxPositions);
  }
  // transformers takes absent for 4096 in Qwen, and for none in SmolLM3; without use_sliding_window there is none.
  const width = used ? (window === undefined && modelType !== "smollm3" ? 4096 : window) : null;
  if (types) {
    if (!used && types.includes("sliding_attention"))
      throw unsupported(context, "use_sliding_window", used, 'true where "layer_types" has "sliding_attention"');
    return windowsOf(types, width, size, context);
  }
  const sliding = (i: number) =>
    width != null && (modelType === "smollm3" ? !rotaryLayers[i] : i >= (fields.max_window_layers ?? 28));
  const derived = Array.from({ length: layers }, (_, i) => (sliding(i) ? "sliding_attention" : "full_attention"));
  return windowsOf(derived, width, size, context);
}
