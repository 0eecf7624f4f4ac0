// What the routes call: answers by raw ids, through a queue and a cache.
import path from "node:path";
import { type Recommendation, type Recommender, UnknownIdError } from "@cllm4rec/recommend";
import { LRUCache } from "lru-cache";
import { Problem, problemOf } from "../problem.js";
import type {
  ExplainBody,
  ItemsBody,
  ItemTextBody,
  ModelAnswer,
  RecommendAnswer,
  RecommendBody,
  SimilarBody,
} from "../schemas.js";
import { nearestOf } from "./because.js";
import { type FieldValue, fieldNames, type ItemFields, itemFilter } from "./fields.js";
import type { RequestQueue } from "./queue.js";
import type { Generation, ModelSlot } from "./slot.js";

const DEFAULT_K = 10;
const DEFAULT_TOKENS = 48;

/** What a {@link Service} is made of. */
export interface ServiceParts {
  /** By name; `main` answers where a request names none. */
  readonly models: ReadonlyMap<string, ModelSlot>;
  readonly fields: ItemFields | undefined;
  /** Of recommendations. */
  readonly queue: RequestQueue;
  /** Of texts, which take longer. */
  readonly explanations: RequestQueue;
  /** Characters of answers and their requests that the cache holds; 0 for no cache. */
  readonly cacheSize: number;
  /** Most items that are added by their text. */
  readonly maxAddedItems: number;
  /** Told what was done to how many items. */
  readonly onChanged: (change: "added" | "updated" | "removed", items: number) => void;
  /** Told whether the cache had the answer. */
  readonly onCached: (hit: boolean) => void;
}

interface Cached {
  readonly items: readonly Recommendation[];
}

/** One user or history with what is wanted. */
interface Single extends Omit<RecommendBody, "users" | "model"> {}

