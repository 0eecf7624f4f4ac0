// What the config.json of every architecture has in common: token ids, the refusal of features by name; config-keys.ts
// has the keys. A feature that would change the model's output is either represented in the typed config or refused;
// never ignored.
import { z } from "zod";
import { type ConfigKeys, refuseChanging } from "./config-keys.js";
import { CheckpointError, shown } from "./errors.js";
import type { JsonObject } from "./json.js";

/** What every backbone's config says, under one name each. Sizes are counts of elements. */
export interface CommonConfig<M extends string> {
  readonly modelType: M;
  /** K: the width of embeddings and hidden states. */
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Width of one head; `heads` · `headSize` is usually, but not always, K. */
  readonly headSize: number;
  /** Width of the inner layer of the MLP. */
  readonly intermediateSize: number;
  /** N: rows of the vocabulary matrix (a tokenizer may use fewer). */
  readonly vocabularySize: number;
  /** The longest sequence that the model is to be used with. */
  readonly maxPositions: number;
  readonly normEpsilon: number;
  /** Whether the output head is the vocabulary matrix. */
  readonly tieWordEmbeddings: boolean;
  readonly bosTokenId: number | null;
  /** Generation ends at any of these; `generation_config.json` has precedence, as in transformers. */
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | null;
  /**
   * Keys of the file that are neither understood nor known to be without effect: opening the model reports them once.
   */
  readonly unrecognisedKeys: readonly string[];
}

/** What a parser of one architecture's config gets besides the JSON. */
export interface ConfigContext {
  /** For messages. */
  readonly file: string;
  readonly generationConfig: JsonObject | undefined;
  /** The caller's own limit on the sequence length. */
  readonly maxPositions: number | undefined;
  /** The tensors of the checkpoint by name, where there is one. */
  readonly tensors?: ReadonlyMap<string, unknown> | undefined;
}

export const count = z
  .number()
  .int()
  .positive()
  .max(2 ** 31 - 1);
/** A number of layers: no model has more than this, and lists with an entry for each layer stay small. */
export const layerCount = count.max(10_000);
export const probability = z.number().min(0).lt(1);
/** A small positive number inside a square root. */
export const epsilon = z.number().positive().lt(1);
const tokenId = z.number().int().nullish();
const tokenIds = z.union([z.number().int(), z.array(z.number().int())]).nullish();

/** Fields of transformers' base class that each architecture's schema takes in. */
export const commonFields = {
  bos_token_id: tokenId,
  eos_token_id: tokenIds,
  pad_token_id: tokenId,
  quantization_config: z.unknown().optional(),
  is_encoder_decoder: z.boolean().nullish(),
  add_cross_attention: z.boolean().nullish(),
  pruned_heads: z.record(z.string(), z.unknown()).nullish(),
  adapters: z.unknown().optional(),
} as const;

/** The error for a feature that is not implemented: names the key, what it says and what would be accepted. */
export function unsupported(context: ConfigContext, key: string, value: unknown, expected: string): CheckpointError {
  return new CheckpointError(
    `${context.file}: "${key}" is ${shown(value)}, which is not supported; expected ${expected}. Use a model ` +
      "without this feature",
  );
}

/**
 * Parses with the architecture's schema.
 * @throws CheckpointError for a key that changes the computation and is not understood, or one that lists every field
 *   out of range
 */
export function parseFields<S extends z.ZodObject>(
  keys: ConfigKeys<S>,
  config: JsonObject,
  context: ConfigContext,
): z.infer<S> {
  refuseChanging(keys, config, context.file);
  const result = keys.schema.safeParse(config);
  if (result.success) return result.data;
  const { issues } = result.error;
  const shownIssues = issues.slice(0, SHOWN).map(({ path, message }) => {
    return `${shown(path.join("."))} is ${shown(path.reduce<unknown>(at, config))}: ${message}`;
  });
  const rest = issues.length > SHOWN ? `; and ${issues.length - SHOWN} more` : "";
  throw new CheckpointError(
    `${context.file}: ${shownIssues.join("; ")}${rest}. Check that it is the config.json of this model`,
  );
}

/** How many fields one error names. */
const SHOWN = 8;

function at(value: unknown, key: PropertyKey): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** Refuses what no backbone here can do, whatever the architecture. */
export function refuseCommon(fields: z.infer<z.ZodObject<typeof commonFields>>, context: ConfigContext): void {
  const { quantization_config, is_encoder_decoder, add_cross_attention, pruned_heads, adapters } = fields;
  if (quantization_config != null) {
    throw unsupported(context, "quantization_config", quantization_config, "unquantised F32, F16 or BF16 weights");
  }
  if (is_encoder_decoder) throw unsupported(context, "is_encoder_decoder", true, "false");
  if (add_cross_attention) throw unsupported(context, "add_cross_attention", true, "false");
  if (pruned_heads && Object.keys(pruned_heads).length > 0)
    throw unsupported(context, "pruned_heads", pruned_heads, "none");
  if (adapters != null) throw unsupported(context, "adapters", adapters, "none");
}

const generationSchema = z.object({ bos_token_id: tokenIds, eos_token_id: tokenIds, pad_token_id: tokenIds });

/** The special token ids; negative ones (some configs pad with −1) mean none. */
export function specialTokens(
  fields: z.infer<z.ZodObject<typeof commonFields>>,
  context: ConfigContext,
): Pick<CommonConfig<string>, "bosTokenId" | "eosTokenIds" | "padTokenId"> {
  const generation = generationSchema.safeParse(context.generationConfig ?? {});
  if (!generation.success) {
    throw new CheckpointError(
      `${context.file}: generation_config.json beside it has token ids that are not integers: ${generation.error.issues
        .slice(0, SHOWN)
        .map(({ path, message }) => `${shown(path.join("."))}: ${message}`)
        .join("; ")}`,
    );
  }
  const eos = generation.data.eos_token_id ?? fields.eos_token_id ?? [];
  const valid = (id: number | null | undefined): number | null => (id == null || id < 0 ? null : id);
  return {
    bosTokenId: valid(fields.bos_token_id),
    eosTokenIds: [...new Set(typeof eos === "number" ? [eos] : eos)].filter((id) => id >= 0),
    padTokenId: valid(fields.pad_token_id),
  };
}

/** The model's own limit, or the caller's lower one. */
export function limitPositions(own: number, context: ConfigContext): number {
  const { maxPositions } = context;
  if (maxPositions === undefined) return own;
  if (!Number.isInteger(maxPositions) || maxPositions < 1 || maxPositions > own) {
    throw new CheckpointError(
      `${context.file}: maxPositions is ${maxPositions}, expected an integer from 1 to the model's own ${own}`,
    );
  }
  return maxPositions;
}

/** The limit of a model without one of its own: the caller's, or the length it was pretrained with. */
export function choosePositions(pretrained: number, context: ConfigContext): number {
  const { maxPositions = pretrained } = context;
  if (!Number.isInteger(maxPositions) || maxPositions < 1)
    throw new CheckpointError(`${context.file}: maxPositions is ${maxPositions}, expected a positive integer`);
  return maxPositions;
}
