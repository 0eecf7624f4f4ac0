// EASE of a dataset, with and without what its texts say of the items, tuned on its validation items: a baseline, and a
// member of blends.
import type { Dataset, WordFeatures } from "@cllm4rec/corpus";
import { ease, type LinearScorer, type Multiply, type SideInformation, tuneEase } from "@cllm4rec/eval";

/** EASE alone, or with what the dataset's texts say of the items. */
export type EaseKind = "ease" | "ease with text";

export interface FittedEase {
  readonly method: EaseKind;
  readonly scorer: LinearScorer;
  /** What was chosen, and by how many fits. */
  readonly settings: {
    readonly lambda: number;
    readonly weights: Readonly<Record<string, number>>;
    readonly trials: number;
  };
}

export interface FitEaseOptions {
  /** Which of them; default both. EASE with text is left out where the dataset has no texts. */
  readonly kinds?: readonly EaseKind[];
  /** The L2 weight; absent: chosen on validation. */
  readonly lambda?: number | undefined;
  /**
   * Fits at most for each kind; default by {@link defaultTrials}. 1: nothing is chosen, λ is 200 and each block has its
   * first weight.
   */
  readonly trials?: number | undefined;
  /** For the products that are nearly all of the work; default: in this thread. */
  readonly multiply?: Multiply;
  readonly signal?: AbortSignal;
  /** The share of the work on one kind that is done. */
  readonly onProgress?: (kind: EaseKind, share: number) => void;
}

/** J³ · fits in a second, on two cores: the cost of a fit grows with the cube of the items. */
const FITS = 4e12 / 120;
const allowed = (trials: number) => Math.max(1, Math.min(24, trials));

/** Fits that take about two minutes on two cores. */
export function defaultTrials(items: number): number {
  return allowed(Math.round((120 * FITS) / items ** 3));
}

/** Fits that take at most about so many seconds on two cores; at least one. */
export function trialsWithin(seconds: number, items: number): number {
  return allowed(Math.floor((seconds * FITS) / items ** 3));
}

/**
 * EASE and, where the dataset has texts of items or reviews, EASE with text, fitted to the training items. λ and the
 * weights of the texts are chosen on the validation items; without any, λ is 200 and the weights are the first ones.
 * @throws {EvaluationError} where the items are too many for memory; the signal's reason when aborted
 */
export async function fitEase(
  dataset: Dataset,
  { kinds = ["ease", "ease with text"], lambda, trials, multiply, signal, onProgress }: FitEaseOptions = {},
): Promise<FittedEase[]> {
  const train = await dataset.interactions("train");
  const items = train.columns;
  const heldOut = await dataset.interactions("validation");
  const limit = heldOut.indices.length > 0 ? (trials ?? defaultTrials(items)) : 1;
  const sideInformation = kinds.includes("ease with text") ? await itemTextBlocks(dataset) : [];
  const fitted: FittedEase[] = [];
  for (const method of kinds) {
    const blocks = method === "ease" ? [] : sideInformation;
    if (method === "ease with text" && blocks.length === 0) continue;
    const fixed = {
      items,
      sideInformation: blocks,
      ...(multiply && { multiply }),
      ...(signal && { signal }),
      ...(lambda !== undefined && { lambda }),
    };
    const weightsOf = (weights: readonly number[]) =>
      Object.fromEntries(blocks.map(({ name }, b) => [name, weights[b]!]));
    onProgress?.(method, 0);
    if (limit === 1) {
      const scorer = await ease(train, { ...fixed, onProgress: (share) => onProgress?.(method, share) });
      const weights = weightsOf(blocks.map(({ weight }) => weight));
      fitted.push({ method, scorer, settings: { lambda: lambda ?? 200, weights, trials: 1 } });
      continue;
    }
    const tuned = await tuneEase(train, {
      ...fixed,
      heldOut,
      trials: limit,
      tuneLambda: lambda === undefined,
      onTrial: (_, done) => onProgress?.(method, done / limit),
    });
    const settings = {
      lambda: tuned.best.lambda,
      weights: weightsOf(tuned.best.weights),
      trials: tuned.trials.length,
    };
    fitted.push({ method, scorer: tuned.scorer, settings });
  }
  return fitted;
}

/** Words of one kind of the items' texts. */
export type ItemTextBlock = SideInformation & { readonly features: WordFeatures };

/**
 * tf-idf words of the items' titles, of their other texts, and of their training reviews, with the weights that a
 * search starts from. Read once for each dataset.
 */
export function itemTextBlocks(dataset: Dataset): Promise<ItemTextBlock[]> {
  const known = blocksOf.get(dataset);
  if (known) return known;
  const blocks = readBlocks(dataset);
  blocksOf.set(dataset, blocks);
  blocks.catch(() => blocksOf.delete(dataset));
  return blocks;
}

/** Several recommenders of one command read the same texts. */
const blocksOf = new WeakMap<Dataset, Promise<ItemTextBlock[]>>();

async function readBlocks(dataset: Dataset): Promise<ItemTextBlock[]> {
  const { wordFeatures } = await import("@cllm4rec/corpus");
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
