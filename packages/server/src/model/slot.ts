// A model that can be replaced while requests use it: each request keeps the generation that it began with, and a
// replaced one is closed when its last request is answered.
import { ItemFileError, type OpenRecommenderOptions, openRecommender, type Recommender } from "@cllm4rec/recommend";
import { Catalog } from "./catalog.js";

/** One opening of the model directories. */
export interface Generation {
  /** 1 for the first opening, then one more at each reload. */
  readonly number: number;
  readonly recommender: Recommender;
  readonly catalog: Catalog;
}

interface Held extends Generation {
  uses: number;
  retired: boolean;
}

/** The model directories of an ensemble, and the recommender that answers for them now. */
export class ModelSlot {
  #current: Held;
  /** The last reload or change of items: these take turns. */
  #turn: Promise<unknown> = Promise.resolve();
  /** What is being closed. */
  readonly #closing = new Set<Promise<void>>();

  private constructor(
    readonly directories: readonly string[],
    private readonly options: OpenRecommenderOptions,
    first: Held,
  ) {
    this.#current = first;
  }

  /** @throws what `openRecommender` throws */
  static async open(directories: readonly string[], options: OpenRecommenderOptions): Promise<ModelSlot> {
    return new ModelSlot(directories, options, await openGeneration(directories, options, 1));
  }

  /** The generation of new requests; for what needs no time, since the next call may find another one. */
  get current(): Generation {
    return this.#current;
  }

  /** Does work with one generation, which stays open until the work is done. */
  async use<T>(work: (generation: Generation) => Promise<T>): Promise<T> {
    const held = this.#current;
    held.uses++;
    try {
      return await work(held);
    } finally {
      held.uses--;
      this.#closeUnused(held);
    }
  }

  /**
   * Does work that changes the items of the current generation; no reload and no other change runs meanwhile.
   * @throws what `work` throws
   */
  change<T>(work: (generation: Generation) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.use(work));
  }

  /**
   * Opens the directories again and answers new requests from what they hold now. The previous model stays in use
   * where this fails. Items that were added or removed are taken over. Reloads take turns.
   * @throws what `openRecommender` throws
   */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const next = await openGeneration(this.directories, this.options, this.#current.number + 1);
      const old = this.#current;
      try {
        await takeOver(next.recommender, old.recommender);
      } catch (error) {
        await next.recommender.close();
        throw error;
      }
      this.#current = next;
      old.retired = true;
      this.#closeUnused(old);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Closes the model as soon as it is not used. */
  async close(): Promise<void> {
    await this.#turn;
    this.#current.retired = true;
    this.#closeUnused(this.#current);
    await Promise.all(this.#closing);
  }

  #closeUnused(held: Held): void {
    if (!held.retired || held.uses > 0) return;
    const closing: Promise<void> = held.recommender.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/**
 * What was changed of the items, where the file that keeps it went with the directory that was replaced. An item that
 * the new model cannot embed is left out.
 * @throws ItemFileError where the file cannot be written
 */
async function takeOver(next: Recommender, old: Recommender): Promise<void> {
  const removed = old.removedItems.filter((item) => next.hasItem(item) && !isAdded(next, item));
  if (removed.length > 0) await next.removeItems(removed);
  const added = old.addedItems.filter(({ item }) => !next.hasItem(item));
  if (added.length === 0) return;
  try {
    await next.addItems(added);
  } catch (error) {
    if (error instanceof ItemFileError) throw error;
    for (const item of added) {
      await next.addItems([item]).catch((problem: unknown) => {
        if (problem instanceof ItemFileError) throw problem;
      });
    }
  }
}

const isAdded = ({ addedItems }: Recommender, id: string) => addedItems.some(({ item }) => item === id);

async function openGeneration(
  directories: readonly string[],
  options: OpenRecommenderOptions,
  number: number,
): Promise<Held> {
  const recommender = await openRecommender(directories, options);
  return { number, recommender, catalog: new Catalog(recommender), uses: 0, retired: false };
}
