// Prompts for prediction (§3.5): the whole history, nothing masked.
import { CorpusUsageError } from "../errors.js";
import { sampleItems } from "./histories.js";
import { CounterRandom, STREAM } from "./random.js";
import { compileRecommendation, type RecommendationOptions } from "./recommendation-documents.js";
import type { Moment } from "./types.js";

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
