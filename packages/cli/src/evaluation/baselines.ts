// The simple recommenders that a model has to beat: quick ones, and EASE with and without the items' texts.
import type { Dataset } from "@cllm4rec/corpus";
import { type HistoryScorer, type ItemKnnOptions, itemKnn, mostPopular } from "@cllm4rec/eval";
import { type FittedEase, fitEase as fit } from "@cllm4rec/recommend/blend";
import type { EngineSettings } from "../engine/engine.js";
import { openProduct } from "../engine/product.js";
import type { StageDisplay } from "../progress.js";
import type { Protocol } from "./protocol.js";

export { defaultTrials, type EaseKind, type FittedEase, itemTextBlocks } from "@cllm4rec/recommend/blend";

/**
 * Popularity and item KNN, as in the textbook and with shrunk similarities unless `knn` says how: what takes seconds.
 */
export function quickBaselines(
  { train }: Pick<Protocol, "train">,
  knn: readonly Omit<ItemKnnOptions, "items">[] = [{}, { shrinkage: 10 }],
): HistoryScorer[] {
  const items = train.columns;
  return [mostPopular(train, { items }), ...knn.map((options) => itemKnn(train, { items, ...options }))];
}

export interface FitEaseOptions {
  /** The L2 weight; absent: chosen on validation. */
  readonly lambda?: number | undefined;
  /** Fits at most for each kind; default by the number of items. */
  readonly trials?: number | undefined;
  readonly engine: EngineSettings;
  readonly signal: AbortSignal;
  readonly display: StageDisplay;
}

/**
 * EASE and, where the dataset has texts, EASE with text, with the engine's matrix products: see `fitEase` of
 * `@cllm4rec/recommend/blend`.
 */
export async function fitEase(
  dataset: Dataset,
  { train }: Pick<Protocol, "train">,
  { lambda, trials, engine, signal, display }: FitEaseOptions,
): Promise<FittedEase[]> {
  const { multiply, dispose } = await openProduct(engine, { say: (line) => display.say(line), signal });
  let current: string | undefined;
  try {
    return await fit(dataset, {
      lambda,
      trials,
      multiply,
      signal,
      onProgress(kind, share) {
        if (kind !== current)
          display.start(`fitting ${kind.replace("ease", "EASE")}: inverting a matrix of ${train.columns} items`);
        current = kind;
        display.update(share);
      },
    });
  } finally {
    await dispose();
  }
}
