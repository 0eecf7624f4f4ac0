// A trained model behind raw ids: recommendations, scores, similar items, embeddings and explanations.
import type { GenerateOptions, Prompt } from "@cllm4rec/backbone";
import type { RecommendationRequest } from "@cllm4rec/corpus/prompts";
import { itemLists, topK } from "@cllm4rec/eval";
import { Catalogue, type TrainedParts } from "./added/catalogue.js";
import type { ItemKeeper } from "./added/item-keeper.js";
import type { NewItem } from "./added/new-item.js";
import { Batcher } from "./batcher.js";
import type { BlendMember } from "./blend/mixer.js";
import type { Predictor } from "./directory/predictor.js";
import type { Ensemble } from "./directory/trained-model.js";
import { NotAvailableError, RecommendError } from "./error.js";
import { type Explanation, explain } from "./explain.js";
import type { KnownContent } from "./histories.js";
import { IdTable } from "./ids.js";
import type { PreparedRequest } from "./ranking/index-recommender.js";

// Shape legend: J items, K width, M models of an ensemble.

/** The user of a request: a user of the training data, or anyone with a history. */
export interface Whom {
  /** A user by raw id. Without `history`, the user's known items are the history. */
  readonly user?: string | undefined;
  /** Items by raw id, instead of the user's known items. An item that is listed twice counts once. */
  readonly history?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which items may be in a list. */
export interface Selection {
  /** Items to leave out, by raw id; ids that the model does not know are ignored. */
  readonly exclude?: Iterable<string> | undefined;
  /** Whether an item may be in the list; called once for every item. */
  readonly filter?: ((item: string) => boolean) | undefined;
}

/** Options of {@link Recommender.recommend}. */
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

/** Options of {@link Recommender.explain}: the user and item, and how the text is sampled. */
export interface ExplainRequest extends Omit<GenerateOptions, "stopTokens" | "signal"> {
  readonly item: string;
  /** Whose review is to be written; absent: a description of the item. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The parts of a recommender; `openRecommender` assembles them. */
export interface RecommenderParts {
  readonly models: Ensemble;
  readonly predictor: Predictor;
  readonly content: KnownContent;
  readonly items: IdTable;
  readonly keeper: ItemKeeper;
  readonly maxBatch: number;
  dispose(): Promise<void>;
}

/** A request with the items that it was made for. */
interface Asked<T> {
  readonly catalogue: Catalogue;
  readonly request: T;
}

/**
 * A trained model, or an ensemble, by raw ids. If the model directory has a blend, the recommender uses it. Calls made
 * within one tick of the event loop, or while another is computed, share a forward pass. The same calls give the same
 * results. Close it, or declare it with `await using`.
 */
export class Recommender implements AsyncDisposable {
  readonly #parts: RecommenderParts;
  readonly #trained: TrainedParts;
  #catalogue: Catalogue;
  readonly #scores: Batcher<Asked<PreparedRequest>, Float32Array>;
  readonly #states: Batcher<Asked<Prompt>, Float32Array>;
  readonly #users: IdTable;
  #closing: Promise<void> | undefined;

  /** @internal Use {@link openRecommender}. */
  constructor(parts: RecommenderParts) {
    this.#parts = parts;
    const { models, predictor, items, keeper, content, maxBatch } = parts;
    this.#users = new IdTable("user", models[0].ids.users);
    this.#trained = { models, predictor, items, titles: content.titles };
    this.#catalogue = new Catalogue(this.#trained, keeper.state);
    this.#scores = new Batcher(
      byCatalogue(({ ranking }, requests, signal) => ranking.preparedScores(requests, signal)),
      maxBatch,
    );
    this.#states = new Batcher(
      byCatalogue(({ ranking }, prompts, signal) => ranking.promptEmbeddings(prompts, signal)),
      maxBatch,
    );
  }

  /**
   * The members of the blend with their weights; empty for a model or an ensemble without a blend.
   */
  get members(): readonly BlendMember[] {
    return this.#parts.predictor.blend?.members ?? [];
  }

  /** Raw ids of the users that the model was trained on. */
  get users(): readonly string[] {
    return this.#users.ids;
  }

  /**
   * Raw ids of all items, the order of `scores` and `embedItems`: those of training that were not removed, then those
   * that were added.
   */
  get items(): readonly string[] {
    return this.#catalogue.items.ids;
  }

  /** The items that were added by their text, in the order in which they were added. */
  get addedItems(): readonly NewItem[] {
    return this.#catalogue.state.added.map(({ embedded: _, ...item }) => item);
  }

