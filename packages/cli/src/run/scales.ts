// What the configuration leaves open and follows from what a run works with: scale and rates from the frozen vocabulary, the start from the texts.
import type { Backbone } from "@cllm4rec/backbone";
import type { LearningRate } from "@cllm4rec/training";
import type { RunConfig } from "./config.js";

/** Of the deviation of the vocabulary's embeddings, the initial embeddings' one; the trial with T5 in benchmarks/README.md says why. */
const PRIOR_SHARE = 0.1;
/** Of the initial embeddings' deviation, an update of Adam, as in the runs of docs/results.md. */
const RATE_SHARE = 0.03;
/** The same of a content update: a user's or item's texts are few, and each moves its row once an epoch. */
const CONTENT_RATE_SHARE = 0.2;

type Rates = { readonly learningRate: number | LearningRate; readonly contentLearningRate: number | LearningRate };

/** A configuration in which nothing is open. */
export type SettledConfig = RunConfig & {
  readonly textShare: number;
  /** Standard deviations of Eq. 1 and Eq. 2. */
  readonly priorDeviation: number;
  readonly contentDeviation: number;
  readonly pretrain: Rates;
  readonly finetune: Rates;
};

/**
 * The configuration with what it leaves open filled in.
 * @param run.learnsFromTexts whether the run learns content from texts, so that it may as well begin with them
 */
export async function settle(
  config: RunConfig,
  backbone: Backbone,
  { learnsFromTexts }: { readonly learnsFromTexts: boolean },
): Promise<SettledConfig> {
  const priorDeviation = config.priorDeviation ?? PRIOR_SHARE * (await backbone.vocabularyDeviation());
  const textShare = config.textShare ?? (learnsFromTexts ? 1 : 0);
  const scale = priorDeviation || 1;
  const rates = { learningRate: RATE_SHARE * scale, contentLearningRate: CONTENT_RATE_SHARE * scale };
  return {
    ...config,
    textShare,
    priorDeviation,
    // What comes from texts, both tables have in common.
    contentDeviation: config.contentDeviation ?? priorDeviation * Math.sqrt(1 - textShare),
    pretrain: { ...rates, ...config.pretrain },
    finetune: { ...rates, ...config.finetune },
  };
}
