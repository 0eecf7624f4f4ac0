// EASE's settings by validation: a search along one setting after another, in factors of two.
import { EvaluationError } from "../error.js";
import type { ItemLists } from "../item-lists.js";
import { PAPER_METRICS } from "../metrics/names.js";
import { type EaseOptions, ease } from "./ease.js";
import { evaluateScorer, type LinearScorer } from "./history-scorer.js";
import type { SideInformation } from "./side-information.js";

export interface TuneEaseOptions extends Omit<EaseOptions, "onProgress"> {
  /** [I] what is to be found: the validation items. What the model is fitted to is the history, and masked. */
  readonly heldOut: ItemLists;
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

/** Below this weight a block is tried at 0, and no further down. */
const LEAST_WEIGHT = 0.25;

/**
 * Chooses λ and the weights of side information on validation. It starts from the options' values and doubles or halves one setting at
 * a time while that helps, until no step helps or the trials are used up. Deterministic.
 * @throws {EvaluationError} as {@link ease} does, or for trials out of range; the signal's reason when it is aborted
 */
export async function tuneEase(training: ItemLists, options: TuneEaseOptions): Promise<TunedEase> {
  const { heldOut, trials: limit = 20, tuneLambda = true, onTrial, ...fixed } = options;
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
    const { metrics } = await evaluateScorer(scorer, { history: training, heldOut, ...(signal && { signal }) });
    const selection = PAPER_METRICS.reduce((sum, name) => sum + metrics[name]!, 0);
    const trial = { lambda: value!, weights, selection };
    if (!kept || selection > kept.trial.selection) kept = { scorer, trial };
    known.set(key, trial);
    trials.push(trial);
    onTrial?.(trial, trials.length, limit);
    return trial;
  };

  let at: number[] = [lambda, ...sideInformation.map(({ weight }) => weight)];
  let best = await attempt(at);
  const axes = at.map((_, axis) => axis).filter((axis) => axis > 0 || tuneLambda);
  for (let improved = true; improved && best; ) {
    improved = false;
    for (const axis of [...axes].reverse()) {
      for (const step of [up, axis === 0 ? halve : down]) {
        let moved = false;
        for (;;) {
          const value = step(at[axis]!);
          const next = at.with(axis, value);
          const trial: EaseTrial | undefined = value === at[axis] ? undefined : await attempt(next);
          if (!trial || trial.selection <= best.selection) break;
          best = trial;
          at = next;
          moved = true;
        }
        if (!moved) continue;
        improved = true;
        break;
      }
    }
  }
  const { scorer, trial } = kept!;
  return { scorer, best: trial, trials };
}

const up = (value: number): number => (value === 0 ? LEAST_WEIGHT : value * 2);
const halve = (value: number): number => value / 2;
const down = (value: number): number => (value <= LEAST_WEIGHT ? 0 : value / 2);
