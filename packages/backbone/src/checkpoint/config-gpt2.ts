// GPT-2's config.json. Radford et al. 2019; field names as in transformers' GPT2Config.
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
import { CheckpointError } from "./errors.js";
import type { JsonObject } from "./json.js";

/** GPT-2: learned positions, LayerNorm with bias, biases everywhere, scores scaled by 1/√headSize. */
export interface Gpt2Config extends CommonConfig<"gpt2"> {
  /** Rows of the position matrix `wpe`; `maxPositions` is at most this. */
  readonly positionRows: number;
  /** `gelu_tanh` is GPT-2's own `gelu_new` (tanh approximation); `gelu` is the exact one, with erf. */
  readonly activation: "gelu_tanh" | "gelu" | "relu";
  /**
   * Probabilities with which GPT-2 is trained: on the input embeddings, the attention weights, and each block's two
   * outputs.
   */
  readonly dropout: { readonly embedding: number; readonly attention: number; readonly residual: number };
}

const keys = configKeys({
  understood: {
    ...commonFields,
    vocab_size: count,
    n_positions: count,
    n_embd: count,
    n_layer: layerCount,
    n_head: count,
    n_inner: count.nullish(),
    activation_function: z.string().default("gelu_new"),
    layer_norm_epsilon: epsilon.default(1e-5),
    embd_pdrop: probability.default(0.1),
    attn_pdrop: probability.default(0.1),
    resid_pdrop: probability.default(0.1),
    scale_attn_weights: z.boolean().default(true),
    scale_attn_by_inverse_layer_idx: z.boolean().default(false),
    reorder_and_upcast_attn: z.boolean().default(false),
    tie_word_embeddings: z.boolean().default(true),
  },
  // Of the classification head, and the name that early versions gave to n_positions' twin.
  harmless: [
    "n_ctx",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
  ],
});

/** The typed config of a GPT-2 checkpoint; see `parseConfig`. */
export function parseGpt2Config(config: JsonObject, context: ConfigContext): Gpt2Config {
  const fields = parseFields(keys, config, context);
  refuseCommon(fields, context);
  const activation = activationOf("activation_function", fields.activation_function, context, [
    "gelu_tanh",
    "gelu",
    "relu",
  ]);
  if (!fields.scale_attn_weights) throw unsupported(context, "scale_attn_weights", false, "true");
  if (fields.scale_attn_by_inverse_layer_idx)
    throw unsupported(context, "scale_attn_by_inverse_layer_idx", true, "false");
  if (fields.reorder_and_upcast_attn) throw unsupported(context, "reorder_and_upcast_attn", true, "false");
  if (fields.n_embd % fields.n_head !== 0) {
    throw new CheckpointError(
      `${context.file}: "n_embd" is ${fields.n_embd}, expected a multiple of "n_head" = ${fields.n_head}`,
    );
  }
  return {
    modelType: "gpt2",
    hiddenSize: fields.n_embd,
    layers: fields.n_layer,
    heads: fields.n_head,
    headSize: fields.n_embd / fields.n_head,
    intermediateSize: fields.n_inner ?? 4 * fields.n_embd,
    vocabularySize: fields.vocab_size,
    positionRows: fields.n_positions,
    maxPositions: limitPositions(fields.n_positions, context),
    normEpsilon: fields.layer_norm_epsilon,
    activation,
    tieWordEmbeddings: fields.tie_word_embeddings,
    dropout: { embedding: fields.embd_pdrop, attention: fields.attn_pdrop, residual: fields.resid_pdrop },
    ...specialTokens(fields, context),
    unrecognisedKeys: unrecognised(keys, config),
  };
}
