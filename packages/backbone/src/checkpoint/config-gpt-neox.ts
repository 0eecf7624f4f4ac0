// GPT-NeoX's config.json (Black et al. 2022; Pythia); field names as in transformers' GPTNeoXConfig.
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
} from "./config-common.js";
import { configKeys, unrecognised } from "./config-keys.js";
import { parseRope, type Rope, ropeFields } from "./config-rope.js";
import { CheckpointError } from "./errors.js";
import type { JsonObject } from "./json.js";

/** GPT-NeoX: LayerNorm, rotary positions in a part of each head, attention and MLP beside each other. */
export interface GptNeoxConfig extends CommonConfig<"gpt_neox"> {
  readonly activation: "gelu" | "gelu_tanh" | "relu" | "silu";
  readonly rope: Rope;
  /** Whether attention and MLP both read the block's input, instead of one after the other. */
  readonly parallelResidual: boolean;
  /** Whether the attention's projections have biases; the MLP's always have. */
  readonly attentionBias: boolean;
  /**
   * Probabilities of dropping, in training: the input embeddings, attention weights, and the two outputs of each block.
   */
  readonly dropout: { readonly embedding: number; readonly attention: number; readonly residual: number };
}

const keys = configKeys({
  understood: {
    ...commonFields,
    ...ropeFields,
    vocab_size: count,
    hidden_size: count,
    intermediate_size: count,
    num_hidden_layers: layerCount,
    num_attention_heads: count,
    layer_norm_eps: epsilon.default(1e-5),
    hidden_act: z.string().default("gelu"),
    rotary_pct: z.number().positive().max(1).nullish(),
    rotary_emb_base: z.number().positive().nullish(),
    use_parallel_residual: z.boolean().default(true),
    attention_bias: z.boolean().default(true),
    attention_dropout: probability.default(0),
    hidden_dropout: probability.default(0),
    tie_word_embeddings: z.boolean().default(false),
  },
  harmless: ["classifier_dropout"],
});

/** The typed config of a GPT-NeoX checkpoint; see `parseConfig`. */
export function parseGptNeoxConfig(config: JsonObject, context: ConfigContext): GptNeoxConfig {
  const fields = parseFields(keys, config, context);
  refuseCommon(fields, context);
  const { hidden_size: width, num_attention_heads: heads } = fields;
  if (width % heads !== 0) {
    throw new CheckpointError(
      `${context.file}: "hidden_size" is ${width}, expected a multiple of "num_attention_heads" = ${heads}`,
    );
  }
  const headSize = width / heads;
  return {
    modelType: "gpt_neox",
    hiddenSize: width,
    layers: fields.num_hidden_layers,
    heads,
    headSize,
    intermediateSize: fields.intermediate_size,
    vocabularySize: fields.vocab_size,
    maxPositions: limitPositions(fields.max_position_embeddings, context),
    normEpsilon: fields.layer_norm_eps,
    activation: activationOf("hidden_act", fields.hidden_act, context, ["gelu", "gelu_tanh", "relu", "silu"]),
    rope: parseRope(config, fields, context, {
      headSize,
      partial: true,
      share: fields.rotary_pct ?? 0.25,
      theta: fields.rotary_emb_base ?? 10_000,
    }),
    parallelResidual: fields.use_parallel_residual,
    attentionBias: fields.attention_bias,
    tieWordEmbeddings: fields.tie_word_embeddings,
    dropout: {
      embedding: fields.hidden_dropout,
      attention: fields.attention_dropout,
      residual: fields.hidden_dropout,
    },
    ...specialTokens(fields, context),
    unrecognisedKeys: unrecognised(keys, config),
  };
}
