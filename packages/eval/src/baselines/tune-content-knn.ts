// Content KNN's weights by validation: how much each block of texts counts against the first.
import { EvaluationError } from "../error.js";
import { PAPER_METRICS } from "../metrics/names.js";
import { climb, WEIGHT_STEPS } from "./climb.js";
import { type ContentKnnOptions, contentKnn } from "./content-knn.js";
import { type EvaluateScorerOptions, evaluateScorer, type HistoryScorer } from "./history-scorer.js";

export interface TuneContentKnnOptions
  extends ContentKnnOptions,
    Pick<EvaluateScorerOptions, "history" | "heldOut" | "candidates" | "signal"> {
  /** Settings tried at most, at least 1; default 12. */
  readonly trials?: number;
}

/**
 * Chooses the weights of {@link contentKnn} by recall@20 + recall@40 + ndcg@100 on held-out items, doubling or halving
 * one at a time. The first block keeps its weight, since only the ratios matter. Deterministic.
 * @throws {EvaluationError} as {@link contentKnn} does, or for trials out of range; the signal's reason when it is
 *   aborted
 */
export async function tuneContentKnn(
  options: TuneContentKnnOptions,
): Promise<{ readonly scorer: HistoryScorer; readonly weights: readonly number[]; readonly trials: number }> {
  const { items, sideInformation, trials: limit = 12, ...protocol } = options;
  if (!(Number.isInteger(limit) && limit >= 1)) {
    throw new EvaluationError(`trials: found ${limit}, expected an integer of at least 1.`);
  }
  const known = new Map<string, { readonly selection: number }>();
  let kept:
    | { readonly scorer: HistoryScorer; readonly weights: readonly number[]; readonly selection: number }
    | undefined;
  const attempt = async (weights: readonly number[]) => {
    const key = JSON.stringify(weights);
    const found = known.get(key);
    if (found || known.size === limit) return found;
    const blocks = sideInformation.map((block, b) => ({ ...block, weight: weights[b]! }));
    const scorer = contentKnn({ items, sideInformation: blocks });
    const { metrics } = await evaluateScorer(scorer, protocol);
    const trial = { scorer, weights, selection: PAPER_METRICS.reduce((sum, name) => sum + metrics[name]!, 0) };
    if (!kept || trial.selection > kept.selection) kept = trial;
    known.set(key, trial);
    return trial;
  };
  const start = sideInformation.map(({ weight }) => weight);
  await climb(
    start,
    start.map((_, b) => (b === 0 ? [] : WEIGHT_STEPS)),
    attempt,
  );
  const { scorer, weights } = kept!;
  return { scorer, weights, trials: known.size };
}
