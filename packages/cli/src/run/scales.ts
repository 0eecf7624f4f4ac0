// Embedding scale and rates per backbone: what the configuration leaves open follows from the frozen vocabulary's own scale.
import type { Backbone } from "@cllm4rec/backbone";
import type { LearningRate } from "@cllm4rec/training";
import type { RunConfig, StageName } from "./config.js";

/** Of the deviation of the vocabulary's embeddings, the initial embeddings' one; measured in docs/results.md. */
const PRIOR_SHARE = 0.1;
/** Of the initial embeddings' deviation, a content update: a user's or item's texts are few, and each moves its row once an epoch. */
const CONTENT_RATE_SHARE = 0.2;

/** What depends on the scale of a backbone's embeddings. */
export interface Scales {
  /** Standard deviations of Eq. 1 and Eq. 2. */
  readonly priorDeviation: number;
  readonly contentDeviation: number;
  readonly contentLearningRate: Readonly<Record<StageName, number | LearningRate>>;
}

/** The configuration's scales, and those of the backbone where it names none. */
export async function embeddingScales(config: RunConfig, backbone: Backbone): Promise<Scales> {
  const priorDeviation = config.priorDeviation ?? PRIOR_SHARE * (await backbone.vocabularyDeviation());
  const rate = (stage: StageName) => config[stage].contentLearningRate ?? CONTENT_RATE_SHARE * (priorDeviation || 1);
  return {
    priorDeviation,
    // What comes from texts, both tables have in common.
    contentDeviation: config.contentDeviation ?? priorDeviation * Math.sqrt(1 - config.textShare),
    contentLearningRate: { pretrain: rate("pretrain"), finetune: rate("finetune") },
  };
}
