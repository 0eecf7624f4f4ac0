// Prompts for prediction (§3.5): the whole history, nothing masked, for the users of a dataset or for a history alone.
import type { Csr } from "../dataset/csr.js";
import { CorpusUsageError } from "../errors.js";
import { checkIndex } from "./checks.js";
import { checkDisjoint, checkHistories, identityOf, longestHistory, sampleItems, usersWith } from "./histories.js";
import { CounterRandom, STREAM } from "./random.js";
import { compileRecommendation, type RecommendationOptions } from "./recommendation-documents.js";
import type { Moment, UserDocumentSource } from "./types.js";

/** What decides the prompts for a dataset's users. */
export interface RecommendationPromptOptions<D, R> extends RecommendationOptions<D, R> {
  /** [I, J] what goes into the prompts: the training items, or training and validation items through {@link uniteHistories}. */
  readonly history: Csr;
  /** [I, J] the items to be found, e.g. the test split. Given, only users who have any get a prompt; never part of a prompt. */
  readonly heldOut?: Csr;
}

/**
 * One prompt for each user (with held-out items, where `heldOut` is given). With `userToken: false` a user without any history has
 * nothing to be known by and gets none. All others are counted in `skippedUsers`. Order and, in over-long histories, the sample are a
 * function of (seed, epoch): give the same ones for the same scores.
 *
 * @throws {@link CorpusUsageError} for unsound matrices or templates, and if a held-out item is in the same user's history.
 */
export function recommendationPrompts<D, R>(options: RecommendationPromptOptions<D, R>): UserDocumentSource<R> {
  const { tokenizer, layout, maxLength, history, heldOut, userToken = true, order = "shuffled" } = options;
  checkHistories("history", history, tokenizer);
  if (heldOut) {
    checkHistories("heldOut", heldOut, tokenizer);
    checkDisjoint(history, heldOut);
  }
  const { prompt, limit } = compileRecommendation(options);
  const candidates = heldOut ? usersWith(heldOut, 1) : usersWith(history, 0);
  const known = (user: number) => userToken || history.indptr[user + 1]! > history.indptr[user]!;
  const users = candidates.filter(known);
  const longest = longestHistory(history);
  const items = new Int32Array(longest);
  const scratch = new Int32Array(longest);
  const random = new CounterRandom();
  const historyLength = (user: number) => Math.min(limit, history.indptr[user + 1]! - history.indptr[user]!);

  return {
    length: users.length,
    maxLength: Math.max(
      layout.recommendationLength(prompt.length(Math.min(limit, longest))),
      layout.recommendationLength(prompt.length(0)),
    ),
    users,
    skippedUsers: history.rows - users.length,
    identity: identityOf(
      ["prompts", layout.identity, maxLength, order, prompt.name, prompt.signature],
      history,
      heldOut,
    ),
    lengthAt(index) {
      checkIndex(index, users.length);
      return layout.recommendationLength(prompt.length(historyLength(users[index]!)));
    },
    document(index, moment) {
      checkIndex(index, users.length);
      const user = users[index]!;
      const row = history.indices.subarray(history.indptr[user]!, history.indptr[user + 1]!);
      items.set(row);
      const count = historyLength(user);
      sampleItems(items, row.length, count, order, random.start(moment, STREAM.prompts, user), scratch);
      const answer = heldOut?.indices.slice(heldOut.indptr[user]!, heldOut.indptr[user + 1]!) ?? new Int32Array(0);
      return layout.recommendation(prompt.fill({ user, history: items, historyLength: count }), answer.sort());
    },
  };
}

/** A user known to the model, or only a history. */
export interface RecommendationRequest {
  /** User index; needed exactly if the prompts have the user token. */
  readonly user?: number;
  /** Item indices, each once. */
  readonly history: ArrayLike<number>;
}

/**
 * A function from single requests to prompts, for serving and for users known only by a history (`userToken: false`).
 *
 * @example
 * const prompt = recommendationPrompter({ tokenizer, layout: decoderOnly(), maxLength: 512, userToken: false });
 * const { ids } = prompt({ history: [3, 14, 15] }, { seed: 0, epoch: 0 });
 */
export function recommendationPrompter<D, R>(
  options: RecommendationOptions<D, R>,
): (request: RecommendationRequest, moment: Moment) => R {
  const { layout, tokenizer, userToken = true, order = "shuffled" } = options;
  const { prompt, limit } = compileRecommendation(options);
  const random = new CounterRandom();
  return ({ user, history }, moment) => {
    if (userToken && user === undefined) {
      throw new CorpusUsageError("a prompt with the user token needs a user; for a history alone use userToken: false");
    }
    for (const item of Array.from(history)) {
      if (!Number.isInteger(item) || item < 0 || item >= tokenizer.items) {
        throw new CorpusUsageError(`the history names item ${item}; items run from 0 to ${tokenizer.items - 1}`);
      }
    }
    const items = Int32Array.from(history);
    if (!userToken && items.length === 0) {
      throw new CorpusUsageError("a prompt without the user token needs at least one item of history");
    }
    if (new Set(items).size !== items.length) {
      throw new CorpusUsageError(
        `the history [${items.slice(0, 10).join(", ")}${items.length > 10 ? ", …" : ""}] names an item twice`,
      );
    }
    const historyLength = Math.min(limit, items.length);
    sampleItems(
      items,
      items.length,
      historyLength,
      order,
      random.start(moment, STREAM.prompts, user ?? 0),
      new Int32Array(items.length),
    );
    return layout.recommendation(
      prompt.fill(user === undefined ? { history: items, historyLength } : { user, history: items, historyLength }),
      new Int32Array(0),
    );
  };
}
