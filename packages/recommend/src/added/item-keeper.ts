// Adding, changing and removing items: checked, embedded, written to the file, and only then in use.
import type { Ensemble } from "../directory/trained-model.js";
import { reasonOf, UnknownIdError } from "../error.js";
import type { IdTable } from "../ids.js";
import type { AddedItem, ItemState } from "./catalogue.js";
import type { ItemFile } from "./item-file.js";
import { checkNewItem, ItemError, type NewItem } from "./new-item.js";
import { TextEmbedder } from "./text-embedder.js";

/** Keeps the changes of one recommender's items. */
export class ItemKeeper {
  #state: ItemState = { added: [], removed: new Set(), reference: [] };
  /** What is in the file and cannot be used with this model, kept for another. */
  #unused: { readonly items: readonly NewItem[]; readonly removed: readonly string[] } = { items: [], removed: [] };
  #embedders: readonly TextEmbedder[] | undefined;
  #changing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly models: Ensemble,
    private readonly trained: IdTable,
    private readonly file: ItemFile,
  ) {}

  get state(): ItemState {
    return this.#state;
  }

  /**
   * Takes over what the file holds. An item that training knows by now is left to training; one whose text this model
   * cannot read is kept in the file and reported.
   * @throws ItemFileError for a file that is damaged
   */
  async open(onNotice: (message: string) => void): Promise<void> {
    const { items, removed } = await this.file.read();
    const gone = removed.filter((id) => this.trained.has(id));
    const isFree = ({ item }: NewItem) => !this.trained.has(item) || gone.includes(item);
    const [added, unused]: [AddedItem[], NewItem[]] = [[], []];
    for (const item of items.filter(isFree)) {
      try {
        added.push(...this.#embed([item]));
      } catch (error) {
        unused.push(item);
        onNotice(`${this.file.file}: ${JSON.stringify(item.item)} is not recommended: ${reasonOf(error)}`);
      }
    }
    this.#state = this.#stateOf({ added, removed: new Set(gone) });
    this.#unused = { items: unused, removed: removed.filter((id) => !this.trained.has(id)) };
  }

  /** @throws ItemError, RecommendError; NotAvailableError `no-text-features` */
  add(items: readonly NewItem[]): Promise<void> {
    return this.#change(({ added, removed }) => {
      const taken = new Set(added.map(({ item }) => item));
      for (const one of items) {
        checkNewItem(one);
        const { item } = one;
        if (taken.has(item) || (this.trained.has(item) && !removed.has(item)))
          throw new ItemError("exists", item, "there is an item of this id; choose another id, or update the item");
        taken.add(item);
      }
      return { added: [...added, ...this.#embed(items)], removed };
    });
  }

  /** @throws UnknownIdError; ItemError `trained` */
  update(items: readonly NewItem[]): Promise<void> {
    return this.#change(({ added, removed }) => {
      const changed = new Map<string, NewItem>();
      for (const one of items) {
        checkNewItem(one);
        const { item } = one;
        if (!added.some((known) => known.item === item)) throw this.#notAdded(item, added, removed);
        changed.set(item, one);
      }
      const embedded = new Map(this.#embed([...changed.values()]).map((item) => [item.item, item]));
      return { added: added.map((item) => embedded.get(item.item) ?? item), removed };
    });
  }

  /** @throws UnknownIdError */
  remove(ids: readonly string[]): Promise<void> {
    return this.#change(({ added, removed }) => {
      const gone = new Set<string>();
      const hidden = new Set(removed);
      for (const id of new Set(ids)) {
        if (added.some(({ item }) => item === id)) gone.add(id);
        else if (this.trained.has(id) && !removed.has(id)) hidden.add(id);
        else throw unknown(id, added);
      }
      return { added: added.filter(({ item }) => !gone.has(item)), removed: hidden };
    });
  }

  /** One change after the other; nothing is in use before it is on disk. */
  #change(next: (state: ItemState) => Omit<ItemState, "reference">): Promise<void> {
    const changed = this.#changing.then(async () => {
      const state = next(this.#state);
      const items = [...state.added, ...this.#unused.items].map(plain);
      await this.file.write({ items, removed: [...state.removed, ...this.#unused.removed] });
      this.#state = this.#stateOf(state);
    });
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  #stateOf({ added, removed }: Omit<ItemState, "reference">): ItemState {
    return { added, removed, reference: added.length > 0 ? this.#embedders![0]!.reference : [] };
  }

  #embed(items: readonly NewItem[]): AddedItem[] {
    if (items.length === 0) return [];
    this.#embedders ??= this.models.map((model) => new TextEmbedder(model));
    const embedded = this.#embedders.map((embedder) => embedder.embed(items));
    return items.map((item, a) => ({ ...plain(item), embedded: embedded.map((one) => one[a]!) }));
  }

  #notAdded(item: string, added: readonly NewItem[], removed: ReadonlySet<string>): Error {
    if (!this.trained.has(item) || removed.has(item)) return unknown(item, added);
    return new ItemError(
      "trained",
      item,
      "the model was trained with it, and its text is part of the training; remove it and add it again to go by the " +
        "new text alone, or train again",
    );
  }
}

const plain = ({ item, text, title }: NewItem): NewItem => ({ item, text, ...(title !== undefined && { title }) });

function unknown(id: string, added: readonly NewItem[]): UnknownIdError {
  const ids = added.map(({ item }) => item);
  return new UnknownIdError("item", String(id), [], ids);
}
