// The simple recommenders that a model has to beat: quick ones, and EASE with and without the items' texts.
import { type Dataset, wordFeatures } from "@cllm4rec/corpus";
import {
  ease,
  type HistoryScorer,
  type ItemKnnOptions,
  itemKnn,
  mostPopular,
  type SideInformation,
  tuneEase,
} from "@cllm4rec/eval";
import type { EngineSettings } from "../engine/engine.js";
import { openProduct } from "../engine/product.js";
import type { StageDisplay } from "../progress.js";
import type { Protocol } from "./protocol.js";

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

/** EASE alone, or with the dataset's item texts as side information. */
export type EaseKind = "ease" | "ease with text";

export interface FittedEase {
  readonly method: EaseKind;
  readonly scorer: HistoryScorer;
  /** What was chosen, and by how many fits. */
  readonly settings: {
    readonly lambda: number;
    readonly weights: Readonly<Record<string, number>>;
    readonly trials: number;
  };
}

export interface FitEaseOptions {
  /** The L2 weight; absent: chosen on validation. */
  readonly lambda?: number | undefined;
  /**
   * Fits at most for each kind; default by {@link defaultTrials}. 1: nothing is chosen, λ is 200 and each block has its
   * first weight.
   */
  readonly trials?: number | undefined;
  readonly engine: EngineSettings;
  readonly signal: AbortSignal;
  readonly display: StageDisplay;
}

/** Fits that take about two minutes on two cores: their cost grows with the cube of the items. */
export function defaultTrials(items: number): number {
  return Math.max(1, Math.min(24, Math.round(4e12 / items ** 3)));
}

/**
 * EASE and, where the dataset has texts of items or reviews, EASE with text, with the engine's matrix products. λ and
 * the weights of the texts are chosen on the validation items; without any, λ is 200 and the weights are the first
 * ones.
 */
export async function fitEase(
  dataset: Dataset,
  { train }: Pick<Protocol, "train">,
  { lambda, trials = defaultTrials(train.columns), engine, signal, display }: FitEaseOptions,
): Promise<FittedEase[]> {
  const items = train.columns;
  const heldOut = await dataset.interactions("validation");
  const limit = heldOut.indices.length > 0 ? trials : 1;
  const sideInformation = await itemTextBlocks(dataset);
  const { multiply, dispose } = await openProduct(engine, { say: (line) => display.say(line), signal });
  try {
    const fitted: FittedEase[] = [];
    for (const method of ["ease", "ease with text"] as const) {
      const blocks = method === "ease" ? [] : sideInformation;
      if (method === "ease with text" && blocks.length === 0) continue;
      const fixed = { items, sideInformation: blocks, multiply, signal, ...(lambda !== undefined && { lambda }) };
      const weightsOf = (weights: readonly number[]) =>
        Object.fromEntries(blocks.map(({ name }, b) => [name, weights[b]!]));
      display.start(`fitting ${method.replace("ease", "EASE")}: inverting a matrix of ${items} items`);
      if (limit === 1) {
        const scorer = await ease(train, { ...fixed, onProgress: (share) => display.update(share) });
        const weights = weightsOf(blocks.map(({ weight }) => weight));
        fitted.push({ method, scorer, settings: { lambda: lambda ?? 200, weights, trials: 1 } });
        continue;
      }
      const { scorer, best, trials } = await tuneEase(train, {
        ...fixed,
        heldOut,
        trials: limit,
        tuneLambda: lambda === undefined,
        onTrial: (_, done) => display.update(done / limit),
      });
      const settings = { lambda: best.lambda, weights: weightsOf(best.weights), trials: trials.length };
      fitted.push({ method, scorer, settings });
    }
    return fitted;
  } finally {
    await dispose();
  }
}

/** tf-idf words of the items' titles, of their other texts, and of their training reviews, with the weights that a search starts from. */
export async function itemTextBlocks(dataset: Dataset): Promise<SideInformation[]> {
  const reviews: string[][] = Array.from({ length: dataset.items }, () => []);
  for await (const { item, text } of dataset.trainReviews()) reviews[item]!.push(text);
  const kinds = [
    { name: "titles", weight: 4, texts: await dataset.itemTitles() },
    { name: "item texts", weight: 2, texts: await dataset.itemTexts() },
    { name: "reviews", weight: 1, texts: reviews.map((texts) => (texts.length > 0 ? texts.join("\n") : null)) },
  ];
  return kinds.flatMap(({ name, weight, texts }) => {
    if (texts.every((text) => text === null)) return [];
    // Words of most reviews say little, and the pairs of items that share them are what fitting would spend its time
    // on.
    const features = wordFeatures(texts, name === "reviews" ? { maxShare: 0.5, maxWords: 20_000 } : {});
    return features.indices.length === 0 ? [] : [{ name, weight, features }];
  });
}
