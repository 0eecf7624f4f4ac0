// A trained model behind raw ids: recommendations, scores, similar items, embeddings and explanations.
import type { GenerateOptions, Prompt } from "@cllm4rec/backbone";
import type { RecommendationRequest } from "@cllm4rec/corpus/prompts";
import { itemLists, topK } from "@cllm4rec/eval";
import { Batcher } from "./batcher.js";
import type { BlendMember } from "./blend/mixer.js";
import type { Predictor } from "./directory/predictor.js";
import type { Ensemble } from "./directory/trained-model.js";
import { NotAvailableError, RecommendError } from "./error.js";
import { type Explanation, explain } from "./explain.js";
import type { KnownContent } from "./histories.js";
import { IdTable } from "./ids.js";
import { IndexRecommender, type PreparedRequest } from "./ranking/index-recommender.js";
import { Similarities } from "./similarities.js";

// Shape legend: J items, K width, M models of an ensemble.

/** Whom a call is about: a user of the training data, or anyone by a history. */
export interface Whom {
  /** A user by raw id. Without `history`, what the model knows of the user is the history. */
  readonly user?: string | undefined;
  /** Items by raw id, in place of what is known of the user. An item that is named twice counts once. */
  readonly history?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which items may be in a list. */
export interface Selection {
  /** Items that are not wanted, by raw id; ids that the model does not know are ignored. */
  readonly exclude?: Iterable<string> | undefined;
  /** Whether an item may be in the list; called once for every item. */
  readonly filter?: ((item: string) => boolean) | undefined;
}

/** What {@link Recommender.recommend} takes. */
export interface RecommendRequest extends Whom, Selection {
  /** How many items. */
  readonly k: number;
  /** Whether items of the history may be recommended again; default false. */
  readonly includeHistory?: boolean | undefined;
}

/** One item of a list, best first. */
export interface Recommendation {
  /** The item's raw id. */
  readonly item: string;
  /** Of recommendations the logit (Eq. 9), or the score of the blend; of similar items the cosine. Higher is better. */
  readonly score: number;
  /** Where the dataset has titles. */
  readonly title?: string;
}

/** Rows of numbers, row-major. */
export interface Embeddings {
  readonly rows: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** What {@link Recommender.explain} takes: the pair, and how its text is sampled. */
export interface ExplainRequest extends Omit<GenerateOptions, "stopTokens" | "signal"> {
  readonly item: string;
  /** Whose review is to be written; absent: a description of the item. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a recommender is made of; `openRecommender` puts it together. */
export interface RecommenderParts {
  readonly models: Ensemble;
  readonly predictor: Predictor;
  readonly content: KnownContent;
  readonly maxBatch: number;
  dispose(): Promise<void>;
}

/**
 * A trained model, or an ensemble, that answers by raw ids. A model directory with a blend answers with the blend.
 * Calls made within one tick of the event loop, or while another is computed, share a forward pass. The same calls give
 * the same answers. Close it, or declare it with `await using`.
 */
export class Recommender implements AsyncDisposable {
  readonly #parts: RecommenderParts;
  readonly #ranking: IndexRecommender;
  readonly #scores: Batcher<PreparedRequest, Float32Array>;
  readonly #states: Batcher<Prompt, Float32Array>;
  readonly #users: IdTable;
  readonly #items: IdTable;
  readonly #similarities: Similarities;
  #closing: Promise<void> | undefined;

  /** @internal Use {@link openRecommender}. */
  constructor(parts: RecommenderParts) {
    this.#parts = parts;
    const { models, predictor, maxBatch } = parts;
    const { ids } = models[0];
    this.#users = new IdTable("user", ids.users);
    this.#items = new IdTable("item", ids.items);
    this.#ranking = new IndexRecommender(predictor);
    this.#scores = new Batcher(async (requests, signal) => {
      return rowsOf(await this.#ranking.preparedScores(requests, signal), requests.length);
    }, maxBatch);
    this.#states = new Batcher(async (prompts, signal) => {
      return rowsOf(await this.#ranking.promptEmbeddings(prompts, signal), prompts.length);
    }, maxBatch);
    this.#similarities = new Similarities(models.map(({ tables }) => tables.collaborative.items));
  }

