// The settings of pretraining, each declared once: types, configuration, flags and the README's table are made of this
// schema.
import { count, positiveInteger, runSettings, stageSettings } from "@cllm4rec/training/stage";
import { z } from "zod";

const stepsOrEpoch = z.union([positiveInteger, z.literal("epoch")]);

/** Settings that pretraining has for itself: the section `pretrain` of a configuration. */
export const pretrainSection = z.strictObject({
  warmUpEpochs: count.default(10).meta({
    description: "epochs over the texts before the alternation, without regulariser (Eq. 5)",
    unit: "epochs",
    paper: "10; 10",
  }),
  rounds: count.default(100).meta({
    description: "rounds of the alternation: L-steps (Eq. 7), then C-steps (Eq. 8)",
    unit: "rounds",
    paper: "100; 100",
  }),
  lSteps: stepsOrEpoch.default("epoch").meta({
    description: "L-steps in a round, or an epoch over the users",
    unit: "updates",
    paper: "alternately; epochs",
  }),
  cSteps: stepsOrEpoch.default("epoch").meta({
    description: "C-steps in a round, or an epoch over the texts",
    unit: "updates",
    paper: "alternately; epochs",
  }),
  ...stageSettings,
});

/** All settings of {@link pretrain}. */
export const pretrainSchema = z.strictObject({ ...runSettings, ...pretrainSection.shape });

/** Hyper-parameters; `undefined` means the default. The README has a table of them. */
export type PretrainSettings = z.input<typeof pretrainSchema>;
