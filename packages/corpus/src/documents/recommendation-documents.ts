// Documents (c) of the paper for finetuning: a masked history in the prompt, the held-out items as multi-hot targets
// (Eq. 9).
import type { Csr } from "../dataset/csr.js";
import { CorpusUsageError } from "../errors.js";
import { checkIndex, checkMaxLength } from "./checks.js";
import { compilePrompt } from "./compiled-prompt.js";
import { checkHistories, type ItemOrder, identityOf, longestHistory, sampleItems, usersWith } from "./histories.js";
import type { DocumentLayout } from "./layout.js";
import { CounterRandom, STREAM } from "./random.js";
import { type Prompts, paperPrompts } from "./template.js";
import type { Moment, PromptTokenizer, UserDocumentSource } from "./types.js";

/** What recommendation documents for training and for prediction share. */
export interface RecommendationOptions<D, R> {
  readonly tokenizer: PromptTokenizer;
  readonly layout: DocumentLayout<D, R>;
  /** The longest sequence, at most what the backbone's positions allow. */
  readonly maxLength: number;
  /** Default: {@link paperPrompts}. */
  readonly prompts?: Prompts;
  /**
   * Default true: the prompt `recommendation`. False: the prompt `historyOnly`, which says nothing of who the user is.
   */
  readonly userToken?: boolean;
  /** Default `"shuffled"`: the history is permuted again for every (seed, epoch) (§3.4.2). */
  readonly order?: ItemOrder;
}

/** What decides recommendation documents for training. */
export interface RecommendationDocumentOptions<D, R> extends RecommendationOptions<D, R> {
  /** [I, J] the training interactions. */
  readonly interactions: Csr;
  /**
   * p_m, the share of a user's items to hold out: a number between 0 and 1, or a range from which each document draws
   * its own, uniformly. Of n items, round(p_m · n) are held out, but at least one, and at least one stays.
   */
  readonly maskedShare: number | readonly [number, number];
  /**
   * `"held-out"` (paper, default): predict the masked items. `"all"` (released code): predict all the user's training
   * items.
   */
  readonly targets?: "held-out" | "all";
}

/** Compiles the prompt that the options name and says how many items of history fit beside it. */
export function compileRecommendation<D, R>({
  tokenizer,
  layout,
  maxLength,
  prompts = paperPrompts,
  userToken = true,
}: RecommendationOptions<D, R>) {
  checkMaxLength(maxLength);
  const name = userToken ? "recommendation" : "historyOnly";
  const prompt = compilePrompt(name, prompts[name], tokenizer);
  const limit = layout.promptLimit(maxLength) - (prompt.length(1) - 1);
  if (limit < 1 || prompt.length(0) > layout.promptLimit(maxLength)) {
    throw new CorpusUsageError(
      `prompt "${name}" takes ${prompt.length(1) - 1} tokens and leaves no room for an item within maxLength ` +
        `${maxLength}; shorten it or raise maxLength`,
    );
  }
  return { prompt, limit };
}

function shareRange(share: number | readonly [number, number]): readonly [number, number] {
  const [low, high] = typeof share === "number" ? [share, share] : share;
  if (!(low > 0 && low <= high && high < 1)) {
    throw new CorpusUsageError(
      `maskedShare is ${JSON.stringify(share)}; it has to be a number between 0 and 1 (both excluded) or a range ` +
        "[low, high] of such",
    );
  }
  return [low, high];
}

/**
 * One document for each user with at least two training items: with fewer, nothing can be held out and something kept;
 * these users are counted in `skippedUsers` (they can still be recommended to). For every (seed, epoch) the masked
 * items are drawn again. A history too long for `maxLength` is sampled after masking: held-out items stay targets, the
 * prompt's words stay whole.
 *
 * @throws {@link CorpusUsageError} for an unsound matrix, template or share, or a prompt that leaves no room for an
 *   item.
 */
export function recommendationDocuments<D, R>(options: RecommendationDocumentOptions<D, R>): UserDocumentSource<R> {
  const { tokenizer, layout, maxLength, interactions, maskedShare, targets = "held-out", order = "shuffled" } = options;
  checkHistories("interactions", interactions, tokenizer);
  if (targets !== "held-out" && targets !== "all") {
    throw new CorpusUsageError(`targets is ${JSON.stringify(targets)}; it has to be "held-out" or "all"`);
  }
  const [low, high] = shareRange(maskedShare);
  const { prompt, limit } = compileRecommendation(options);
  const { indptr, indices } = interactions;
  const users = usersWith(interactions, 2);
  const longest = longestHistory(interactions);
  const positions = new Int32Array(longest);
  const history = new Int32Array(longest);
  const scratch = new Int32Array(longest);
  const random = new CounterRandom();

  /** Places `random` at the document's stream and draws how many of its n items are held out. */
  const drawHeldOut = (index: number, n: number, moment: Moment): number => {
    random.start(moment, STREAM.masking, index);
    const share = low === high ? low : low + (high - low) * random.unit();
    return Math.max(1, Math.min(n - 1, Math.round(share * n)));
  };

  return {
    length: users.length,
    maxLength: layout.recommendationLength(prompt.length(Math.min(limit, Math.max(1, longest - 1)))),
    users,
    skippedUsers: interactions.rows - users.length,
    identity: identityOf(
      ["recommendation", layout.identity, maxLength, order, low, high, targets, prompt.name, prompt.signature],
      interactions,
    ),
    lengthAt(index, moment) {
      checkIndex(index, users.length);
      const user = users[index]!;
      const n = indptr[user + 1]! - indptr[user]!;
      return layout.recommendationLength(prompt.length(Math.min(limit, n - drawHeldOut(index, n, moment))));
    },
    document(index, moment) {
      checkIndex(index, users.length);
      const user = users[index]!;
      const row = indices.subarray(indptr[user]!, indptr[user + 1]!);
      const n = row.length;
      const hidden = drawHeldOut(index, n, moment);
      for (let k = 0; k < n; k++) positions[k] = k;
      random.shuffle(positions, n, hidden); // the first `hidden` positions are held out
      const kept = positions.subarray(hidden, n).sort(); // back to the data's order, which "fixed" keeps
      const heldOut = new Int32Array(targets === "all" ? n : hidden);
      for (let k = 0; k < heldOut.length; k++) heldOut[k] = targets === "all" ? row[k]! : row[positions[k]!]!;
      for (let k = 0; k < kept.length; k++) history[k] = row[kept[k]!]!;
      const historyLength = Math.min(limit, kept.length);
      sampleItems(history, kept.length, historyLength, order, random, scratch);
      return layout.recommendation(prompt.fill({ user, history, historyLength }), heldOut.sort());
    },
  };
}
