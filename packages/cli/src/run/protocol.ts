// What is ranked against what: the split to be found, and the history that a model may know and may not recommend.
import type { Csr, Dataset } from "@cllm4rec/corpus";
import { UsageError } from "../errors.js";

export const SPLITS = ["validation", "test"] as const;
export type HeldOutSplit = (typeof SPLITS)[number];

/** `train`: the paper's released code, also on the test split. */
export const HISTORIES = ["train", "train+validation"] as const;
export type HistoryChoice = (typeof HISTORIES)[number];

/** One evaluation, all matrices [I, J]. */
export interface Protocol {
  readonly split: HeldOutSplit;
  readonly historyOf: HistoryChoice;
  /** What models are fitted to. */
  readonly train: Csr;
  /** Stands in the prompt, and is never recommended. */
  readonly history: Csr;
  readonly heldOut: Csr;
}

/**
 * @throws UsageError for validation items that are to be found and known at once; Error where the dataset has no such split
 */
export async function openProtocol(
  dataset: Dataset,
  split: HeldOutSplit,
  historyOf: HistoryChoice = "train",
): Promise<Protocol> {
  if (split === "validation" && historyOf === "train+validation") {
    throw new UsageError(
      "--history train+validation with --split validation: the items to be found would be known; use --history train, or --split test",
    );
  }
  const train = await dataset.interactions("train");
  const heldOut = await dataset.interactions(split);
  if (heldOut.indices.length === 0) {
    throw new Error(`${dataset.directory}: the dataset has no ${split} items; prepare it with a share for them`);
  }
  if (historyOf === "train") return { split, historyOf, train, history: train, heldOut };
  // Loaded here, so that the names above are at hand for --help at once.
  const { uniteHistories } = await import("@cllm4rec/corpus");
  const history = uniteHistories(train, await dataset.interactions("validation"));
  return { split, historyOf, train, history, heldOut };
}

/** The convention in one sentence. */
export function describeProtocol({ split, historyOf }: Pick<Protocol, "split" | "historyOf">): string {
  const known =
    historyOf === "train"
      ? "the history is the training items alone, as in the paper"
      : "the history is the training and validation items, which is more than the paper gives";
  return `${split} items among all items but the history; ${known}`;
}
