// Rotary positions in config.json, in one normal form: `rope_parameters` (transformers 5), or `rope_theta` and
// `rope_scaling` (before).
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type ConfigContext, count, unsupported } from "./config-common.js";
import { CheckpointError, shown } from "./errors.js";
import { isJsonObject, type JsonObject } from "./json.js";

/** Rotary positions of a layer. */
export interface Rope {
  /** θ: pair d of R/2 turns by position · θ^(−2d / R). */
  readonly theta: number;
  /** R: how many dimensions of each head are turned, the first ones; even. */
  readonly dimensions: number;
  readonly scaling: RopeScaling | null;
}

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
    }
  | {
      /**
       * YaRN (Peng et al. 2023): low frequencies are divided by `factor`, high ones kept, those between interpolated.
       */
      readonly type: "yarn";
      readonly factor: number;
      /** Pairs that turn this often or more within the original length keep their frequency. */
      readonly betaFast: number;
      /** Pairs that turn this often or less have it divided. */
      readonly betaSlow: number;
      readonly originalMaxPositions: number;
      /** Whether the two bounds are rounded outwards to whole pairs. */
      readonly truncate: boolean;
      /** What cosines and sines are multiplied by. */
      readonly attentionFactor: number;
    }
  | {
      /**
       * LongRoPE (Ding et al. 2024) of sequences up to the original length: each pair's frequency is divided by a
       * factor of its own.
       */
      readonly type: "longrope";
      readonly shortFactors: readonly number[];
      readonly originalMaxPositions: number;
      /** What cosines and sines are multiplied by. */
      readonly attentionFactor: number;
    };

const positive = z.number().positive();
const factors = z.array(positive).nullish();

/** What a rope object may say; everything else in it is refused by name. */
export const ropeSchema = z.object({
  type: z.string().nullish(),
  rope_type: z.string().nullish(),
  rope_theta: positive.nullish(),
  partial_rotary_factor: positive.max(1).nullish(),
  factor: z.number().min(1).nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: count.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().nonnegative().nullish(),
  mscale_all_dim: z.number().nonnegative().nullish(),
  truncate: z.boolean().nullish(),
  short_factor: factors,
  long_factor: factors,
});

export type RopeObject = z.infer<typeof ropeSchema>;

/** The fields of a config with the same rotary positions in all layers. */
export const ropeFields = {
  max_position_embeddings: count,
  original_max_position_embeddings: count.nullish(),
  rope_theta: positive.nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  rope_interleaved: z.boolean().nullish(),
  partial_rotary_factor: positive.max(1).nullish(),
} as const;

type RopeFields = z.infer<z.ZodObject<typeof ropeFields>>;

/** What is fixed by the architecture, not by its config. */
export interface RopeDefaults {
  readonly headSize: number;
  /** 10,000 where absent. */
  readonly theta?: number;
  /**
   * The share of each head that is turned where the config does not say; 1 where absent. Other shares are refused
   * unless `partial`.
   */
  readonly share?: number;
  readonly partial?: boolean;
  /** Other names for supported types. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The supported types; all but `longrope` where absent. */
  readonly types?: readonly string[];
}

const TYPES = ["default", "linear", "llama3", "yarn"];

/** The rotary positions of a config whose layers all have the same. */
export function parseRope(
  config: JsonObject,
  fields: RopeFields,
  context: ConfigContext,
  defaults: RopeDefaults,
): Rope {
  if (fields.rope_interleaved) throw unsupported(context, "rope_interleaved", true, "false");
  const types = defaults.types ?? TYPES;
  for (const each of ["rope_parameters", "rope_scaling"]) refuseUnknown(config[each], each, context, types);
  const [current, legacy] = [fields.rope_parameters, fields.rope_scaling];
  const read = (rope: RopeObject, key: string) =>
    ropeOf(rope, key, fields, context, {
      ...defaults,
      theta: fields.rope_theta ?? defaults.theta ?? 10_000,
      share: fields.partial_rotary_factor ?? defaults.share ?? 1,
    });
  const rope = read(current ?? legacy ?? {}, current ? "rope_parameters" : "rope_scaling");
  if (current && legacy && !isDeepStrictEqual(read(legacy, "rope_scaling"), rope)) {
    throw unsupported(
      context,
      "rope_scaling",
      legacy,
      `it to mean the same as "rope_parameters", ${shown(current)}, in every number (also "rope_theta"), or only ` +
        "one of the two",
    );
  }
  return rope;
}

/** Refuses parameters of a rope object that nobody here knows, unless its type is refused anyway. */
export function refuseUnknown(raw: unknown, key: string, context: ConfigContext, types: readonly string[]): void {
  if (!isJsonObject(raw)) return;
  const unknown = Object.keys(raw).find((name) => !Object.hasOwn(ropeSchema.shape, name));
  const type = raw.rope_type ?? raw.type;
  if (unknown !== undefined && (type === undefined || types.includes(String(type))))
    throw unsupported(context, `${key}.${unknown}`, raw[unknown], "it absent");
}

