// What the configuration leaves open and follows from what a run works with: scale and rates from the frozen
// vocabulary, the start from the texts.
import type { Backbone } from "@cllm4rec/backbone";
import {
  contentDeviationOf,
  lambdaLOf,
  maskedShareOf,
  priorDeviationOf,
  type Rates,
  ratesOf,
} from "@cllm4rec/training/stage";
import type { RunConfig } from "../settings/config.js";

/** On Amazon Beauty better than the paper's sentence, and half the cost (docs/results.md). */
const SHORT_PROMPT = "{history}:";

/** A configuration in which nothing is open. */
export type ResolvedConfig = RunConfig & {
  readonly textShare: number;
  /** Standard deviations of Eq. 1 and Eq. 2. */
  readonly priorDeviation: number;
  readonly contentDeviation: number;
  readonly pretrain: Rates;
  readonly finetune: Rates;
};

/**
 * The configuration with what it leaves open filled in, by the rules of `@cllm4rec/training`.
 * @param run.features whether items have text features that a map is learned on
 * @param run.learnsFromTexts whether the run learns content from texts, so that it may as well begin with them
 */
export async function resolveConfig(
  config: RunConfig,
  backbone: Backbone,
  { learnsFromTexts, features }: { readonly learnsFromTexts: boolean; readonly features: boolean },
): Promise<ResolvedConfig> {
  const priorDeviation = await priorDeviationOf(backbone, config.priorDeviation);
  const textShare = config.textShare ?? (learnsFromTexts ? 1 : 0);
  const skip = config.method === "text-map" ? ("auto" as const) : 0;
  return {
    ...config,
    prompts: config.method === "text-map" ? { historyOnly: SHORT_PROMPT, ...config.prompts } : config.prompts,
    textShare,
    priorDeviation,
    contentDeviation: contentDeviationOf(priorDeviation, textShare, config.contentDeviation),
    pretrain: {
      ...config.pretrain,
      ...ratesOf(priorDeviation, config.pretrain),
      lambdaL: lambdaLOf(config.pretrain.lambdaL),
    },
    finetune: {
      ...config.finetune,
      ...ratesOf(priorDeviation, config.finetune, { textMap: features }),
      lambdaL: lambdaLOf(config.finetune.lambdaL, { textMap: features }),
      maskedShare: maskedShareOf(config.finetune.maskedShare, { textMap: features }),
      skipGain: config.finetune.skipGain ?? skip,
    },
  };
}