  /** Raw ids of items of training that were removed. */
  get removedItems(): readonly string[] {
    return [...this.#catalogue.state.removed];
  }

  /** Whether there is an item of this id that may be recommended. */
  hasItem(item: string): boolean {
    return this.#catalogue.items.has(item);
  }

  /** Whether {@link explain} is available: some model of the ensemble has content tables. */
  get explains(): boolean {
    return this.#parts.models.some(({ tables }) => tables.content);
  }

  /** The item's title, where it has one; also of an item that was removed. @throws UnknownIdError */
  titleOf(item: string): string | undefined {
    return this.#catalogue.titleOf(this.#catalogue.items.knownRow(item));
  }

  /**
   * The user's known items, by raw id: the history that `recommend` uses.
   * @throws UnknownIdError; NotAvailableError where the model knows no histories
   */
  historyOf(user: string): string[] {
    const { items } = this.#catalogue;
    return Array.from(this.#parts.content.historyOf(this.#users.row(user)), (row) => items.idOf(row));
  }

  /**
   * Whether the model can recommend for this user: it needs a history, or the user token in the prompt.
   * @throws as {@link historyOf} does
   */
  knows(user: string): boolean {
    return this.#parts.predictor.userToken || this.#parts.content.historyOf(this.#users.row(user)).length > 0;
  }

  /**
   * Adds items that the model was not trained on. Their embedding is a function of their text, which training learned
   * (the text map); a model without that map gives an item the mean embedding of the items with the most similar texts.
   * The other members of a blend score an added item by these. From then on it can be recommended and be in histories.
   * The items are written to disk (`itemsFile` of `openRecommender`) before they are in use: all of them or none.
   * @throws ItemError for an id that exists, a text that is empty or has no word that the model knows;
   *   NotAvailableError `no-text-features` for a model without words; ItemFileError where the file cannot be written
   */
  addItems(items: readonly NewItem[]): Promise<void> {
    return this.#change(() => this.#parts.keeper.add(items));
  }

  /**
   * Replaces text and title of items that were added.
   * @throws UnknownIdError; ItemError `trained` for an item of training; as {@link addItems} does
   */
  updateItems(items: readonly NewItem[]): Promise<void> {
    return this.#change(() => this.#parts.keeper.update(items));
  }

  /**
   * Removes items: they are no longer recommended or listed. Added ones are forgotten; those of training stay known in
   * histories, and may be added again by their text.
   * @throws UnknownIdError; ItemFileError where the file cannot be written
   */
  removeItems(items: readonly string[]): Promise<void> {
    return this.#change(() => this.#parts.keeper.remove(items));
  }

  /**
   * The k best items, except those of the history, those of `exclude`, and those that `filter` rejects; fewer only if
   * fewer are left.
   * @throws UnknownIdError for a user or an item of the history that the model does not know; NotAvailableError where
   *   the user's history is not known; RecommendError for a request without user and history, a history alone where the
   *   model needs the user, or a `k` that is no positive integer; the signal's reason when aborted
   */
  async recommend(request: RecommendRequest): Promise<Recommendation[]> {
    const { k, includeHistory = false, signal } = request;
    checkCount("k", k);
    const catalogue = this.#catalogue;
    const whom = this.#resolve(request, catalogue);
    const masked = maskedRows(catalogue, request, includeHistory ? [] : whom.history);
    const scores = await this.#scores.submit({ catalogue, request: catalogue.ranking.prepare(whom) }, signal);
    return best(catalogue, scores, k, masked);
  }

  /**
   * The scores (logits, Eq. 9, or those of the blend) of the items named, or of all in the order of {@link items};
   * those of the history included.
   * @throws as {@link recommend} does
   */
  async scores({ items, ...whom }: Whom & { readonly items?: readonly string[] | undefined }): Promise<Float32Array> {
    const catalogue = this.#catalogue;
    const rows = items?.map((item) => catalogue.items.row(item)) ?? catalogue.items.rows;
    const request = catalogue.ranking.prepare(this.#resolve(whom, catalogue));
    const scores = await this.#scores.submit({ catalogue, request }, whom.signal);
    return rows ? Float32Array.from(rows, (row) => scores[row]!) : scores.slice();
  }

  /**
   * The k items whose embeddings are nearest by cosine: items of users with the same taste. Of an ensemble, by the mean
   * of the cosines.
   * @throws UnknownIdError for an item that the model does not know; RecommendError for a `k` that is no positive
   *   integer
   */
  async similarItems(item: string, k: number, selection: Selection = {}): Promise<Recommendation[]> {
    this.#checkOpen();
    checkCount("k", k);
    const catalogue = this.#catalogue;
    const row = catalogue.items.row(item);
    return best(catalogue, catalogue.similarities.of(row), k, maskedRows(catalogue, selection, [row]));
  }

  /**
   * The embedding of the user or history, [M·K]: its inner product with a row of {@link embedItems} is the item's score
   * by the model alone, without the other members of a blend, but for rounding. For retrieval in a vector store.
   * @throws as {@link recommend} does
   */
  async embedUser(whom: Whom): Promise<Float32Array> {
    const catalogue = this.#catalogue;
    const request = catalogue.ranking.prompt(this.#resolve(whom, catalogue));
    const embedding = await this.#states.submit({ catalogue, request }, whom.signal);
    return embedding.slice();
  }

  /**
   * The embeddings of the items named, or of all, [items, M·K].
   * @throws UnknownIdError for an item that the model does not know
   */
  async embedItems(items?: readonly string[]): Promise<Embeddings> {
    this.#checkOpen();
    const { items: live, ranking } = this.#catalogue;
    const rows = (items ?? live.ids).map((item) => live.row(item));
    const data = ranking.itemEmbeddings(rows);
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
    const { models } = this.#parts;
    const { items, predictor } = this.#catalogue;
    const pair = { item: items.row(item), user: user === undefined ? undefined : this.#users.row(user) };
    const tables = this.#catalogue.contentTables();
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

  /** Finishes what is being computed, refuses everything else, and frees the backbone. May be called repeatedly. */
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

  async #change(change: () => Promise<void>): Promise<void> {
    this.#checkOpen();
    await change();
    this.#catalogue = new Catalogue(this.#trained, this.#parts.keeper.state);
  }

  #resolve({ user, history }: Whom, { items }: Catalogue): RecommendationRequest & { readonly history: Int32Array } {
    const { userToken } = this.#parts.predictor;
    if (user === undefined && history === undefined)
      throw new RecommendError("found neither user nor history; give one or both");
    if (history !== undefined && !Array.isArray(history))
      throw new RecommendError(`history: found ${JSON.stringify(history)}, expected an array of raw item ids`);
    if (userToken && user === undefined) {
      throw new RecommendError(
        `${this.#parts.models[0].directory}: the model was trained with the user token, so a history alone is not ` +
          "enough; name the user, or train without it",
      );
    }
    const row = user === undefined ? undefined : this.#users.row(user);
    const rows = history
      ? Int32Array.from(new Set(history.map((item) => items.knownRow(item))))
      : items.current(this.#parts.content.historyOf(row!));
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
}

/** Rows of the items that must not be in a list. */
function maskedRows({ items }: Catalogue, { exclude = [], filter }: Selection, history: Iterable<number>): Set<number> {
  const masked = new Set([...history, ...items.removedRows]);
  for (const item of exclude) if (items.has(item)) masked.add(items.row(item));
  if (filter) for (const item of items.ids) if (!filter(item)) masked.add(items.row(item));
  return masked;
}

/** @param scores of all rows, those of removed items included */
function best(catalogue: Catalogue, scores: Float32Array, k: number, masked: Set<number>): Recommendation[] {
  const found = topK(scores, { items: scores.length, k: Math.min(k, scores.length), masked: itemLists([masked]) });
  return Array.from(found.items.subarray(0, found.lengths[0]), (row, rank) => {
    const title = catalogue.titleOf(row);
    return { item: catalogue.items.idOf(row), score: found.scores[rank]!, ...(title !== undefined && { title }) };
  });
}

/** Requests that were made before and after a change of the items are answered each over their own. */
function byCatalogue<T>(
  answer: (catalogue: Catalogue, requests: readonly T[], signal: AbortSignal) => Promise<Float32Array>,
) {
  return async (asked: readonly Asked<T>[], signal: AbortSignal): Promise<Float32Array[]> => {
    const answers = new Map<Asked<T>, Float32Array>();
    for (const catalogue of new Set(asked.map((one) => one.catalogue))) {
      const group = asked.filter((one) => one.catalogue === catalogue);
      const requests = group.map(({ request }) => request);
      const rows = rowsOf(await answer(catalogue, requests, signal), group.length);
      for (const [at, one] of group.entries()) answers.set(one, rows[at]!);
    }
    return asked.map((one) => answers.get(one)!);
  };
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
