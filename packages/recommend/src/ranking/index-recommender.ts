// Recommendation (§3.5) by rows of the tables: the whole history in the prompt, one forward pass, the best of all items
// that are not in it.
import type { BaseModel, Prompt, SoftTables } from "@cllm4rec/backbone";
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
} from "@cllm4rec/corpus/prompts";
import { itemLists, topK } from "@cllm4rec/eval";
import type { Mixer } from "../blend/mixer.js";
import { RecommendError } from "../error.js";

// Shape legend: B prompts of a batch, J items, K width, M models of an ensemble, k recommendations.

export interface IndexRecommenderOptions {
  readonly model: BaseModel;
  /**
   * The collaborative tables of the trained model; those of several runs (other seeds) are an ensemble: their logits
   * are averaged.
   */
  readonly tables: SoftTables | readonly SoftTables[];
  readonly tokenizer: PromptTokenizer;
  /** As in training; default false. True: every request has to name its user. */
  readonly userToken?: boolean;
  readonly prompts?: Prompts;
  /** Default: what the backbone has positions for. Of a longer history the prompt holds a sample. */
  readonly maxLength?: number;
  /** Default `shuffled`, as in training: a permutation that the seed decides. */
  readonly order?: ItemOrder;
  /** Default 0. */
  readonly seed?: number;
  /** Prompts in one forward pass; default 128. */
  readonly batch?: number;
  /** Other recommenders whose scores are added to the model's; default none. `openPredictor` fills it in. */
  readonly blend?: Mixer;
}

/**
 * Whom to recommend to. Without the user token a history is all that is needed, so users who were not in training are
 * welcome.
 */
export interface IndexRequest extends RecommendationRequest {
  /** Items that are not to be recommended either; the history never is. */
  readonly exclude?: ArrayLike<number>;
}

/** A request with its prompt, made once by {@link IndexRecommender.prepare}. */
export interface PreparedRequest extends RecommendationRequest {
  readonly prompt: Prompt;
}

/** Best first; fewer than k only where fewer items are left. */
export interface IndexRecommendation {
  readonly items: Int32Array;
  /** Logits of the multinomial (Eq. 9); of a blend, the weighted sum of its members' z-scores. */
  readonly scores: Float32Array;
}

/** Ranks all items for users or for bare histories, in batches. Deterministic. */
export class IndexRecommender {
  readonly #options: IndexRecommenderOptions;
  readonly #prompt: ReturnType<typeof recommendationPrompter<unknown, HeldOutDocument>>;
  readonly #moment: { readonly seed: number; readonly epoch: number };
  readonly #members: readonly SoftTables[];
  readonly #batch: number;

  /** @throws CorpusUsageError for a prompt that does not fit; RecommendError for a batch below 1, or no tables */
  constructor(options: IndexRecommenderOptions) {
    const { model, tokenizer, userToken = false, prompts, order, seed = 0, batch = 128 } = options;
    if (!(Number.isSafeInteger(batch) && batch > 0))
      throw new RecommendError(`batch: found ${batch}, expected a positive integer`);
    this.#options = options;
    this.#members = [options.tables].flat();
    if (this.#members.length === 0)
      throw new RecommendError("tables: found none, expected those of at least one model");
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
   * @throws CorpusUsageError for an item that does not exist or occurs twice, or a request without anything to
   *   recommend by: no user where the user token is in the prompt, no history where it is not
   */
  async *recommend(
    requests: Iterable<IndexRequest>,
    k: number,
    signal?: AbortSignal,
  ): AsyncGenerator<IndexRecommendation, void, undefined> {
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
  ): AsyncGenerator<IndexRecommendation, void, undefined> {
    return this.recommend(
      mapIterable(users, (user) => ({ user, history: csrRow(history, user) })),
      k,
      signal,
    );
  }

  /**
   * Scores of all items, [B, J] row-major, in one forward pass a model; items of the history included. Logits (Eq. 9),
   * or of a blend the weighted sum of its members' z-scores.
   */
  scores(requests: readonly RecommendationRequest[], signal?: AbortSignal): Promise<Float32Array> {
    return this.preparedScores(
      requests.map((request) => this.prepare(request)),
      signal,
    );
  }

  /**
   * Checks a request and makes its prompt, for {@link preparedScores}.
   * @throws CorpusUsageError as {@link recommend} does
   */
  prepare(request: RecommendationRequest): PreparedRequest {
    return { ...request, prompt: this.prompt(request) };
  }

  /** As {@link scores}. */
  preparedScores(requests: readonly PreparedRequest[], signal?: AbortSignal): Promise<Float32Array> {
    const { blend } = this.#options;
    const own = () =>
      this.promptScores(
        requests.map(({ prompt }) => prompt),
        signal,
      );
    return blend ? blend.scores(requests, own, signal) : own();
  }

  /**
   * The prompt of a request, for {@link promptScores} and {@link promptEmbeddings}.
   * @throws CorpusUsageError as {@link recommend} does
   */
  prompt(request: RecommendationRequest): Prompt {
    const document = this.#prompt(request, this.#moment);
    return "ids" in document ? document.ids : document;
  }

  /**
   * The model's own scores (logits, Eq. 9) of all items after each prompt, [B, J] row-major; without a blend's other
   * members.
   */
  async promptScores(prompts: readonly Prompt[], signal?: AbortSignal): Promise<Float32Array> {
    const { model } = this.#options;
    const [first, ...others] = this.#members;
    const scores = await model.itemScores(prompts, first!, signal);
    for (const tables of others) {
      const more = await model.itemScores(prompts, tables, signal);
      for (let at = 0; at < scores.length; at++) scores[at] = scores[at]! + more[at]!;
    }
    if (others.length > 0) for (let at = 0; at < scores.length; at++) scores[at] = scores[at]! / this.#members.length;
    return scores;
  }

  /**
   * The embedding of each prompt's user, [B, M·K] row-major: its inner product with a row of {@link itemEmbeddings} is
   * the item's own score (without a blend's other members), but for rounding.
   */
  async promptEmbeddings(prompts: readonly Prompt[], signal?: AbortSignal): Promise<Float32Array> {
    const { model } = this.#options;
    const { width } = model.vocabulary;
    const M = this.#members.length;
    const embeddings = new Float32Array(prompts.length * M * width);
    for (const [m, tables] of this.#members.entries()) {
      const states = await model.userStates(prompts, tables, signal); // [prompts, K]
      for (let b = 0; b < prompts.length; b++)
        for (let k = 0; k < width; k++) embeddings[(b * M + m) * width + k] = states[b * width + k]! / M;
    }
    return embeddings;
  }

  /** The embeddings of items, [items, M·K] row-major: those of the ensemble's models side by side. */
  itemEmbeddings(items: ArrayLike<number>): Float32Array {
    const { width } = this.#options.model.vocabulary;
    const M = this.#members.length;
    const embeddings = new Float32Array(items.length * M * width);
    for (let at = 0; at < items.length; at++) {
      for (const [m, tables] of this.#members.entries()) {
        const row = tables.items.data.subarray(items[at]! * width, (items[at]! + 1) * width);
        embeddings.set(row, (at * M + m) * width);
      }
    }
    return embeddings;
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
