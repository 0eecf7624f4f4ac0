// OPT's config.json (Zhang et al. 2022; Galactica too); field names as in transformers' OPTConfig.
import { z } from "zod";
import { activationOf } from "./config-activation.js";
import {
  type CommonConfig,
  type ConfigContext,
  commonFields,
  count,
  layerCount,
  limitPositions,
  parseFields,
  probability,
  refuseCommon,
  specialTokens,
} from "./config-common.js";
import { configKeys, unrecognised } from "./config-keys.js";
import { CheckpointError } from "./errors.js";
import type { JsonObject } from "./json.js";

/**
 * OPT: learned positions, LayerNorm before or after each part of a block, ReLU. K is the width of embeddings, not that
 * of the blocks.
 */
export interface OptConfig extends CommonConfig<"opt"> {
  /** The width inside of the stack: embeddings are projected to it and final hidden states back where it is not K. */
  readonly blockWidth: number;
  /** Longest sequence of the position matrix, which has two more rows. */
  readonly positions: number;
  readonly activation: "relu" | "gelu" | "gelu_tanh" | "silu";
  /** Whether norms come before attention and MLP, or after each sum (OPT-350m). */
  readonly normBefore: boolean;
  /** Whether the stack ends in a norm. */
  readonly finalNorm: boolean;
  /** Whether linear layers have biases. */
  readonly bias: boolean;
  /** Whether norms have a scale and a shift. */
  readonly normAffine: boolean;
  /** Probabilities of dropping, in training: attention weights, and the two outputs of each block. */
  readonly dropout: { readonly attention: number; readonly residual: number };
}

const keys = configKeys({
  understood: {
    ...commonFields,
    vocab_size: count,
    hidden_size: count,
    ffn_dim: count,
    num_hidden_layers: layerCount,
    num_attention_heads: count,
    max_position_embeddings: count,
    word_embed_proj_dim: count.nullish(),
    do_layer_norm_before: z.boolean().default(true),
    _remove_final_layer_norm: z.boolean().default(false),
    enable_bias: z.boolean().default(true),
    layer_norm_elementwise_affine: z.boolean().default(true),
    activation_function: z.string().default("relu"),
    dropout: probability.default(0.1),
    attention_dropout: probability.default(0),
    tie_word_embeddings: z.boolean().default(true),
  },
  // Of training: whole blocks that are left out, and how weights begin; `activation_dropout` is read by nobody.
  harmless: ["layerdrop", "init_std", "activation_dropout"],
});

/** The typed config of an OPT checkpoint; see `parseConfig`. */
export function parseOptConfig(config: JsonObject, context: ConfigContext): OptConfig {
  const fields = parseFields(keys, config, context);
  refuseCommon(fields, context);
  const { hidden_size: width, num_attention_heads: heads } = fields;
  if (width % heads !== 0) {
    throw new CheckpointError(
      `${context.file}: "hidden_size" is ${width}, expected a multiple of "num_attention_heads" = ${heads}`,
    );
  }
  return {
    modelType: "opt",
    hiddenSize: fields.word_embed_proj_dim ?? width,
    blockWidth: width,
    layers: fields.num_hidden_layers,
    heads,
    headSize: width / heads,
    intermediateSize: fields.ffn_dim,
    vocabularySize: fields.vocab_size,
    positions: fields.max_position_embeddings,
    maxPositions: limitPositions(fields.max_position_embeddings, context),
    normEpsilon: 1e-5, // PyTorch's default: the config has no key for it
    activation: activationOf("activation_function", fields.activation_function, context, [
      "relu",
      "gelu",
      "gelu_tanh",
      "silu",
    ]),
    normBefore: fields.do_layer_norm_before,
    finalNorm: fields.do_layer_norm_before && !fields._remove_final_layer_norm,
    bias: fields.enable_bias,
    normAffine: fields.layer_norm_elementwise_affine,
    tieWordEmbeddings: fields.tie_word_embeddings,
    dropout: { attention: fields.attention_dropout, residual: fields.dropout },
    ...specialTokens(fields, context),
    unrecognisedKeys: unrecognised(keys, config),
  };
}
