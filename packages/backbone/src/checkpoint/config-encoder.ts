// The config.json of text encoders: BERT and its relatives, told apart by `model_type`. Field names as in transformers.
import { z } from "zod";
import { type Activation, activationOf } from "./config-activation.js";
import {
  type ConfigContext,
  commonFields,
  count,
  epsilon,
  layerCount,
  limitPositions,
  parseFields,
  probability,
  refuseCommon,
  unsupported,
} from "./config-common.js";
import { configKeys, unrecognised } from "./config-keys.js";
import { CheckpointError, shown } from "./errors.js";
import { isJsonObject, type JsonObject } from "./json.js";

/** The `model_type`s that `openSentenceEncoder` opens. */
export const ENCODER_TYPES = ["bert", "camembert", "distilbert", "mpnet", "roberta", "xlm-roberta"] as const;
export type EncoderType = (typeof ENCODER_TYPES)[number];

/** A text encoder: learned positions, LayerNorm after each block, attention in both directions. */
export interface EncoderConfig {
  readonly modelType: EncoderType;
  /** K: the width of embeddings and hidden states. */
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  /** Width of the inner layer of the MLP. */
  readonly intermediateSize: number;
  /** N: rows of the vocabulary matrix. */
  readonly vocabularySize: number;
  /** Rows of the matrix of position embeddings. */
  readonly positionRows: number;
  /** The row of a text's first token: 0, or the one after the padding token's in the RoBERTa family and MPNet. */
  readonly firstPosition: number;
  /** Tokens in one text, special tokens included, at most. */
  readonly maxPositions: number;
  /** Rows of the matrix of token types, of which texts use the first; 0 where there is none. */
  readonly tokenTypes: number;
  readonly normEpsilon: number;
  readonly activation: Activation;
  /** Buckets of relative position biases, shared by all blocks (MPNet); 0 where there are none. */
  readonly positionBuckets: number;
  readonly dropout: { readonly hidden: number; readonly attention: number };
  readonly padTokenId: number;
  readonly unrecognisedKeys: readonly string[];
}

const MPNET_BUCKETS = 32;
const ACTIVATIONS = ["gelu", "gelu_tanh", "relu", "silu"] as const;
const padToken = z.number().int().nonnegative().nullish();

const bertFields = {
  ...commonFields,
  vocab_size: count,
  hidden_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  intermediate_size: count,
  hidden_act: z.string().default("gelu"),
  hidden_dropout_prob: probability.default(0.1),
  attention_probs_dropout_prob: probability.default(0.1),
  max_position_embeddings: count.default(512),
  layer_norm_eps: epsilon.default(1e-12),
  pad_token_id: padToken,
  is_decoder: z.boolean().default(false),
} as const;

/** Of heads and poolers, whose outputs sentence embeddings are not made of. */
const HEADS = [
  ...["classifier_dropout", "tie_word_embeddings", "pooler_act", "pooler_fc_size", "pooler_num_attention_heads"],
  ...["pooler_num_fc_layers", "pooler_size_per_head", "pooler_type", "directionality"],
  ...["summary_type", "cls_token_id", "mask_token_id"],
];

const bertKeys = configKeys({
  understood: { ...bertFields, type_vocab_size: count.default(2), position_embedding_type: z.string().nullish() },
  harmless: HEADS,
});

const mpnetKeys = configKeys({
  understood: { ...bertFields, relative_attention_num_buckets: count.default(MPNET_BUCKETS) },
  harmless: HEADS,
});

const distilbertKeys = configKeys({
  understood: {
    ...commonFields,
    vocab_size: count,
    dim: count,
    n_layers: layerCount,
    n_heads: count,
    hidden_dim: count,
    activation: z.string().default("gelu"),
    dropout: probability.default(0.1),
    attention_dropout: probability.default(0.1),
    max_position_embeddings: count.default(512),
    pad_token_id: padToken,
  },
  // Positions that were made of sines are stored like learned ones.
  harmless: [...HEADS, "qa_dropout", "seq_classif_dropout", "sinusoidal_pos_embds", "tie_weights_"],
});

/**
 * Checks the `config.json` of a text encoder. Fields that are absent take transformers' defaults, except sizes, which
 * must be there.
 * @throws CheckpointError when `model_type` is not one of {@link ENCODER_TYPES}, a field is missing or out of range, or
 *   the model uses a feature that is not implemented
 */
