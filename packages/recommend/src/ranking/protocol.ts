// What is ranked against what in an evaluation: the split to be found, and the history that a model may know and may
// not recommend.
import type { Dataset } from "@cllm4rec/corpus";
import { type Csr, uniteHistories } from "@cllm4rec/corpus/prompts";
import { RecommendError } from "../error.js";

/** What is to be found. */
export type HeldOutSplit = "validation" | "test";

/** What is known of each user. `train`: as in the paper's released code, also on the test split. */
export type HistoryChoice = "train" | "train+validation";

/** One evaluation, all matrices [I, J]. */
export interface Protocol {
  readonly split: HeldOutSplit;
  readonly historyOf: HistoryChoice;
  /** What models are fitted to. */
  readonly train: Csr;
  /** In the prompt, and never recommended. */
  readonly history: Csr;
  readonly heldOut: Csr;
}

/**
 * Reads the matrices of an evaluation from a dataset.
 * @throws RecommendError where the items to be found would be known, or the dataset has no such split
 */
export async function openProtocol(
  dataset: Pick<Dataset, "interactions" | "directory">,
  split: HeldOutSplit,
  historyOf: HistoryChoice = "train",
): Promise<Protocol> {
  if (split === "validation" && historyOf === "train+validation") {
    throw new RecommendError(
      "history train+validation on the split validation: the items to be found would be known; use the history " +
        "train, or the split test",
    );
  }
  const train = await dataset.interactions("train");
  const heldOut = await dataset.interactions(split);
  if (heldOut.indices.length === 0) {
    throw new RecommendError(
      `${dataset.directory}: the dataset has no ${split} items; prepare it with a share for them`,
    );
  }
  const history = historyOf === "train" ? train : uniteHistories(train, await dataset.interactions("validation"));
  return { split, historyOf, train, history, heldOut };
}
