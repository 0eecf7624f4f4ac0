// Recommendation (§3.5): the whole history in the prompt, one forward pass, the best of all items that are not in the history.
import type { BaseModel, SoftTables } from "@cllm4rec/backbone";
import {
  type Csr,
  csrRow,
  documentLayout,
  type HeldOutDocument,
  type ItemOrder,
  type Prompts,
  type PromptTokenizer,
  type RecommendationRequest,
  recommendationPrompter,
} from "@cllm4rec/corpus";
import { itemLists, topK } from "@cllm4rec/eval";
import { TrainingError } from "@cllm4rec/training";

// Shape legend: B prompts of a batch, J items, k recommendations.

export interface RecommenderOptions {
  readonly model: BaseModel;
  /** The collaborative tables of the trained model; those of several runs (other seeds) are an ensemble: their logits are averaged. */
  readonly tables: SoftTables | readonly SoftTables[];
  readonly tokenizer: PromptTokenizer;
  /** As in training; default false. True: every request has to name its user. */
  readonly userToken?: boolean;
  readonly prompts?: Prompts;
  /** Default: what the backbone has positions for. Of a longer history a sample stands in the prompt. */
  readonly maxLength?: number;
  /** Default `shuffled`, as in training: a permutation that the seed decides. */
  readonly order?: ItemOrder;
  /** Default 0. */
  readonly seed?: number;
  /** Prompts in one forward pass; default 128. */
  readonly batch?: number;
}

/** Whom to recommend to. Without the user token a history is all that is needed, so users who were not in training are welcome. */
export interface Request extends RecommendationRequest {
  /** Items that are not to be recommended either; the history never is. */
  readonly exclude?: ArrayLike<number>;
}

/** Best first; fewer than k only where fewer items are left. */
export interface Recommendation {
  readonly items: Int32Array;
  /** Logits of the multinomial (Eq. 9). */
  readonly scores: Float32Array;
}

/** Ranks all items for users or for bare histories, in batches. Deterministic. */
export class Recommender {
  readonly #options: RecommenderOptions;
  readonly #prompt: ReturnType<typeof recommendationPrompter<unknown, HeldOutDocument>>;
  readonly #moment: { readonly seed: number; readonly epoch: number };
  readonly #members: readonly SoftTables[];
  readonly #batch: number;

  /** @throws CorpusUsageError for a prompt that does not fit; TrainingError for a batch below 1, or no tables */
  constructor(options: RecommenderOptions) {
    const { model, tokenizer, userToken = false, prompts, order, seed = 0, batch = 128 } = options;
    if (!(Number.isSafeInteger(batch) && batch > 0))
      throw new TrainingError(`batch: found ${batch}, expected a positive integer`);
    this.#options = options;
    this.#members = [options.tables].flat();
    if (this.#members.length === 0) throw new TrainingError("tables: found none, expected those of at least one model");
    this.#batch = batch;
    this.#moment = { seed, epoch: 0 };
    this.#prompt = recommendationPrompter({
      tokenizer,
      layout: documentLayout(model.layout),
      maxLength: options.maxLength ?? model.vocabulary.maxPositions,
      userToken,
      ...(prompts && { prompts }),
      ...(order && { order }),
    });
  }

  /**
   * The k best items for each request, in their order.
   * @throws CorpusUsageError for an item that does not exist or stands twice, or a request that has nothing to go by: no user where the
   *   user token is in the prompt, no history where it is not
   */
  async *recommend(
    requests: Iterable<Request>,
    k: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Recommendation, void, undefined> {
    const { items } = this.#options.model.vocabulary;
    for (const group of groups(requests, this.#batch)) {
      const scores = await this.scores(group, signal);
      const masked = itemLists(
        group.map(({ history, exclude }) => new Set([...Array.from(history), ...Array.from(exclude ?? [])])),
      );
      const best = topK(scores, { items, k, masked });
      for (let b = 0; b < group.length; b++) {
        const [from, to] = [b * k, b * k + best.lengths[b]!];
        yield { items: best.items.slice(from, to), scores: best.scores.slice(from, to) };
      }
    }
  }

  /**
   * The k best items for users of a matrix of histories [I, J], in the order of `users`.
   * @throws RangeError for a user who is not in the matrix; CorpusUsageError as {@link recommend} does
   */
  recommendUsers(
    users: Iterable<number>,
    history: Csr,
    k: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Recommendation, void, undefined> {
    return this.recommend(
      mapIterable(users, (user) => ({ user, history: csrRow(history, user) })),
      k,
      signal,
    );
  }

  /** Scores (logits) of all items, [B, J] row-major, in one forward pass a member; items of the history included. */
  async scores(requests: readonly RecommendationRequest[], signal?: AbortSignal): Promise<Float32Array> {
    const { model } = this.#options;
    const prompts = requests.map((request) => {
      const document = this.#prompt(request, this.#moment);
      return "ids" in document ? document.ids : document;
    });
    const [first, ...others] = this.#members;
    const scores = await model.itemScores(prompts, first!, signal);
    for (const tables of others) {
      const more = await model.itemScores(prompts, tables, signal);
      for (let at = 0; at < scores.length; at++) scores[at] = scores[at]! + more[at]!;
    }
    if (others.length > 0) for (let at = 0; at < scores.length; at++) scores[at] = scores[at]! / this.#members.length;
    return scores;
  }
}

function* groups<T>(values: Iterable<T>, size: number): Generator<T[], void, undefined> {
  let group: T[] = [];
  for (const value of values) {
    group.push(value);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function* mapIterable<T, U>(values: Iterable<T>, transform: (value: T) => U): Generator<U, void, undefined> {
  for (const value of values) yield transform(value);
}
