// Finding users by id and items by id or title, as a person types.
import type { Recommender } from "@cllm4rec/recommend";

/** An item as lists show it. */
export interface CatalogItem {
  readonly item: string;
  readonly title?: string;
}

/** The ids and titles of one model. */
export class Catalog {
  #texts: readonly string[] | undefined;

  constructor(private readonly recommender: Recommender) {}

  /** To be called when items were added or removed. */
  clear(): void {
    this.#texts = undefined;
  }

  /** The item with its title. @throws UnknownIdError */
  item(item: string): CatalogItem {
    const title = this.recommender.titleOf(item);
    return { item, ...(title !== undefined && { title }) };
  }

  /** Items whose id or title holds every word of the text, in the order of the model; all where it has no words. */
  searchItems(text: string, limit: number): CatalogItem[] {
    const { items } = this.recommender;
    this.#texts ??= items.map((item) => `${item} ${this.recommender.titleOf(item) ?? ""}`.toLowerCase());
    return rowsWith(this.#texts, text, limit).map((row) => this.item(items[row]!));
  }

  /** Users whose id holds every word of the text. */
  searchUsers(text: string, limit: number): string[] {
    const { users } = this.recommender;
    return rowsWith(users, text, limit, true).map((row) => users[row]!);
  }
}

function rowsWith(texts: readonly string[], query: string, limit: number, lower = false): number[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const rows: number[] = [];
  for (let row = 0; row < texts.length && rows.length < limit; row++) {
    const text = lower ? texts[row]!.toLowerCase() : texts[row]!;
    if (words.every((word) => text.includes(word))) rows.push(row);
  }
  return rows;
}
