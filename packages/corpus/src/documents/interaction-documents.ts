// Documents (a) of the paper: a user's items after the prompt "<user_i> has interacted with", for the collaborative LLM
// (Eq. 4).
import type { Csr } from "../dataset/csr.js";
import { CorpusUsageError } from "../errors.js";
import { checkIndex, checkMaxLength } from "./checks.js";
import { compilePrompt } from "./compiled-prompt.js";
import { checkHistories, type ItemOrder, identityOf, longestHistory, sampleItems, usersWith } from "./histories.js";
import type { DocumentLayout } from "./layout.js";
import { CounterRandom, STREAM } from "./random.js";
import { type Prompts, paperPrompts } from "./template.js";
import type { PromptTokenizer, UserDocumentSource } from "./types.js";

/** What decides interaction documents. */
export interface InteractionDocumentOptions<D, R> {
  readonly tokenizer: PromptTokenizer;
  /** [I, J] the training interactions. Held in memory: 4 bytes an interaction. */
  readonly interactions: Csr;
  readonly layout: DocumentLayout<D, R>;
  /** The longest sequence, at most what the backbone's positions allow. */
  readonly maxLength: number;
  /** Default: {@link paperPrompts}. */
  readonly prompts?: Prompts;
  /** Default `"shuffled"`: the item tokens are permuted again for every (seed, epoch), the prompt stays (§3.3.4). */
  readonly order?: ItemOrder;
}

/**
 * One document for each user with at least one item; the others are counted in `skippedUsers`. Main text: the extended
 * ids of the items. A history too long for `maxLength` is sampled, again for every (seed, epoch); the prompt stays
 * whole.
 *
 * @throws {@link CorpusUsageError} for an unsound matrix or template, or a prompt that leaves no room for an item.
 */
export function interactionDocuments<D, R>({
  tokenizer,
  interactions,
  layout,
  maxLength,
  prompts = paperPrompts,
  order = "shuffled",
}: InteractionDocumentOptions<D, R>): UserDocumentSource<D> {
  checkMaxLength(maxLength);
  checkHistories("interactions", interactions, tokenizer);
  const prompt = compilePrompt("interactions", prompts.interactions, tokenizer);
  const P = prompt.length();
  const limit = layout.mainLimit(P, maxLength);
  if (limit < 1) {
    throw new CorpusUsageError(
      `prompt "interactions" takes ${P} tokens and leaves no room for an item within maxLength ${maxLength}; ` +
        "shorten it or raise maxLength",
    );
  }
  const { indptr, indices } = interactions;
  const users = usersWith(interactions, 1);
  const longest = longestHistory(interactions);
  const items = new Int32Array(longest);
  const scratch = new Int32Array(longest);
  const random = new CounterRandom();
  const itemBase = tokenizer.items > 0 ? tokenizer.itemToken(0) : 0;
  const itemCount = (user: number) => Math.min(limit, indptr[user + 1]! - indptr[user]!);

  return {
    length: users.length,
    maxLength: layout.documentLength(P, Math.min(limit, longest)),
    users,
    skippedUsers: interactions.rows - users.length,
    identity: identityOf(["interactions", layout.identity, maxLength, order, itemBase, prompt.signature], interactions),
    lengthAt(index) {
      checkIndex(index, users.length);
      return layout.documentLength(P, itemCount(users[index]!));
    },
    document(index, moment) {
      checkIndex(index, users.length);
      const user = users[index]!;
      const start = indptr[user]!;
      const n = indptr[user + 1]! - start;
      const M = itemCount(user);
      items.set(indices.subarray(start, start + n));
      sampleItems(items, n, M, order, random.start(moment, STREAM.interactions, index), scratch);
      for (let k = 0; k < M; k++) items[k]! += itemBase;
      return layout.document(prompt.fill({ user }), items.subarray(0, M));
    },
  };
}
