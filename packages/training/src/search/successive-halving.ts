// Successive halving: many candidates with little training each, the best ones with more. It resumes from its trials.

import type { JsonRecord } from "../checkpoint/checkpoint.js";
import type { Candidate } from "./candidates.js";

/** What a candidate reached. */
export interface Measured {
  /** On validation, higher is better; `null`: it cannot be trained, as where its loss is not finite. */
  readonly score: number | null;
  /** What else is worth a place in the record: metrics, seconds, a message. */
  readonly details?: JsonRecord;
}

/** One candidate at one budget. */
export interface Trial extends Measured {
  readonly candidate: number;
  readonly settings: JsonRecord;
  /** What it was trained for in all, e.g. epochs. */
  readonly budget: number;
}

export interface SearchOptions {
  readonly candidates: readonly Candidate[];
  /** Of the rungs, ascending, e.g. epochs: `[1, 3, 9]`. */
  readonly budgets: readonly number[];
  /** The share of a rung that reaches the next one is 1 / `reduction`, rounded up. */
  readonly reduction: number;
  /** Trains a candidate up to a budget in all. The training of an earlier rung is there to resume from. */
  readonly evaluate: (candidate: Candidate, budget: number) => Promise<Measured | undefined>;
  /** Trials of an earlier run of the same search; they are not evaluated again. */
  readonly trials?: readonly Trial[] | undefined;
  /** Called after each new trial, e.g. to store all of them. */
  readonly onTrial?: ((trial: Trial, trials: readonly Trial[]) => unknown) | undefined;
}

export interface SearchResult {
  /** In the order in which they were evaluated. */
  readonly trials: readonly Trial[];
  /** The one with the highest score, the first of equals; `undefined` where no candidate has a score. */
  readonly best: Trial | undefined;
  /** `false`: `evaluate` ended the search before its last trial. */
  readonly complete: boolean;
}

/**
 * The budgets of the rungs: the largest, and each one before it smaller by `reduction`, rounded up.
 * `{ largest: 27, reduction: 3, rungs: 3 }` → `[3, 9, 27]`. Equal budgets are one rung.
 */
export function searchBudgets({
  largest,
  reduction,
  rungs,
}: {
  readonly largest: number;
  readonly reduction: number;
  readonly rungs: number;
}): number[] {
  const budgets = Array.from({ length: rungs }, (_, r) => Math.ceil(largest / reduction ** (rungs - 1 - r)));
  return [...new Set(budgets)];
}

/**
 * Successive halving (Jamieson and Talwalkar 2016). Every candidate is evaluated at the first budget, the best of them
 * at the second, and so on. The best trial is taken from all rungs, so a search that is cut short has a result.
 *
 * `evaluate` returns `undefined` to end the search, as where time is up: the trial is not recorded, and the next call
 * begins with it. The order of trials depends on scores alone, so a search that was stopped and resumed makes the same
 * trials as one that was not.
 */
export async function successiveHalving(options: SearchOptions): Promise<SearchResult> {
  const { budgets, reduction, evaluate, onTrial } = options;
  const trials = [...(options.trials ?? [])];
  let rung = options.candidates;
  for (const budget of budgets) {
    const scored: Trial[] = [];
    for (const candidate of rung) {
      let trial = trials.find((one) => one.candidate === candidate.number && one.budget === budget);
      if (!trial) {
        const measured = await evaluate(candidate, budget);
        if (!measured) return { trials, best: bestOf(trials), complete: false };
        trial = { candidate: candidate.number, settings: candidate.settings, budget, ...measured };
        trials.push(trial);
        await onTrial?.(trial, trials);
      }
      scored.push(trial);
    }
    const survivors = new Set(
      scored
        .filter(({ score }) => isScore(score))
        .sort((a, b) => b.score! - a.score! || a.candidate - b.candidate)
        .slice(0, Math.ceil(rung.length / reduction))
        .map(({ candidate }) => candidate),
    );
    rung = rung.filter(({ number }) => survivors.has(number));
  }
  return { trials, best: bestOf(trials), complete: true };
}

function bestOf(trials: readonly Trial[]): Trial | undefined {
  let best: Trial | undefined;
  for (const trial of trials) if (isScore(trial.score) && (!best || trial.score > best.score!)) best = trial;
  return best;
}

const isScore = (score: number | null): score is number => score !== null && !Number.isNaN(score);
