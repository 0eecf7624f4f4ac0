// What is ranked against what in an evaluation: the split to be found, and the history that a model may know and may
// not recommend.
import type { Dataset } from "@cllm4rec/corpus";
import { type Csr, uniteHistories } from "@cllm4rec/corpus/prompts";
import { RecommendError } from "../error.js";

/** What is to be found. */
export type HeldOutSplit = "validation" | "test";

/** What is known of each user. `train`: as in the paper's released code, also on the test split. */
export type HistoryChoice = "train" | "train+validation";

/** What is to be found of items that nobody had in training. */
export interface ColdProtocol {
  /** Cold items, ascending. */
  readonly items: Int32Array;
  /** [I, J] their interactions, of users who have a history. */
  readonly heldOut: Csr;
  /** Users with such interactions and no history, by which nobody could know them: they are left out. */
  readonly usersWithoutHistory: number;
}

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

/**
 * The cold items of a dataset that was prepared with `holdOutItems`, for the same histories; `undefined` for other
 * datasets, and on the split validation, which has none.
 * @throws RecommendError where no user with a history has a cold item
 */
export async function openColdProtocol(
  dataset: Pick<Dataset, "interactions" | "coldItems" | "directory">,
  { split, history }: Pick<Protocol, "split" | "history">,
): Promise<ColdProtocol | undefined> {
  if (split !== "test") return undefined;
  const items = await dataset.coldItems();
  if (items.length === 0) return undefined;
  const { rows, columns, ...all } = await dataset.interactions("cold-test");
  const indptr = new Int32Array(rows + 1);
  const indices = new Int32Array(all.indices.length);
  let usersWithoutHistory = 0;
  for (let user = 0, filled = 0; user < rows; user++) {
    const own = all.indices.subarray(all.indptr[user], all.indptr[user + 1]);
    if (history.indptr[user + 1]! > history.indptr[user]!) {
      indices.set(own, filled);
      filled += own.length;
    } else if (own.length > 0) usersWithoutHistory++;
    indptr[user + 1] = filled;
  }
  if (indptr[rows] === 0) {
    throw new RecommendError(
      `${dataset.directory}: no user with a history has one of the ${items.length} cold items; hold out a larger share`,
    );
  }
  return { items, heldOut: { rows, columns, indptr, indices: indices.slice(0, indptr[rows]) }, usersWithoutHistory };
}