  /**
   * What answers: the members of the blend with their weights, or nothing where a model or an ensemble answers alone.
   */
  get members(): readonly BlendMember[] {
    return this.#parts.predictor.blend?.members ?? [];
  }

  /** Raw ids of the users that the model was trained on. */
  get users(): readonly string[] {
    return this.#users.ids;
  }

  /** Raw ids of all items, the order of `scores` and `embedItems`. */
  get items(): readonly string[] {
    return this.#items.ids;
  }

  /** Whether {@link explain} is available: some model of the ensemble has content tables. */
  get explains(): boolean {
    return this.#parts.models.some(({ tables }) => tables.content);
  }

  /** The item's title, where the dataset has titles. @throws UnknownIdError */
  titleOf(item: string): string | undefined {
    return this.#parts.content.titles?.[this.#items.row(item)] ?? undefined;
  }

  /**
   * What is known of the user, by raw item id: what `recommend` takes as the history.
   * @throws UnknownIdError; NotAvailableError where the model knows no histories
   */
  historyOf(user: string): string[] {
    return Array.from(this.#parts.content.historyOf(this.#users.row(user)), (row) => this.items[row]!);
  }

  /**
   * The k best items, without those of the history, of `exclude`, and those that `filter` refuses; fewer only where
   * fewer are left.
   * @throws UnknownIdError for a user or an item of the history that the model does not know; NotAvailableError where
   *   the user's history is not known; RecommendError for a request without user and history, a history alone where the
   *   model needs the user, or a `k` that is no positive integer; the signal's reason when aborted
   */
  async recommend(request: RecommendRequest): Promise<Recommendation[]> {
    const { k, includeHistory = false, signal } = request;
    checkCount("k", k);
    const whom = this.#resolve(request);
    const masked = this.#masked(request, includeHistory ? [] : whom.history);
    const scores = await this.#scores.submit(this.#ranking.prepare(whom), signal);
    return this.#best(scores, k, masked);
  }

  /**
   * The scores (logits, Eq. 9, or those of the blend) of the items named, or of all in the order of {@link items};
   * those of the history included.
   * @throws as {@link recommend} does
   */
  async scores({ items, ...whom }: Whom & { readonly items?: readonly string[] | undefined }): Promise<Float32Array> {
    const rows = items?.map((item) => this.#items.row(item));
    const scores = await this.#scores.submit(this.#ranking.prepare(this.#resolve(whom)), whom.signal);
    return rows ? Float32Array.from(rows, (row) => scores[row]!) : scores.slice();
  }

  /**
   * The k items whose embeddings are nearest by cosine, which users of the same taste have; of an ensemble, by the mean
   * of the cosines.
   * @throws UnknownIdError for an item that the model does not know; RecommendError for a `k` that is no positive
   *   integer
   */
  async similarItems(item: string, k: number, selection: Selection = {}): Promise<Recommendation[]> {
    this.#checkOpen();
    checkCount("k", k);
    const row = this.#items.row(item);
    return this.#best(this.#similarities.of(row), k, this.#masked(selection, [row]));
  }

  /**
   * The embedding of the user or history, [M·K]: its inner product with a row of {@link embedItems} is the item's score
   * by the model alone, without the other members of a blend, but for rounding. For retrieval in a vector store.
   * @throws as {@link recommend} does
   */
  async embedUser(whom: Whom): Promise<Float32Array> {
    const embedding = await this.#states.submit(this.#ranking.prompt(this.#resolve(whom)), whom.signal);
    return embedding.slice();
  }

  /**
   * The embeddings of the items named, or of all, [items, M·K].
   * @throws UnknownIdError for an item that the model does not know
   */
  async embedItems(items?: readonly string[]): Promise<Embeddings> {
    this.#checkOpen();
    const rows = items ? items.map((item) => this.#items.row(item)) : Array.from(this.items.keys());
    const data = this.#ranking.itemEmbeddings(rows);
    return { rows: rows.length, width: this.#parts.models.length * this.#parts.predictor.model.vocabulary.width, data };
  }

  /**
   * Text from the content LLM: the review that the user might write of the item, or, without a user, a description of
   * the item. Of an ensemble, from the first model that has content tables.
   * @throws NotAvailableError `no-content-tables` where the model was trained without texts; UnknownIdError for unknown
   *   ids
   */
  async explain({ item, user, signal, ...sampling }: ExplainRequest): Promise<Explanation> {
    this.#checkOpen();
    const { models, predictor } = this.#parts;
    const pair = { item: this.#items.row(item), user: user === undefined ? undefined : this.#users.row(user) };
    const tables = models.find((model) => model.tables.content)?.tables.content;
    if (!tables) {
      throw new NotAvailableError(
        "no-content-tables",
        `${models[0].directory}: the model has no content tables, since it was trained without texts; train it ` +
          "with reviews or descriptions for explanations",
      );
    }
    const { model, tokenizer } = predictor;
    const { prompts } = models[0];
    return explain({ model, tables, tokenizer, prompts }, pair, { ...sampling, ...(signal && { signal }) });
  }

  /** Answers what is being computed, refuses everything else, and frees the backbone. Any number of calls. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const reason = closed();
    await Promise.all([this.#scores.close(reason), this.#states.close(reason)]);
    await this.#parts.dispose();
  }

  #checkOpen(): void {
    if (this.#closing) throw closed();
  }

  #resolve({ user, history }: Whom): RecommendationRequest & { readonly history: Int32Array } {
    const { userToken } = this.#parts.predictor;
    if (user === undefined && history === undefined)
      throw new RecommendError("nobody to recommend to; give a user, a history, or both");
    if (history !== undefined && !Array.isArray(history))
      throw new RecommendError(`history: found ${JSON.stringify(history)}, expected an array of raw item ids`);
    if (userToken && user === undefined) {
      throw new RecommendError(
        `${this.#parts.models[0].directory}: the model was trained with the user token, so a history alone is not ` +
          "enough; name the user, or train without it",
      );
    }
    const row = user === undefined ? undefined : this.#users.row(user);
    const rows = history ? this.#items.rowsOf(history) : this.#parts.content.historyOf(row!);
    if (rows.length === 0 && !userToken) {
      throw new RecommendError(
        history
          ? "history: found no items, expected at least one"
          : `user ${JSON.stringify(user)}: found no items in the history, and the model was trained without the ` +
              "user token; give a history",
      );
    }
    return { history: rows, ...(row !== undefined && { user: row }) };
  }

  /** Rows of the items that must not be in a list. */
  #masked({ exclude = [], filter }: Selection, history: Iterable<number>): Set<number> {
    const masked = new Set(history);
    for (const item of exclude) if (this.#items.has(item)) masked.add(this.#items.row(item));
    if (filter) for (const [row, item] of this.items.entries()) if (!filter(item)) masked.add(row);
    return masked;
  }

  /** @param scores [J] */
  #best(scores: Float32Array, k: number, masked: Set<number>): Recommendation[] {
    const { titles } = this.#parts.content;
    const best = topK(scores, { items: scores.length, k: Math.min(k, scores.length), masked: itemLists([masked]) });
    return Array.from(best.items.subarray(0, best.lengths[0]), (row, rank) => {
      const title = titles?.[row];
      return { item: this.items[row]!, score: best.scores[rank]!, ...(typeof title === "string" && { title }) };
    });
  }
}

const closed = () => new RecommendError("this recommender is closed; open it again with openRecommender");

function checkCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RecommendError(`${name}: found ${value}, expected a positive integer`);
}

/** The rows of a matrix, as views. */
function rowsOf(matrix: Float32Array, rows: number): Float32Array[] {
  const width = matrix.length / rows;
  return Array.from({ length: rows }, (_, row) => matrix.subarray(row * width, (row + 1) * width));
}