export function parseEncoderConfig(config: unknown, context: ConfigContext): EncoderConfig {
  if (!isJsonObject(config)) throw new CheckpointError(`${context.file}: not a JSON object`);
  const modelType = ENCODER_TYPES.find((type) => type === config.model_type);
  if (!modelType) {
    throw new CheckpointError(
      `${context.file}: "model_type" is ${shown(config.model_type)}, expected a text encoder, one of ` +
        `${ENCODER_TYPES.join(", ")}. ` +
        "Hidden states of a language model become text features with openBackboneEncoder",
    );
  }
  const sizes = modelType === "distilbert" ? parseDistilbert(config, context) : parseBert(modelType, config, context);
  const { hiddenSize, heads, positionRows, firstPosition, padTokenId, vocabularySize } = sizes;
  if (hiddenSize % heads !== 0)
    throw new CheckpointError(`${context.file}: the width is ${hiddenSize}, expected a multiple of the ${heads} heads`);
  if (positionRows <= firstPosition)
    throw unsupported(context, "max_position_embeddings", positionRows, `more than ${firstPosition}`);
  if (padTokenId >= vocabularySize)
    throw unsupported(context, "pad_token_id", padTokenId, `a token below "vocab_size" = ${vocabularySize}`);
  const maxPositions = limitPositions(positionRows - firstPosition, context);
  return { modelType, headSize: hiddenSize / heads, maxPositions, ...sizes };
}

type Sizes = Omit<EncoderConfig, "modelType" | "headSize" | "maxPositions">;

function parseBert(modelType: Exclude<EncoderType, "distilbert">, config: JsonObject, context: ConfigContext): Sizes {
  const mpnet = modelType === "mpnet";
  const keys = mpnet ? mpnetKeys : bertKeys;
  const fields = parseFields<typeof bertKeys.schema | typeof mpnetKeys.schema>(keys, config, context);
  refuseCommon(fields, context);
  if (fields.is_decoder) throw unsupported(context, "is_decoder", true, "false: an encoder attends in both directions");
  if ("position_embedding_type" in fields && (fields.position_embedding_type ?? "absolute") !== "absolute")
    throw unsupported(context, "position_embedding_type", fields.position_embedding_type, '"absolute"');
  const buckets = "relative_attention_num_buckets" in fields ? fields.relative_attention_num_buckets : 0;
  if (mpnet && buckets !== MPNET_BUCKETS)
    // transformers computes with 32, whatever the config says
    throw unsupported(context, "relative_attention_num_buckets", buckets, `${MPNET_BUCKETS}`);
  // MPNet's positions begin after row 1 whatever its padding token is.
  const pad = mpnet ? 1 : (fields.pad_token_id ?? (modelType === "bert" ? 0 : 1));
  return {
    hiddenSize: fields.hidden_size,
    layers: fields.num_hidden_layers,
    heads: fields.num_attention_heads,
    intermediateSize: fields.intermediate_size,
    vocabularySize: fields.vocab_size,
    positionRows: fields.max_position_embeddings,
    firstPosition: modelType === "bert" ? 0 : pad + 1,
    tokenTypes: "type_vocab_size" in fields ? fields.type_vocab_size : 0,
    normEpsilon: fields.layer_norm_eps,
    activation: activationOf("hidden_act", fields.hidden_act, context, ACTIVATIONS),
    positionBuckets: buckets,
    dropout: { hidden: fields.hidden_dropout_prob, attention: fields.attention_probs_dropout_prob },
    padTokenId: pad,
    unrecognisedKeys: unrecognised(keys, config),
  };
}

function parseDistilbert(config: JsonObject, context: ConfigContext): Sizes {
  const fields = parseFields(distilbertKeys, config, context);
  refuseCommon(fields, context);
  return {
    hiddenSize: fields.dim,
    layers: fields.n_layers,
    heads: fields.n_heads,
    intermediateSize: fields.hidden_dim,
    vocabularySize: fields.vocab_size,
    positionRows: fields.max_position_embeddings,
    firstPosition: 0,
    tokenTypes: 0,
    normEpsilon: 1e-12,
    activation: activationOf("activation", fields.activation, context, ["gelu", "relu"]),
    positionBuckets: 0,
    dropout: { hidden: fields.dropout, attention: fields.attention_dropout },
    padTokenId: fields.pad_token_id ?? 0,
    unrecognisedKeys: unrecognised(distilbertKeys, config),
  };
}
