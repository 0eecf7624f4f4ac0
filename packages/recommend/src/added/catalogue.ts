// The items of a recommender at one moment, and what ranks them: those of training, and those that were added by their
// text. A request keeps the catalogue that it began with.
import type { EmbeddingTable, SoftTables } from "@cllm4rec/backbone";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import type { Predictor } from "../directory/predictor.js";
import type { Ensemble } from "../directory/trained-model.js";
import { type IdTable, LiveItems } from "../ids.js";
import { IndexRecommender } from "../ranking/index-recommender.js";
import { Similarities } from "../similarities.js";
import type { NewItem } from "./new-item.js";
import type { EmbeddedItem, Neighbours } from "./text-embedder.js";

// Shape legend: J items of training, A added items, K width.

/** An added item with what each model of the ensemble makes of its text. */
export interface AddedItem extends NewItem {
  readonly embedded: readonly EmbeddedItem[];
}

/** The items that are in use beside those of training, and those of training that are not. */
export interface ItemState {
  readonly added: readonly AddedItem[];
  /** Raw ids of items of training. */
  readonly removed: ReadonlySet<string>;
  /** Neighbours of some items of training, where there are added ones: how far a mean over neighbours reaches. */
  readonly reference: readonly Neighbours[];
}

/** What does not change while a recommender is open. */
export interface TrainedParts {
  readonly models: Ensemble;
  readonly predictor: Predictor;
  readonly titles: readonly (string | null)[] | undefined;
  readonly items: IdTable;
}

/** Items with their rows, titles, embeddings, and what ranks them. Never changed: a change makes a new one. */
export class Catalogue {
  readonly items: LiveItems;
  readonly ranking: IndexRecommender;
  readonly similarities: Similarities;
  /** How prompts and scores are computed over these items. */
  readonly predictor: Predictor;

  constructor(
    private readonly parts: TrainedParts,
    readonly state: ItemState,
  ) {
    const { models, predictor, items } = parts;
    const { added, removed } = state;
    this.items = new LiveItems(
      items,
      added.map(({ item }) => item),
      removed,
    );
    const tables = models.map((model, m) =>
      withRows(
        model.tables.collaborative,
        added.map(({ embedded }) => embedded[m]!.collaborative),
      ),
    );
    this.predictor = added.length === 0 ? predictor : extended(predictor, tables, state);
    this.ranking = new IndexRecommender(this.predictor);
    this.similarities = new Similarities(tables.map((table) => table.items));
  }

  titleOf(row: number): string | undefined {
    const trained = this.parts.items.ids.length;
    return (
      (row < trained ? this.parts.titles?.[row] : this.state.added[row - trained]!.title || undefined) ?? undefined
    );
  }

  /** The content tables of the first model that has them. */
  contentTables(): SoftTables | undefined {
    const m = this.parts.models.findIndex(({ tables }) => tables.content);
    const content = this.parts.models[m]?.tables.content;
    if (!content) return undefined;
    return withRows(
      content,
      this.state.added.map(({ embedded }) => embedded[m]!.content!),
    );
  }
}

function extended(
  predictor: Predictor,
  tables: readonly SoftTables[],
  { added, reference }: Pick<ItemState, "added" | "reference">,
): Predictor {
  const { tokenizer, rows, users } = predictor.tokenizer;
  const items = tables[0]!.items.rows;
  return {
    ...predictor,
    tables,
    model: predictor.model.withSizes({ users, items }),
    tokenizer: new ExtendedTokenizer({ tokenizer, rows, users, items }),
    // Only a single model has a blend.
    ...(predictor.blend && {
      blend: predictor.blend.withAdded(
        added.map(({ embedded }) => embedded[0]!.neighbours),
        reference,
      ),
    }),
  };
}

/** @param rows [A] of [K] */
function withRows(tables: SoftTables, rows: readonly Float32Array[]): SoftTables {
  return rows.length === 0 ? tables : { ...tables, items: appended(tables.items, rows) };
}

function appended(table: EmbeddingTable, rows: readonly Float32Array[]): EmbeddingTable {
  const width = table.data.length / table.rows;
  const data = new Float32Array((table.rows + rows.length) * width);
  data.set(table.data);
  for (const [a, row] of rows.entries()) data.set(row, (table.rows + a) * width);
  return { rows: table.rows + rows.length, data };
}