/** Answers requests whose form has been checked. */
export class Service {
  readonly #parts: ServiceParts;
  readonly #cache: LRUCache<string, Cached> | undefined;
  readonly #fieldNames: readonly string[];
  /** Of items, so far: an answer from before a change is not taken for one after it. */
  #changes = 0;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
    const { cacheSize } = parts;
    if (cacheSize > 0) {
      const sizeCalculation = ({ items }: Cached, key: string) =>
        items.reduce((sum, { item, title = "" }) => sum + item.length + title.length + 32, key.length + 64);
      this.#cache = new LRUCache({ maxSize: cacheSize, sizeCalculation });
    }
    this.#fieldNames = fieldNames(parts.fields);
  }

  /** The model of this name. @throws Problem 404 */
  model(name = "main"): ModelSlot {
    const slot = this.#parts.models.get(name);
    if (slot) return slot;
    const names = [...this.#parts.models.keys()].join(", ");
    throw new Problem(404, "unknown-model", `model: found ${JSON.stringify(name)}, expected one of ${names}`);
  }

  /** @throws Problem 400 for a request that makes no sense, 503 for a long queue; what the recommender throws */
  recommend({ model, users, ...single }: RecommendBody, signal: AbortSignal): Promise<RecommendAnswer> {
    if (users && (single.user !== undefined || single.history !== undefined))
      throw new Problem(400, "invalid-request", "found users together with user or history, expected one of them");
    if (!users && single.user === undefined && single.history === undefined)
      throw new Problem(400, "invalid-request", "found none of user, history and users; give one of them");
    return this.model(model).use(async (generation) => {
      if (!users) {
        this.#parts.queue.admit(1);
        return { items: await this.#recommendOne(generation, model, single, signal) };
      }
      this.#parts.queue.admit(users.length);
      const results = users.map(async (user) => {
        try {
          return { user, items: await this.#recommendOne(generation, model, { ...single, user }, signal) };
        } catch (error) {
          const problem = problemOf(error);
          if (problem.status >= 500) throw error;
          return { user, problem: problem.body };
        }
      });
      // All of them end before the model may be closed.
      await Promise.allSettled(results);
      return { results: await Promise.all(results) };
    });
  }

  async #recommendOne(
    generation: Generation,
    model: string | undefined,
    { why = false, filter, ...request }: Single,
    signal: AbortSignal,
  ): Promise<NonNullable<RecommendAnswer["items"]>> {
    const { recommender, number } = generation;
    const { queue, onCached } = this.#parts;
    const { user, history, k = DEFAULT_K, exclude, includeHistory } = request;
    const key = JSON.stringify([
      model ?? "main",
      number,
      this.#changes,
      user,
      history,
      k,
      exclude,
      includeHistory,
      filter,
    ]);
    let items = this.#cache?.get(key)?.items;
    if (this.#cache) onCached(items !== undefined);
    if (!items) {
      const wanted = filter && this.#filter(generation, filter);
      items = await queue.run(() => recommender.recommend({ ...request, k, filter: wanted, signal }), signal);
      this.#cache?.set(key, { items });
    }
    if (!why) return [...items];
    const known = history ?? recommender.historyOf(user!);
    const models = this.model(model).directories.length;
    return nearestOf(generation, items, known, models);
  }

  /** @throws as {@link recommend} does */
  similarItems({ model, item, k = DEFAULT_K, exclude, filter }: SimilarBody) {
    return this.model(model).use(async (generation) => ({
      items: await generation.recommender.similarItems(item, k, {
        exclude,
        filter: filter && this.#filter(generation, filter),
      }),
    }));
  }

  /** @throws as {@link recommend} does */
  explain({ model, item, user, maxTokens = DEFAULT_TOKENS, ...sampling }: ExplainBody, signal: AbortSignal) {
    return this.model(model).use(({ recommender }) => {
      this.#parts.explanations.admit(1);
      const given = Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined));
      return this.#parts.explanations.run(
        () => recommender.explain({ item, user, maxTokens, ...given, signal }),
        signal,
      );
    });
  }

  /** @throws UnknownIdError */
  item(item: string) {
    const fields = this.#parts.fields?.get(item);
    const { recommender, catalog } = this.model().current;
    const found = catalog.item(item);
    if (!recommender.hasItem(item)) throw new UnknownIdError("item", item, [], recommender.items);
    return { ...found, ...(fields && { fields }) };
  }

  /** What is known of a user. @throws UnknownIdError; NotAvailableError where the model knows no histories */
  user(user: string) {
    const { recommender, catalog } = this.model().current;
    return { user, history: recommender.historyOf(user).map((item) => catalog.item(item)) };
  }

  /** @throws Problem 409 for too many items; what `Recommender.addItems` throws */
  addItems({ items }: ItemsBody) {
    const { maxAddedItems } = this.#parts;
    return this.#change("added", items.length, async (recommender) => {
      const most = recommender.addedItems.length + items.length;
      if (most > maxAddedItems) {
        const problem = `${most} items would be added to the model's own, and the server takes ${maxAddedItems}`;
        throw new Problem(409, "too-many-items", `${problem}; train again with them`);
      }
      await recommender.addItems(items);
      return { items: items.map(({ item, title }) => ({ item, ...(title !== undefined && { title }) })) };
    });
  }

  /** @throws what `Recommender.updateItems` throws */
  updateItem(item: string, { text, title }: ItemTextBody) {
    return this.#change("updated", 1, async (recommender) => {
      await recommender.updateItems([{ item, text, title }]);
      return { item, ...(title !== undefined && { title }) };
    });
  }

  /** @throws UnknownIdError */
  removeItem(item: string): Promise<void> {
    return this.#change("removed", 1, (recommender) => recommender.removeItems([item]));
  }

  /** Opens the model directories again. @throws what `openRecommender` throws; the previous models stay in use */
  async reload(): Promise<void> {
    await Promise.all(Array.from(this.#parts.models.values(), (slot) => slot.reload()));
    this.#cache?.clear();
  }

  /** Facts of all models. */
  describe(): ModelAnswer {
    const models = Array.from(this.#parts.models, ([name, slot]) => {
      const { number: generation, recommender } = slot.current;
      const { users, items, explains } = recommender;
      const { directories } = slot;
      return {
        name,
        // Names only: paths are not exposed to clients.
        directories: directories.map((directory) => path.basename(path.resolve(directory))),
        generation,
        users: users.length,
        items: items.length,
        addedItems: recommender.addedItems.length,
        explains,
      };
    });
    return { models, fields: [...this.#fieldNames] };
  }

  /** Changes the items of the main model. */
  #change<T>(
    change: "added" | "updated" | "removed",
    items: number,
    work: (recommender: Recommender) => Promise<T>,
  ): Promise<T> {
    return this.model().change(async ({ recommender, catalog }) => {
      const result = await work(recommender);
      this.#changes++;
      this.#cache?.clear();
      catalog.clear();
      this.#parts.onChanged(change, items);
      return result;
    });
  }

  #filter({ recommender }: Generation, conditions: NonNullable<RecommendBody["filter"]>) {
    const { fields } = this.#parts;
    return itemFilter(conditions, this.#fieldNames, (item, name) => ownField(recommender, fields, item, name));
  }
}

function ownField(recommender: Recommender, fields: ItemFields | undefined, item: string, name: string) {
  const given: FieldValue | undefined = fields?.get(item)?.[name];
  if (given !== undefined) return given;
  if (name === "item") return item;
  return name === "title" ? recommender.titleOf(item) : undefined;
}
