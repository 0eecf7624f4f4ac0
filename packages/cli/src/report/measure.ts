// The model and the simple recommenders on one split, ranked in the same way, user by user comparable.
import {
  compareRuns,
  confidenceIntervals,
  type EvaluationResult,
  evaluateScorer,
  type Interval,
  type MetricComparison,
  type MetricName,
} from "@cllm4rec/eval";
import { evaluate, type Predictor } from "@cllm4rec/recommend";
import type { StageDisplay } from "../progress.js";
import { quickBaselines } from "../run/baselines.js";
import type { Protocol } from "../run/protocol.js";

/** The paper's first; recall-all divides by all held-out items. */
export const REPORTED: readonly MetricName[] = [
  "recall@20",
  "recall@40",
  "ndcg@100",
  "recall-all@20",
  "recall-all@40",
  "mrr",
  "coverage@20",
];

/** One recommender's figures. */
export interface Measured {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** 95% bootstrap over users; metrics of all lists together have none. */
  readonly intervals: Readonly<Record<string, Interval>>;
}

export interface Measurement {
  readonly users: number;
  readonly usersWithoutHeldOut: number;
  readonly model: Measured;
  readonly baselines: readonly (Measured & {
    /** The model against it, by metric; nothing where there is one user only, from whom no test can tell. */
    readonly comparison: Readonly<Record<string, MetricComparison>>;
  })[];
}

export async function measure(
  predictor: Predictor,
  protocol: Protocol,
  { signal, display }: { readonly signal: AbortSignal; readonly display: StageDisplay },
): Promise<Measurement> {
  const { history, heldOut } = protocol;
  display.start(`ranking ${history.columns} items for each user`);
  const result = await evaluate({ ...predictor, history, heldOut, metrics: REPORTED, signal });
  display.start("ranking by popularity and item KNN");
  const baselines: Measurement["baselines"][number][] = [];
  for (const scorer of quickBaselines(protocol)) {
    const theirs = await evaluateScorer(scorer, { history, heldOut, metrics: REPORTED, signal });
    baselines.push({
      ...measured(scorer.name, theirs),
      comparison: result.users > 1 ? compareRuns(result, theirs) : {},
    });
  }
  display.stop();
  const { users, usersWithoutHeldOut } = result;
  return { users, usersWithoutHeldOut, model: measured("this model", result), baselines };
}

const measured = (name: string, result: EvaluationResult): Measured => ({
  name,
  metrics: result.metrics,
  intervals: confidenceIntervals(result),
});
