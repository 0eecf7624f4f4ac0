// The model and the simple recommenders on one split, ranked in the same way, user by user comparable.

import type { Dataset } from "@cllm4rec/corpus";
import {
  compareRuns,
  confidenceIntervals,
  type EvaluationResult,
  evaluateScorer,
  type HistoryScorer,
  type Interval,
  type MetricComparison,
  type MetricName,
} from "@cllm4rec/eval";
import { type BlendMember, evaluate, type Predictor } from "@cllm4rec/recommend";
import type { EngineSettings } from "../engine/engine.js";
import { type EaseKind, fitEase, quickBaselines } from "../evaluation/baselines.js";
import { fitContentKnn } from "../evaluation/content-knn.js";
import type { Protocol } from "../evaluation/protocol.js";
import type { StageDisplay } from "../progress.js";

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

/** EASE is fitted to at most so many items: the time of a fit grows with their cube, and here it is seconds. */
export const EASE_ITEMS = 2500;
/** Fits of EASE, and as many of EASE with text, by which its settings are chosen on validation. */
export const EASE_TRIALS = 6;

/** One recommender's figures. */
export interface Measured {
  readonly name: string;
  /** The name without settings, for plots; absent where the name is short. */
  readonly label?: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** 95% bootstrap over users; metrics of all lists together have none. */
  readonly intervals: Readonly<Record<string, Interval>>;
}

export interface Measurement {
  readonly users: number;
  readonly usersWithoutHeldOut: number;
  readonly model: Measured;
  /** Of the blend that answers; empty where the model answers alone. */
  readonly members: readonly BlendMember[];
  /** Whether EASE is left out, since there are more than {@link EASE_ITEMS} items. */
  readonly withoutEase: boolean;
  readonly baselines: readonly (Measured & {
    /** The model against it, by metric; nothing where there is one user only, from whom no test can tell. */
    readonly comparison: Readonly<Record<string, MetricComparison>>;
    /** Whether it is a part of the model itself: a blend's model alone. */
    readonly ownPart?: boolean;
  })[];
}

/**
 * The model as it answers, a blend's model alone, the quick baselines, and EASE with and without the dataset's texts
 * where the items are few.
 */
export async function measure(
  predictor: Predictor,
  protocol: Protocol,
  dataset: Dataset,
  {
    engine,
    signal,
    display,
  }: { readonly engine: EngineSettings; readonly signal: AbortSignal; readonly display: StageDisplay },
): Promise<Measurement> {
  const { history, heldOut } = protocol;
  display.start(`ranking ${history.columns} items for each user`);
  const result = await evaluate({ ...predictor, history, heldOut, metrics: REPORTED, signal });
  const compared = (theirs: EvaluationResult) => (result.users > 1 ? compareRuns(result, theirs) : {});
  const baselines: Measurement["baselines"][number][] = [];
  const { blend, ...alone } = predictor;
  if (blend) {
    const theirs = await evaluate({ ...alone, history, heldOut, metrics: REPORTED, signal });
    baselines.push({ ...measured("this model alone", theirs), comparison: compared(theirs), ownPart: true });
  }
  const methods: { readonly scorer: HistoryScorer; readonly method?: EaseKind | "content knn" }[] = quickBaselines(
    protocol,
  ).map((scorer) => ({ scorer }));
  const content = await fitContentKnn(dataset, protocol, { signal });
  if (content) methods.push(content);
  const withoutEase = history.columns > EASE_ITEMS;
  if (!withoutEase) {
    methods.push(...(await fitEase(dataset, protocol, { trials: EASE_TRIALS, engine, signal, display })));
  }
  for (const { scorer, method } of methods) {
    display.start(`ranking by ${scorer.name}`);
    const theirs = await evaluateScorer(scorer, { history, heldOut, metrics: REPORTED, signal });
    baselines.push({
      ...measured(scorer.name, theirs),
      ...(method && { label: method.replace("ease", "EASE") }),
      comparison: compared(theirs),
    });
  }
  display.stop();
  const { users, usersWithoutHeldOut } = result;
  return {
    users,
    usersWithoutHeldOut,
    model: measured(blend ? "this model, blended" : "this model", result),
    members: blend?.members ?? [],
    withoutEase,
    baselines,
  };
}

const measured = (name: string, result: EvaluationResult): Measured => ({
  name,
  metrics: result.metrics,
  intervals: confidenceIntervals(result),
});
