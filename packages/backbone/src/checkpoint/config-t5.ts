// T5's config.json: T5 1.0 (tied, scaled head), T5 1.1 and Flan-T5 (a head of its own), mT5 and UMT5. Raffel et al.
// 2020; field names as in T5Config, MT5Config and UMT5Config.
import { z } from "zod";
import { ACTIVATIONS, type Activation } from "./config-activation.js";
import {
  type CommonConfig,
  type ConfigContext,
  choosePositions,
  commonFields,
  count,
  epsilon,
  layerCount,
  parseFields,
  probability,
  refuseCommon,
  specialTokens,
  unsupported,
} from "./config-common.js";
import { configKeys, unrecognised } from "./config-keys.js";
import { CheckpointError } from "./errors.js";
import type { JsonObject } from "./json.js";

/** T5: encoder and decoder, relative position biases, RMSNorm without biases, unscaled dot products. */
export interface T5Config extends CommonConfig<T5Type> {
  /** Blocks of the encoder; `layers` counts those of the decoder. */
  readonly encoderLayers: number;
  readonly activation: Activation;
  /** Whether the inner layer is act(x·W₀) ∘ x·W₁ (T5 1.1) rather than act(x·W) (1.0). */
  readonly gated: boolean;
  /** Relative distances fall into this many classes, … */
  readonly positionBuckets: number;
  /** … all from this one on into the same. */
  readonly maxDistance: number;
  /** Whether every block has position biases of its own (UMT5), or each stack one table for all its blocks. */
  readonly biasInEveryBlock: boolean;
  /** Whether the next-word head takes hidden states times K^−½ (1.0). */
  readonly scaleWordHead: boolean;
  /** What the decoder starts with. */
  readonly decoderStartTokenId: number;
  /** The probability of dropout, the same in all places of T5. */
  readonly dropout: number;
}

export type T5Type = "t5" | "mt5" | "umt5";

/** Graphs hold a table with an entry for every distance up to the largest; all models have 128. */
const MOST_DISTANCE = 100_000;

const keys = configKeys({
  understood: {
    ...commonFields,
    vocab_size: count,
    d_model: count,
    d_kv: count,
    d_ff: count,
    num_layers: layerCount,
    num_decoder_layers: layerCount.nullish(),
    num_heads: count,
    relative_attention_num_buckets: count.default(32),
    relative_attention_max_distance: count.max(MOST_DISTANCE).default(128),
    dropout_rate: probability.default(0.1),
    layer_norm_epsilon: epsilon.default(1e-6),
    feed_forward_proj: z.string().nullish(),
    dense_act_fn: z.string().nullish(),
    is_gated_act: z.boolean().nullish(),
    tie_word_embeddings: z.boolean().nullish(),
    scale_decoder_outputs: z.boolean().nullish(),
    decoder_start_token_id: z.number().int().nonnegative().nullish(),
    n_positions: count.nullish(),
  },
  // Of the classification head, and of training; the last is in UMT5's files and means what UMT5 always does.
  harmless: ["classifier_dropout", "initializer_factor", "output_past", "scalable_attention"],
});

type Fields = z.infer<typeof keys.schema>;

/** The next-word head's own matrix. */
const HEAD = "lm_head.weight";

/** The length that T5 was pretrained with; its positions are relative, so nothing ends there. */
const PRETRAINED_LENGTH = 512;

