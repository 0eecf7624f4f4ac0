// Cold items in evaluate and baselines: what is ranked, EASE for them, and the figures as JSON and text.
import { type Dataset, uniteHistories } from "@cllm4rec/corpus";
import {
  confidenceIntervals,
  type EvaluationResult,
  formatResult,
  type HistoryScorer,
  toJson,
  tuneColdEase,
} from "@cllm4rec/eval";
import type { ColdProtocol, RankingView } from "@cllm4rec/recommend";
import { openProduct } from "../engine/product.js";
import { defaultTrials, type FitEaseOptions, itemTextBlocks } from "./baselines.js";
import type { Protocol } from "./protocol.js";

/** The rankings in which cold items are to be found: their names in JSON, and in tables. */
const VIEWS = {
  amongCold: "cold items among themselves",
  amongAll: "cold items among all items",
  together: "warm and cold test items among all items",
} as const;
export type ColdView = keyof typeof VIEWS;

/** The views of a dataset's cold items, in the order of {@link VIEWS}. */
export function coldViews(
  { heldOut: warm }: Pick<Protocol, "heldOut">,
  { heldOut, items }: ColdProtocol,
): Record<ColdView, RankingView> {
  return {
    amongCold: { heldOut, candidates: items },
    amongAll: { heldOut },
    together: { heldOut: uniteHistories(warm, heldOut) },
  };
}

/** A result for each view, which {@link coldViews} names. */
export type ColdResults = Readonly<Record<ColdView, EvaluationResult>>;

/** Calls `measure` for each view, in their order. */
export async function eachView<T>(
  views: Record<ColdView, RankingView>,
  measure: (view: RankingView, name: ColdView) => Promise<T> | T,
): Promise<Record<ColdView, T>> {
  const { amongCold, amongAll, together } = views;
  return {
    amongCold: await measure(amongCold, "amongCold"),
    amongAll: await measure(amongAll, "amongAll"),
    together: await measure(together, "together"),
  };
}

/** `{"amongCold": {users, metrics, intervals}, "amongAll": …, "together": …}` */
export function coldJson(results: ColdResults): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(results).map(([name, result]) => [
      name,
      toJson(result, { intervals: confidenceIntervals(result, { seed: 0 }) }),
    ]),
  );
}

/** What JSON says of the cold items themselves. */
export const coldFacts = ({ items, usersWithoutHistory }: ColdProtocol) => ({
  items: items.length,
  usersWithoutHistory,
});

/** A heading and the metrics of each view, without a line end at the end. */
export function coldText(results: ColdResults): string {
  return Object.entries(VIEWS)
    .map(([name, heading]) => {
      const result = results[name as ColdView];
      const [, ...lines] = formatResult(result, { intervals: confidenceIntervals(result, { seed: 0 }) }).split("\n");
      return [`${heading}, ${result.users} users:`, ...lines.map((line) => `  ${line}`)].join("\n");
    })
    .join("\n");
}

export interface FittedColdEase {
  readonly method: "ease with text for cold items";
  readonly scorer: HistoryScorer;
  readonly settings: {
    readonly lambda: number;
    readonly weights: Readonly<Record<string, number>>;
    readonly factor: number;
    readonly trials: number;
  };
}

/** EASE with text, its settings chosen for cold items: on a fifth of the other items, taken out of training. */
export async function fitColdEase(
  dataset: Dataset,
  { train }: Pick<Protocol, "train">,
  cold: ColdProtocol,
  { lambda, trials = defaultTrials(train.columns), engine, signal, display }: FitEaseOptions,
): Promise<FittedColdEase> {
  const items = train.columns;
  const sideInformation = await itemTextBlocks(dataset);
  const heldOut = await dataset.interactions("validation");
  const { multiply, dispose } = await openProduct(engine, { say: (line) => display.say(line), signal });
  try {
    display.start(`fitting EASE with text for cold items: inverting a matrix of ${items} items`);
    const tuned = await tuneColdEase(train, {
      ...{ items, sideInformation, heldOut, cold: cold.items, trials, multiply, signal },
      ...(lambda !== undefined && { lambda, tuneLambda: false }),
      onTrial: (_, done) => display.update(done / (trials + 1)),
    });
    const { best, factor, scorer } = tuned;
    const name = scorer.name.replace("EASE with text", "EASE with text for cold items");
    const weights = Object.fromEntries(sideInformation.map((block, b) => [block.name, best.weights[b]!]));
    const settings = { lambda: best.lambda, weights, factor, trials: tuned.trials.length };
    return { method: "ease with text for cold items", scorer: { ...scorer, name }, settings };
  } finally {
    await dispose();
  }
}
