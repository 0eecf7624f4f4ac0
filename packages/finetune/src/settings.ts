// The settings of finetuning, each declared once: types, configuration, flags and the README's table are made of this
// schema.
import { type MetricName, PAPER_METRICS, RankingEvaluator } from "@cllm4rec/eval";
import {
  count,
  learningRate,
  positiveInteger,
  runSettings,
  shareBelowOne,
  stageSettings,
} from "@cllm4rec/training/stage";
import { z } from "zod";

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
    otherwise: "[0.2, 0.8]; [0.4, 0.9] with `features`",
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
        "where the gain of the skip path around the LM begins; auto: 5 / mean ‖z‖² of the items; 0: no such path",
      otherwise: '"auto" with `features`, else 0',
      paper: "0; 0",
    }),
  textMapLearningRate: learningRate.optional().meta({
    description: "learning rate of the text map's weights",
    otherwise: "0.003 × priorDeviation",
  }),
  unseenItems: z.enum(["excluded", "negatives"]).optional().meta({
    description:
      "items that no training history has: left out of the softmax, so that their texts alone decide, or never chosen",
    otherwise: '"excluded" with `features`, else "negatives"',
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
