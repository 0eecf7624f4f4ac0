// Content KNN on a dataset: the cheapest recommender that reads the items' texts.
import type { Dataset } from "@cllm4rec/corpus";
import { contentKnn, type HistoryScorer, holdOutItems, tuneContentKnn } from "@cllm4rec/eval";
import { itemTextBlocks } from "./baselines.js";
import type { Protocol } from "./protocol.js";

export interface FittedContentKnn {
  readonly method: "content knn";
  readonly scorer: HistoryScorer;
  readonly settings: { readonly weights: Readonly<Record<string, number>>; readonly trials: number };
}

/**
 * Content KNN, with weights chosen on the validation items. Where the dataset has cold items they are chosen for such,
 * on a fifth of the other items taken out of training; where there is nothing to choose by they are the first ones.
 * `undefined` where the dataset has no texts.
 */
export async function fitContentKnn(
  dataset: Dataset,
  { train }: Pick<Protocol, "train">,
  { signal }: { readonly signal: AbortSignal },
): Promise<FittedContentKnn | undefined> {
  const items = train.columns;
  const sideInformation = await itemTextBlocks(dataset);
  if (sideInformation.length === 0) return undefined;
  const blocks = { items, sideInformation };
  const settings = (weights: readonly number[], trials: number) => ({
    weights: Object.fromEntries(sideInformation.map(({ name }, b) => [name, weights[b]!])),
    trials,
  });
  const heldOut = await dataset.interactions("validation");
  const pseudo = dataset.manifest.coldItems && holdOutItems(train, { items });
  const protocol = pseudo ? { ...pseudo, history: pseudo.training } : { heldOut, history: train };
  if (sideInformation.length === 1 || protocol.heldOut.indices.length === 0) {
    const weights = sideInformation.map(({ weight }) => weight);
    return { method: "content knn", scorer: contentKnn(blocks), settings: settings(weights, 1) };
  }
  const { scorer, weights, trials } = await tuneContentKnn({ ...blocks, ...protocol, signal });
  return { method: "content knn", scorer, settings: settings(weights, trials) };
}
