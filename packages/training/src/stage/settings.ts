// The settings that stages share, each declared once: its schema, default, unit and description.
import { z } from "zod";
import { reasonOf } from "../error.js";
import { schedule } from "../optimiser/schedule.js";
import { lambdaLOf, PRIOR_SHARE, RATE_SHARES } from "./scales.js";

// Numbers that settings are made of.
export const positiveInteger = z.int().min(1);
export const count = z.int().min(0);
export const weight = z.number().min(0);
export const shareBelowOne = z.number().min(0).lt(1);

/** A learning rate in plain data, for config files, and for comparison before a run resumes. */
export const learningRateSchema = z.strictObject({
  peak: z.number().gt(0).meta({ description: "the highest rate" }),
  warmup: count.optional().meta({ description: "updates of linear warm-up", otherwise: "0" }),
  decay: z
    .strictObject({ shape: z.enum(["linear", "cosine"]), total: positiveInteger, floor: weight.optional() })
    .optional()
    .meta({ description: "a fall to `floor` at update `total`", otherwise: "none" }),
});

/** A number, or a {@link learningRateSchema}. Its numbers are checked by `schedule`, the function that reads them. */
export const learningRate = z.union([z.number(), learningRateSchema]).superRefine((rate, context) => {
  try {
    schedule(rate);
  } catch (error) {
    context.addIssue({ code: "custom", message: reasonOf(error) });
  }
});

/** `AdamOptions`. */
export const adamSchema = z.strictObject({
  beta1: shareBelowOne.optional().meta({ description: "decay of the first moment", otherwise: "0.9" }),
  beta2: shareBelowOne.optional().meta({ description: "decay of the second moment", otherwise: "0.999" }),
  epsilon: z
    .number()
    .gt(0)
    .optional()
    .meta({ description: "added to the root of the second moment", otherwise: "1e-8" }),
  rows: z
    .enum(["dense", "sparse", "lazy"])
    .optional()
    .meta({ description: "what happens to rows without a gradient", otherwise: '"lazy"' }),
});

/** Documents or tokens of a batch; a bare number counts documents. */
export const batchSize = z.union([
  positiveInteger,
  z.strictObject({ documents: positiveInteger, dropLast: z.boolean().optional() }),
  z.strictObject({ tokens: positiveInteger, padded: z.boolean().optional() }),
]);

/** What a {@link batchSize} means to a `BatchPlan`. */
export function batchSizeOf(
  size: z.output<typeof batchSize>,
):
  | { readonly documents: number; readonly dropLast?: boolean }
  | { readonly tokens: number; readonly padded?: boolean } {
  if (typeof size === "number") return { documents: size };
  if ("documents" in size)
    return { documents: size.documents, ...(size.dropLast !== undefined && { dropLast: size.dropLast }) };
  return { tokens: size.tokens, ...(size.padded !== undefined && { padded: size.padded }) };
}

/** Settings of a run that every stage takes from the same place. */
export const runSettings = {
  seed: count.default(0).meta({ description: "decides everything random: tables, order, masks, dropout" }),
  maxLength: positiveInteger.optional().meta({
    description: "the longest prompt or interaction document",
    unit: "tokens",
    otherwise: "what the backbone has positions for",
  }),
  saveEverySeconds: weight
    .default(60)
    .meta({ description: "time between two checkpoints; 0 saves after every update", unit: "seconds" }),
  priorDeviation: weight.optional().meta({
    description: "standard deviation of the initial embeddings (Eq. 1), by which the learning rates are scaled",
    otherwise: `${PRIOR_SHARE} × that of the backbone's vocabulary`,
  }),
};

/** Settings of where training begins, in addition to `seed` and `priorDeviation`. */
export const startSettings = {
  textShare: z.number().min(0).max(1).optional().meta({
    description: "share of the initial embeddings' variance that comes from users' and items' texts",
    otherwise: "1 where pretraining reads texts, else 0",
  }),
  contentDeviation: weight.optional().meta({
    description: "standard deviation of content around collaborative embeddings (Eq. 2)",
    otherwise: "priorDeviation × √(1 − textShare)",
  }),
};

/** Settings that every stage of CLLM4Rec has for itself. */
export const stageSettings = {
  batch: batchSize.default(128).meta({
    description: "users in a batch",
    unit: "users",
    paper: "–; 160",
  }),
  textTokens: positiveInteger.default(4096).meta({ description: "tokens in a batch of texts", unit: "tokens" }),
  textBatch: batchSize.optional().meta({
    description: "the same as documents or tokens",
    otherwise: "{ tokens: textTokens }",
  }),
  learningRate: learningRate.optional().meta({
    description: "learning rate of the collaborative tables",
    otherwise: `${RATE_SHARES.collaborative} × priorDeviation; ${RATE_SHARES.textMap} × with a text map`,
    paper: "–; 1e-3 in pretraining, 1e-4 in finetuning",
  }),
  contentLearningRate: learningRate.optional().meta({
    description: "learning rate of the content tables",
    otherwise: `${RATE_SHARES.content} × priorDeviation`,
  }),
  adam: adamSchema.default({}).meta({ description: "Adam's rates, and what happens to rows without a gradient" }),
  clipNorm: z.number().gt(0).optional().meta({
    description: "largest global norm of a gradient",
    otherwise: "no clipping",
  }),
  lambdaC: weight
    .default(0.1)
    .meta({ description: "λ_c: how strongly the two sides are drawn together", paper: "1; 1" }),
  lambdaL: weight.optional().meta({
    description: "λ_l: the prior of Eq. 1, around 0 or around what the text map says",
    otherwise: `${lambdaLOf(undefined)}; ${lambdaLOf(undefined, { textMap: true })} with a text map`,
    paper: "0; 0",
  }),
  scaling: z.enum(["paper", "released-code"]).default("paper").meta({
    description: "how λ_c and λ_l are weighed against the loss",
    paper: '–; "released-code"',
  }),
  order: z.enum(["shuffled", "fixed"]).default("shuffled").meta({
    description: "order of the items in a prompt: permuted again in every epoch, or as they are",
    paper: "shuffled; not in pretraining",
  }),
  dropout: shareBelowOne.default(0).meta({ description: "dropout on soft tokens, independently per occurrence" }),
  backboneDropout: z.boolean().default(false).meta({
    description: "the backbone's own dropout acts too",
    paper: "–; true",
  }),
};
