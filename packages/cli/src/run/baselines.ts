// The simple recommenders that a model has to beat: quick ones for every report, and EASE for those who have a minute.
import { ease, type HistoryScorer, type ItemKnnOptions, itemKnn, mostPopular } from "@cllm4rec/eval";
import type { StageDisplay } from "../progress.js";
import type { EngineSettings } from "./engine.js";
import { openProduct } from "./product.js";
import type { Protocol } from "./protocol.js";

/** Popularity and item KNN, as in the textbook and with shrunk similarities unless `knn` says how: what takes seconds. */
export function quickBaselines(
  { train }: Pick<Protocol, "train">,
  knn: readonly Omit<ItemKnnOptions, "items">[] = [{}, { shrinkage: 10 }],
): HistoryScorer[] {
  const items = train.columns;
  return [mostPopular(train, { items }), ...knn.map((options) => itemKnn(train, { items, ...options }))];
}

/** EASE, with the engine's matrix products. */
export async function fitEase(
  { train }: Pick<Protocol, "train">,
  lambda: number,
  { engine, signal, display }: { engine: EngineSettings; signal: AbortSignal; display: StageDisplay },
): Promise<HistoryScorer> {
  const { multiply, dispose } = await openProduct(engine, { say: (line) => display.say(line), signal });
  display.start(`fitting EASE: inverting a matrix of ${train.columns} items`);
  try {
    return await ease(train, {
      items: train.columns,
      lambda,
      multiply,
      signal,
      onProgress: (share) => display.update(share),
    });
  } finally {
    await dispose();
  }
}