/** The typed config of a T5 checkpoint; see `parseConfig`. */
export function parseT5Config(modelType: T5Type, config: JsonObject, context: ConfigContext): T5Config {
  const fields = parseFields(keys, config, context);
  refuseCommon({ ...fields, is_encoder_decoder: false }, context);
  if (fields.is_encoder_decoder === false)
    throw unsupported(context, "is_encoder_decoder", false, "true: both halves of T5 are needed");
  const buckets = fields.relative_attention_num_buckets;
  const maxDistance = fields.relative_attention_max_distance;
  if (buckets < 4) throw unsupported(context, "relative_attention_num_buckets", buckets, "at least 4");
  if (maxDistance <= buckets / 2) {
    throw unsupported(
      context,
      "relative_attention_max_distance",
      maxDistance,
      `more than ${buckets / 2}, half of the buckets`,
    );
  }
  const decoderStartTokenId =
    fields.decoder_start_token_id ?? fields.pad_token_id ?? (modelType === "t5" ? undefined : 0);
  if (decoderStartTokenId == null || decoderStartTokenId < 0 || decoderStartTokenId >= fields.vocab_size) {
    throw new CheckpointError(
      `${context.file}: "decoder_start_token_id" is ${decoderStartTokenId ?? "absent"}, expected a token from 0 ` +
        `to ${fields.vocab_size - 1}; T5 starts with its padding token, 0`,
    );
  }
  return {
    modelType,
    hiddenSize: fields.d_model,
    encoderLayers: fields.num_layers,
    layers: fields.num_decoder_layers ?? fields.num_layers,
    heads: fields.num_heads,
    headSize: fields.d_kv,
    intermediateSize: fields.d_ff,
    vocabularySize: fields.vocab_size,
    maxPositions: choosePositions(fields.n_positions ?? PRETRAINED_LENGTH, context),
    normEpsilon: fields.layer_norm_epsilon,
    ...feedForward(modelType, fields, context),
    biasInEveryBlock: modelType === "umt5",
    positionBuckets: buckets,
    maxDistance,
    ...wordHead(modelType, fields, context),
    decoderStartTokenId,
    dropout: fields.dropout_rate,
    ...specialTokens(fields, context),
    unrecognisedKeys: unrecognised(keys, config),
  };
}

/**
 * transformers 5 writes every T5 as tied and tells 1.1 from 1.0 by `scale_decoder_outputs`; before, the tie said both.
 * Its own T5 1.1 is saved without a head, which is then the vocabulary matrix, unscaled. In mT5, never scaled, and UMT5
 * the file decides, whatever the config says of a tie: a head in it is used.
 */
function wordHead(
  modelType: T5Type,
  { tie_word_embeddings, scale_decoder_outputs }: Fields,
  { tensors }: ConfigContext,
): Pick<T5Config, "tieWordEmbeddings" | "scaleWordHead"> {
  const tied = tie_word_embeddings ?? true;
  const scaled = modelType !== "mt5" && (scale_decoder_outputs ?? tied);
  if (modelType === "t5")
    return { tieWordEmbeddings: tied && (scaled || tensors?.has(HEAD) === false), scaleWordHead: scaled };
  return { tieWordEmbeddings: tensors ? !tensors.has(HEAD) : tied, scaleWordHead: scaled };
}

/** `relu`, `gated-gelu` and the like; "gated-gelu" has always meant the tanh form. */
function feedForward(
  modelType: T5Type,
  fields: Fields,
  context: ConfigContext,
): Pick<T5Config, "activation" | "gated"> {
  const { feed_forward_proj, dense_act_fn, is_gated_act } = fields;
  const kind = feed_forward_proj ?? (modelType === "t5" ? "relu" : "gated-gelu");
  const gated = kind.startsWith("gated-");
  const name = kind === "gated-gelu" ? "gelu_new" : gated ? kind.slice("gated-".length) : kind;
  const activation = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (!activation) {
    const known = Object.keys(ACTIVATIONS).join(", ");
    throw unsupported(context, "feed_forward_proj", kind, `one of ${known}, or one of these after "gated-"`);
  }
  if (dense_act_fn != null && dense_act_fn !== name)
    throw unsupported(context, "dense_act_fn", dense_act_fn, `"${name}", which "feed_forward_proj" says`);
  if (is_gated_act != null && is_gated_act !== gated)
    throw unsupported(context, "is_gated_act", is_gated_act, `${gated}, which "feed_forward_proj" says`);
  return { activation, gated };
}
