// EASE's settings by validation: a search along one setting after another, in factors of two.
import { EvaluationError } from "../error.js";
import type { ItemLists } from "../item-lists.js";
import { PAPER_METRICS } from "../metrics/names.js";
import { climb, LAMBDA_STEPS, WEIGHT_STEPS } from "./climb.js";
import { type EaseOptions, ease } from "./ease.js";
import { evaluateScorer, type LinearScorer } from "./history-scorer.js";
import type { SideInformation } from "./side-information.js";

export interface TuneEaseOptions extends Omit<EaseOptions, "onProgress"> {
  /** [I] what is to be found: the validation items. What the model is fitted to is the history, and masked. */
  readonly heldOut: ItemLists;
  /**
   * The only items that are ranked; for cold items, those that `holdOutItems` took out of the training data. Default:
   * all.
   */
  readonly candidates?: ArrayLike<number>;
  /** Fits at most, at least 1; default 20. */
  readonly trials?: number;
  /** False: λ stays as given. Default true. */
  readonly tuneLambda?: boolean;
  /** After each fit: how many are done, of how many at most. */
  readonly onTrial?: (trial: EaseTrial, done: number, trials: number) => void;
}

/** One fit of the search. */
export interface EaseTrial {
  readonly lambda: number;
  /** The weights of the blocks of side information, in their order. */
  readonly weights: readonly number[];
  /** recall@20 + recall@40 + ndcg@100 on validation, the paper's criterion. */
  readonly selection: number;
}

export interface TunedEase {
  /** The best scorer, fitted to the training items. */
  readonly scorer: LinearScorer;
  readonly best: EaseTrial;
  /** Every fit, in order. */
  readonly trials: readonly EaseTrial[];
}

/**
 * Chooses λ and the weights of side information on validation. It starts from the options' values and doubles or halves
 * one setting at a time while that helps, until no step helps or the trials are used up. Deterministic.
 * @throws {EvaluationError} as {@link ease} does, or for trials out of range; the signal's reason when it is aborted
 */
export async function tuneEase(training: ItemLists, options: TuneEaseOptions): Promise<TunedEase> {
  const { heldOut, candidates, trials: limit = 20, tuneLambda = true, onTrial, ...fixed } = options;
  const { lambda = 200, sideInformation = [], signal } = fixed;
  if (!(Number.isInteger(limit) && limit >= 1)) {
    throw new EvaluationError(`trials: found ${limit}, expected an integer of at least 1.`);
  }
  const trials: EaseTrial[] = [];
  const known = new Map<string, EaseTrial>();
  let kept: { readonly scorer: LinearScorer; readonly trial: EaseTrial } | undefined;
  const blocks = (weights: readonly number[]): SideInformation[] =>
    sideInformation.map((block, b) => ({ ...block, weight: weights[b]! }));

  /** The trial of a setting, fitted unless it was; `undefined` where no trial is left. */
  const attempt = async ([value, ...weights]: readonly number[]): Promise<EaseTrial | undefined> => {
    const key = JSON.stringify([value, weights]);
    const found = known.get(key);
    if (found || trials.length === limit) return found;
    signal?.throwIfAborted();
    const scorer = await ease(training, { ...fixed, lambda: value!, sideInformation: blocks(weights) });
    const common = { ...(candidates && { candidates }), ...(signal && { signal }) };
    const { metrics } = await evaluateScorer(scorer, { history: training, heldOut, ...common });
    const selection = PAPER_METRICS.reduce((sum, name) => sum + metrics[name]!, 0);
    const trial = { lambda: value!, weights, selection };
    if (!kept || selection > kept.trial.selection) kept = { scorer, trial };
    known.set(key, trial);
    trials.push(trial);
    onTrial?.(trial, trials.length, limit);
    return trial;
  };

  const start = [lambda, ...sideInformation.map(({ weight }) => weight)];
  const axes = start.map((_, axis) => (axis === 0 ? LAMBDA_STEPS : WEIGHT_STEPS));
  await climb(start, tuneLambda ? axes : axes.with(0, []), attempt);
  const { scorer, trial } = kept!;
  return { scorer, best: trial, trials };
}
