// What follows from the scale of the frozen vocabulary by default: the initial embeddings' deviation and the
// learning rates.
import type { Backbone } from "@cllm4rec/backbone";
import type { LearningRate } from "../optimiser/schedule.js";

/** Of the vocabulary's deviation, the initial embeddings' one; the trial with T5 in benchmarks/README.md says why. */
export const PRIOR_SHARE = 0.1;
/** Of the initial embeddings' deviation, an update of Adam: the default learning rates. */
export const RATE_SHARES = {
  /** As in the runs of docs/results.md. */
  collaborative: 0.03,
  /** The text map's, and the collaborative one with a text map, which moves many rows at once; from Amazon Beauty. */
  textMap: 0.003,
  /** Larger, since a user's or item's texts are few, and each moves its row once an epoch. */
  content: 0.2,
} as const;

/** Learning rates of the two sides. */
export interface Rates {
  readonly learningRate: number | LearningRate;
  readonly contentLearningRate: number | LearningRate;
  /** Of the text map's weights. */
  readonly textMapLearningRate: number | LearningRate;
}

/** λ_l as given; without it the paper's 0, and with a text map what did best on Amazon Beauty. */
export function lambdaLOf(given: number | undefined, { textMap = false }: { readonly textMap?: boolean } = {}): number {
  return given ?? (textMap ? 0.3 : 0);
}

/** p_m as given; without it a range, which with a text map has longer targets: its embeddings learn from more pairs. */
export function maskedShareOf<S>(
  given: S | undefined,
  { textMap = false }: { readonly textMap?: boolean } = {},
): S | readonly [number, number] {
  return given ?? (textMap ? [0.4, 0.9] : [0.2, 0.8]);
}

/** Standard deviation of the initial embeddings: as given, or a tenth of that of the backbone's vocabulary. */
export async function priorDeviationOf(
  backbone: Pick<Backbone, "vocabularyDeviation">,
  given: number | undefined,
): Promise<number> {
  return given ?? PRIOR_SHARE * (await backbone.vocabularyDeviation());
}

/** Standard deviation of content around collaborative embeddings; what comes from texts, both have in common. */
export function contentDeviationOf(priorDeviation: number, textShare: number, given: number | undefined): number {
  return given ?? priorDeviation * Math.sqrt(1 - textShare);
}

/** The learning rates that are given, and for the others those that fit the embeddings' scale. */
export function ratesOf(
  priorDeviation: number,
  given: { readonly [R in keyof Rates]?: Rates[R] | undefined },
  { textMap = false }: { readonly textMap?: boolean } = {},
): Rates {
  const scale = priorDeviation || 1;
  return {
    learningRate: given.learningRate ?? (textMap ? RATE_SHARES.textMap : RATE_SHARES.collaborative) * scale,
    contentLearningRate: given.contentLearningRate ?? RATE_SHARES.content * scale,
    textMapLearningRate: given.textMapLearningRate ?? RATE_SHARES.textMap * scale,
  };
}
