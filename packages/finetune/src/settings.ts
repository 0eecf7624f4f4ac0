// The settings of finetuning, each declared once: types, configuration, flags and the README's table are made of this
// schema.
import { type MetricName, PAPER_METRICS, RankingEvaluator } from "@cllm4rec/eval";
import {
  count,
  learningRate,
  maskedShareOf,
  positiveInteger,
  RATE_SHARES,
  runSettings,
  shareBelowOne,
  stageSettings,
} from "@cllm4rec/training/stage";
import { z } from "zod";

/** With `skipGain: "auto"`, what an item's embedding contributes to its own score before training: gain·‖z‖². */
export const OWN_SCORE = 5;

/** Defaults that depend on whether the run has `features` of the items' texts. */
export const featureDefaults = {
  with: { skipGain: "auto", unseenItems: "excluded" },
  without: { skipGain: 0, unseenItems: "negatives" },
} as const;

// Both defaults in words, for the table of settings.
const featureDefault = (name: "skipGain" | "unseenItems") => {
  const [given, otherwise] = [featureDefaults.with[name], featureDefaults.without[name]].map((x) => JSON.stringify(x));
  return `${given} with \`features\`, else ${otherwise}`;
};
const maskedShareDefault = (textMap: boolean) => `[${maskedShareOf<never>(undefined, { textMap }).join(", ")}]`;

/** p_m, or a range of it. */
const maskedShare = z
  .union([z.number(), z.tuple([z.number(), z.number()]).readonly()])
  .superRefine((share, context) => {
    const [low, high] = typeof share === "number" ? [share, share] : share;
    if (low > 0 && low <= high && high < 1) return;
    context.addIssue({
      code: "custom",
      message:
        `maskedShare is ${JSON.stringify(share)}; it has to be a number between 0 and 1 (both excluded) or a ` +
        "range [low, high] of such",
    });
  });
/** Names that the evaluator knows. */
const metric = z.custom<MetricName>().superRefine((name, context) => {
  try {
    new RankingEvaluator({ items: 1, metrics: [name] });
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
  }
});

/** Settings that finetuning has for itself: the section `finetune` of a configuration. */
export const finetuneSection = z.strictObject({
  epochs: count.default(100).meta({
    description: "epochs over the users; a finished run continues with more, one that `patience` ended does not",
    unit: "epochs",
    paper: "150",
  }),
  targets: z.enum(["held-out", "all"]).default("held-out").meta({
    description: "what is predicted: the masked items (Eq. 9), or all of the user's training items",
    paper: 'held-out; "all"',
  }),
  maskedShare: maskedShare.optional().meta({
    description: "p_m: the share of a history that is masked; each user draws from a range",
    range: "a number above 0 and below 1, or [low, high] of such",
    otherwise: `${maskedShareDefault(false)}; ${maskedShareDefault(true)} with \`features\``,
    paper: "p_m; 0.2",
  }),
  userToken: z.boolean().default(false).meta({
    description: "the user's own token is in the prompt",
    paper: "true; true",
  }),
  skipGain: z
    .union([z.number().min(0), z.literal("auto")])
    .optional()
    .meta({
      description:
        `where the gain of the skip path around the LM begins; auto: ${OWN_SCORE} / mean ‖z‖² of the items; ` +
        "0: no such path",
      otherwise: featureDefault("skipGain"),
      paper: "0; 0",
    }),
  textMapLearningRate: learningRate.optional().meta({
    description: "learning rate of the text map's weights",
    otherwise: `${RATE_SHARES.textMap} × priorDeviation`,
  }),
  unseenItems: z
    .enum(["excluded", "negatives"])
    .optional()
    .meta({
      description:
        "items that no training history has: left out of the softmax, so that their texts alone decide, or never " +
        "chosen",
      otherwise: featureDefault("unseenItems"),
      paper: "negatives; negatives",
    }),
  averageDecay: shareBelowOne.default(0.999).meta({
    description: "decay of the moving average of the tables that is validated and published; 0: the tables themselves",
    paper: "–; –",
  }),
  contentSteps: z
    .union([count, z.literal("epoch")])
    .default("epoch")
    .meta({
      description: "content updates after each epoch, or an epoch of the texts; 0: the content tables stay as they are",
      unit: "updates",
    }),
  metrics: z
    .array(metric)
    .min(1)
    .readonly()
    .default([...PAPER_METRICS])
    .meta({
      description: "measured on validation",
      paper: "the same",
    }),
  selectBy: z.array(metric).min(1).readonly().optional().meta({
    description: "the best model has the highest sum of these",
    otherwise: "all of `metrics`",
    paper: "the same",
  }),
  validateEvery: positiveInteger.default(1).meta({ description: "epochs between validations", unit: "epochs" }),
  patience: positiveInteger.optional().meta({
    description: "validations without a new best after which the run ends",
    unit: "validations",
    otherwise: "none ends it",
  }),
  ...stageSettings,
});

/** All settings of {@link finetune}. */
export const finetuneSchema = z.strictObject({ ...runSettings, ...finetuneSection.shape });

/** Hyper-parameters; `undefined` means the default. The README has a table of them. */
export type FinetuneSettings = z.input<typeof finetuneSchema>;
