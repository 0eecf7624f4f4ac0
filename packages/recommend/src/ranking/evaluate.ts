// Full-ranking evaluation of a model's tables: the history in the prompt and masked, the held-out items to be found.
import { type Csr, csrRow } from "@cllm4rec/corpus/prompts";
import { type EvaluationResult, itemLists, type MetricName, RankingEvaluator } from "@cllm4rec/eval";
import { RecommendError } from "../error.js";
import { IndexRecommender, type IndexRecommenderOptions } from "./index-recommender.js";

// Shape legend: I users, J items, B users of a batch.

export interface EvaluateOptions extends IndexRecommenderOptions {
  /** [I, J] what the prompts hold, and what is never recommended: training items, or training and validation items. */
  readonly history: Csr;
  /** [I, J] what is to be found. */
  readonly heldOut: Csr;
  /** Default: recall@20, recall@40 and ndcg@100. */
  readonly metrics?: readonly MetricName[];
  readonly signal?: AbortSignal;
}

/**
 * Ranks all items for every user who has held-out ones. Users without any are left out and counted.
 * @throws RecommendError, before anything is computed, where a held-out item is in its user's history, which is never
 *   recommended; and where a user with held-out items has neither a history nor a user token in the prompt
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { model, history, heldOut, metrics, signal, batch = 128, userToken = false } = options;
  checkDisjoint(history, heldOut);
  const recommender = new IndexRecommender(options);
  const evaluator = new RankingEvaluator({ items: model.vocabulary.items, ...(metrics && { metrics }) });
  let group: number[] = [];
  const flush = async () => {
    if (group.length === 0) return;
    const histories = group.map((user) => csrRow(history, user));
    const scores = await recommender.scores(
      group.map((user, b) => ({ user, history: histories[b]! })),
      signal,
    );
    evaluator.addScores({
      scores,
      heldOut: itemLists(group.map((user) => csrRow(heldOut, user))),
      masked: itemLists(histories),
      users: group,
    });
    group = [];
  };
  let without = 0;
  for (let user = 0; user < heldOut.rows; user++) {
    if (heldOut.indptr[user + 1] === heldOut.indptr[user]) {
      without++;
      continue;
    }
    if (!userToken && history.indptr[user + 1] === history.indptr[user]) {
      throw new RecommendError(
        `user ${user} has held-out items and no history: without the user token there is nothing to recommend by; ` +
          "leave such users out of the split, or train with userToken",
      );
    }
    group.push(user);
    if (group.length === batch) await flush();
  }
  await flush();
  const result = evaluator.result();
  return { ...result, usersWithoutHeldOut: without };
}

function checkDisjoint(history: Csr, heldOut: Csr): void {
  for (let user = 0; user < Math.min(heldOut.rows, history.rows); user++) {
    const known = new Set(csrRow(history, user));
    const item = csrRow(heldOut, user).find((candidate) => known.has(candidate));
    if (item === undefined) continue;
    throw new RecommendError(
      `user ${user}: held-out item ${item} is in the user's history, which is never recommended, so it could not be ` +
        "found; remove it from one of the two, or prepare the dataset again",
    );
  }
}