/** One rope object as rotary positions. @param key how messages name it */
export function ropeOf(
  rope: RopeObject,
  key: string,
  fields: Pick<RopeFields, "max_position_embeddings" | "original_max_position_embeddings">,
  context: ConfigContext,
  { headSize, theta: usual = 10_000, share = 1, partial = false, aliases = {}, types = TYPES }: RopeDefaults,
): Rope {
  const stated = ropeType(rope);
  const type = stated !== undefined && Object.hasOwn(aliases, stated) ? aliases[stated] : stated;
  if (type === undefined || !types.includes(type))
    throw unsupported(context, `${key}.rope_type`, type ?? rope, `one of ${types.join(", ")}`);
  const part = rope.partial_rotary_factor ?? share;
  if (part !== 1 && !partial) throw unsupported(context, "partial_rotary_factor", part, "1");
  const dimensions = Math.trunc(headSize * part);
  if (dimensions < 2 || dimensions % 2 !== 0) {
    throw new CheckpointError(
      `${context.file}: heads are ${headSize} wide and ${part} of them is turned, which is ${dimensions} ` +
        "dimensions; expected an even number from 2",
    );
  }
  // transformers gives the top level priority over the object (RotaryEmbeddingConfigMixin.standardize_rope_params).
  const originalMaxPositions =
    fields.original_max_position_embeddings ?? rope.original_max_position_embeddings ?? fields.max_position_embeddings;
  const scaling = scalingOf(type, rope, { key, context, dimensions, originalMaxPositions, fields });
  return { theta: rope.rope_theta ?? usual, dimensions, scaling };
}

interface ScalingContext {
  readonly key: string;
  readonly context: ConfigContext;
  readonly dimensions: number;
  readonly originalMaxPositions: number;
  readonly fields: Pick<RopeFields, "max_position_embeddings">;
}

function scalingOf(type: string, rope: RopeObject, at: ScalingContext): RopeScaling | null {
  if (type === "default") return null;
  if (type === "linear") return { type, factor: need(rope, "factor", type, at) };
  if (type === "llama3") return llama3(rope, at);
  if (type === "yarn") return yarn(rope, at);
  return longrope(rope, at);
}

function llama3(rope: RopeObject, at: ScalingContext): RopeScaling {
  const factor = need(rope, "factor", "llama3", at);
  const lowFrequencyFactor = need(rope, "low_freq_factor", "llama3", at);
  const highFrequencyFactor = need(rope, "high_freq_factor", "llama3", at);
  if (highFrequencyFactor <= lowFrequencyFactor) {
    throw new CheckpointError(
      `${at.context.file}: "${at.key}.high_freq_factor" is ${highFrequencyFactor}, expected more than ` +
        `"low_freq_factor" = ${lowFrequencyFactor}`,
    );
  }
  const { originalMaxPositions } = at;
  return { type: "llama3", factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions };
}

/**
 * Defaults and attention factor as in transformers: 0.1·ln(factor) + 1 (Peng et al. 2023, Eq. 22), or the ratio of two
 * with mscales.
 */
function yarn(rope: RopeObject, at: ScalingContext): RopeScaling {
  const { originalMaxPositions } = at;
  const factor =
    rope.factor === null ? at.fields.max_position_embeddings / originalMaxPositions : need(rope, "factor", "yarn", at);
  const magnitude = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const { mscale, mscale_all_dim: all } = rope;
  const attentionFactor = rope.attention_factor ?? (mscale && all ? magnitude(mscale) / magnitude(all) : magnitude(1));
  const [betaFast, betaSlow] = [rope.beta_fast ?? 32, rope.beta_slow ?? 1];
  if (betaFast <= betaSlow) {
    throw new CheckpointError(
      `${at.context.file}: "${at.key}.beta_fast" is ${betaFast}, expected more than "beta_slow" = ${betaSlow}`,
    );
  }
  return {
    type: "yarn",
    factor,
    betaFast,
    betaSlow,
    originalMaxPositions,
    truncate: rope.truncate ?? true,
    attentionFactor,
  };
}

/**
 * Attention factor √(1 + ln(factor) / ln(original length)) (Ding et al. 2024), the factor being the ratio of the two
 * lengths.
 */
function longrope(rope: RopeObject, at: ScalingContext): RopeScaling {
  const { originalMaxPositions, dimensions, context, key } = at;
  for (const name of ["short_factor", "long_factor"] as const) {
    const found = rope[name];
    if (found?.length !== dimensions / 2) {
      throw new CheckpointError(
        `${context.file}: "${key}.${name}" is ${found ? `${found.length} numbers` : shown(found)}, expected ` +
          `${dimensions / 2} of them, one for each pair of dimensions that is turned`,
      );
    }
  }
  const factor = rope.factor ?? at.fields.max_position_embeddings / originalMaxPositions;
  const attentionFactor =
    rope.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalMaxPositions)));
  return { type: "longrope", shortFactors: rope.short_factor!, originalMaxPositions, attentionFactor };
}

function need(
  rope: RopeObject,
  name: "factor" | "low_freq_factor" | "high_freq_factor",
  type: string,
  { context, key }: ScalingContext,
): number {
  const value = rope[name];
  if (value == null)
    throw new CheckpointError(
      `${context.file}: "${key}.${name}" is absent, expected a positive number for rope type "${type}"`,
    );
  return value;
}

/** The type a rope object states; none stated and no parameters means default; two that disagree are none. */
function ropeType(rope: RopeObject): string | undefined {
  const { rope_type: current, type: legacy } = rope;
  if (current != null && legacy != null && current !== legacy) return `${current} / ${legacy}`;
  return current ?? legacy ?? (rope.factor == null && rope.short_factor == null ? "default" : undefined);
}
