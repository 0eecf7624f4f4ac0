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

/** What is to be found, and among what, of the same scores. */
export interface RankingView {
  /** [I, J] */
  readonly heldOut: Csr;
  /** The only items that are ranked, such as cold ones; default: all. */
  readonly candidates?: ArrayLike<number>;
}

/**
 * Ranks all items for every user who has held-out ones. Users without any are left out and counted.
 * @throws RecommendError, before anything is computed, where a held-out item is in its user's history, which is never
 *   recommended; and where a user with held-out items has neither a history nor a user token in the prompt
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const [result] = await evaluateViews({ ...options, views: [{ heldOut: options.heldOut }] });
  return result!;
}

/**
 * As {@link evaluate}, several rankings of the same scores at once: one forward pass a user, however many views there
 * are.
 * @throws RecommendError as {@link evaluate} does; EvaluationError for held-out items that are no candidates
 */
export async function evaluateViews(
  options: Omit<EvaluateOptions, "heldOut"> & { readonly views: readonly RankingView[] },
): Promise<EvaluationResult[]> {
  const { model, history, views, metrics, signal, batch = 128, userToken = false } = options;
  const { items } = model.vocabulary;
  for (const { heldOut } of views) checkDisjoint(history, heldOut);
  const recommender = new IndexRecommender(options);
  const evaluators = views.map(
    ({ candidates }) => new RankingEvaluator({ items, ...(metrics && { metrics }), ...(candidates && { candidates }) }),
  );
  let group: number[] = [];
  const flush = async () => {
    if (group.length === 0) return;
    const histories = group.map((user) => csrRow(history, user));
    const scores = await recommender.scores(
      group.map((user, b) => ({ user, history: histories[b]! })),
      signal,
    );
    const masked = itemLists(histories);
    for (const [v, { heldOut }] of views.entries()) {
      const lists = itemLists(group.map((user) => csrRow(heldOut, user)));
      evaluators[v]!.addScores({ scores, heldOut: lists, masked, users: group });
    }
    group = [];
  };
  for (let user = 0; user < history.rows; user++) {
    if (views.every(({ heldOut }) => heldOut.indptr[user + 1] === heldOut.indptr[user])) continue;
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
  return evaluators.map((evaluator) => {
    const result = evaluator.result();
    return { ...result, usersWithoutHeldOut: history.rows - result.users };
  });
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
