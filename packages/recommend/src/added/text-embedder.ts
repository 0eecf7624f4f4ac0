// From the text of a new item to its embedding, f(x) = xᵀW, and to the items of training whose texts are most alike.
import type { SoftTables } from "@cllm4rec/backbone";
import { combineFeatures, encodeWords, type SparseFeatures } from "@cllm4rec/corpus/prompts";
import { topK } from "@cllm4rec/eval";
import type { TextBlock, TextBlocks } from "@cllm4rec/training/model";
import type { TrainedModel } from "../directory/trained-model.js";
import { NotAvailableError } from "../error.js";
import { ItemError, type NewItem } from "./new-item.js";

// Shape legend: J items of training, A new items, F words of all blocks, K width, n neighbours.

/** Items of training whose texts are like a new item's, most alike first. */
export interface Neighbours {
  /** [n], from 1 to 20 */
  readonly items: Int32Array;
  /** [n], cosines of the texts, scaled to a sum of 1 */
  readonly weights: Float64Array;
}

/** What the texts of new items become. */
export interface EmbeddedItem {
  /** [K] of the collaborative table. */
  readonly collaborative: Float32Array;
  /** [K] of the content table, where the model has one. */
  readonly content: Float32Array | undefined;
  readonly neighbours: Neighbours;
}

/** How many neighbours an item has at most. */
const NEIGHBOURS = 20;
/** How many items of training {@link TextEmbedder.reference} looks at. */
const REFERENCE = 256;

/** Embeds items by the words of one model. */
export class TextEmbedder {
  readonly #blocks: TextBlocks;
  readonly #index: TextIndex;
  #reference: readonly Neighbours[] | undefined;

  /** @throws NotAvailableError for a model that was written without the words of its items' texts */
  constructor(private readonly model: TrainedModel) {
    const { textFeatures, directory } = model;
    if (!textFeatures) {
      throw new NotAvailableError(
        "no-text-features",
        `${directory}: this model cannot embed items by their text, since it does not hold the words of its items' ` +
          "texts; train it again on a dataset with titles or texts of items",
      );
    }
    this.#blocks = textFeatures;
    this.#index = new TextIndex(textFeatures);
  }

  /** Neighbours of up to 256 items of training, evenly spread, as if each were new. */
  get reference(): readonly Neighbours[] {
    this.#reference ??= this.#index.sample(REFERENCE);
    return this.#reference;
  }

  /**
   * With a text map the embedding is f(x), what training gives an item of this text that nobody has. Without one it is
   * the mean of the neighbours' embeddings.
   * @returns in the order of the items
   * @throws ItemError `no-known-word`
   */
  embed(items: readonly NewItem[]): EmbeddedItem[] {
    if (items.length === 0) return [];
    const features = combineFeatures(
      this.#blocks.map((block) => {
        const texts = items.map((item) => readBy(block, item, this.#blocks));
        return { name: block.name, weight: block.weight, ...encodeWords(texts, block) };
      }),
    );
    return items.map(({ item }, row) => {
      const neighbours = this.#index.neighbours(features, row);
      if (neighbours.items.length === 0) {
        throw new ItemError(
          "no-known-word",
          item,
          `found no word in its text that the texts of the model's ${this.#index.items} items have; describe it in ` +
            "their language and words",
        );
      }
      const { collaborative, content, textMap } = this.model.tables;
      const embedding = (table: SoftTables) =>
        textMap ? product(features, row, textMap.data, textMap.rows) : mean(table.items, neighbours);
      return { collaborative: embedding(collaborative), content: content && embedding(content), neighbours };
    });
  }
}

/** What a block reads of an item. */
function readBy({ reads }: TextBlock, { text, title }: NewItem, blocks: TextBlocks): string | null {
  if (reads === "reviews") return null;
  if (reads === "text") return text;
  // A model that read titles alone has nothing else to read a text by.
  return blocks.some((block) => block.reads === "text") ? (title ?? text) : `${title ?? ""} ${text}`;
}

/** xᵀW of one row, in single precision and in the order of training: the same bits. */
function product(features: SparseFeatures, row: number, weights: Float32Array, rows: number): Float32Array {
  const width = weights.length / rows;
  const { indptr, indices, values } = features;
  const sums = new Float32Array(width);
  for (let p = indptr[row]!; p < indptr[row + 1]!; p++) {
    const [start, value] = [indices[p]! * width, values[p]!];
    for (let k = 0; k < width; k++) sums[k] = sums[k]! + Math.fround(value * weights[start + k]!);
  }
  return sums;
}

function mean({ rows, data }: SoftTables["items"], { items, weights }: Neighbours): Float32Array {
  const width = data.length / rows;
  const sums = new Float64Array(width);
  for (const [n, item] of items.entries())
    for (let k = 0; k < width; k++) sums[k]! += weights[n]! * data[item * width + k]!;
  return Float32Array.from(sums);
}

/** The texts of the items of training by word: cosines with a new text. */
class TextIndex {
  /** [F + 1] */
  readonly #from: Int32Array;
  /** Items by word, and the share of the word in each one's text of length 1. */
  readonly #owners: Int32Array;
  readonly #shares: Float32Array;
  /** J */
  readonly items: number;
  readonly #texts: SparseFeatures;

  constructor(blocks: TextBlocks) {
    this.#texts = combineFeatures(blocks.map(({ name, weight, features }) => ({ name, weight, ...features })));
    const { rows, columns, indptr, indices, values } = this.#texts;
    this.items = rows;
    this.#from = new Int32Array(columns + 1);
    for (const column of indices) this.#from[column + 1]!++;
    for (let f = 0; f < columns; f++) this.#from[f + 1]! += this.#from[f]!;
    const next = this.#from.slice(0, columns);
    this.#owners = new Int32Array(indices.length);
    this.#shares = new Float32Array(indices.length);
    for (let item = 0; item < rows; item++) {
      const own = values.subarray(indptr[item], indptr[item + 1]);
      const length = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0));
      own.forEach((value, p) => {
        const at = next[indices[indptr[item]! + p]!]!++;
        this.#owners[at] = item;
        this.#shares[at] = value / length;
      });
    }
  }

  /** The neighbours of items that have any, at most so many of them. */
  sample(most: number): Neighbours[] {
    const { indptr } = this.#texts;
    const described = Array.from({ length: this.items }, (_, item) => item).filter(
      (item) => indptr[item + 1]! > indptr[item]!,
    );
    const step = Math.max(1, described.length / most);
    const items = Array.from({ length: Math.min(most, described.length) }, (_, n) => described[Math.floor(n * step)]!);
    return items.map((item) => this.neighbours(this.#texts, item, item)).filter((one) => one.items.length > 0);
  }

  /** Those with a cosine above 0, but `without`; of equal ones the first. */
  neighbours({ indptr, indices, values }: SparseFeatures, row: number, without = -1): Neighbours {
    const cosines = new Float32Array(this.items);
    for (let p = indptr[row]!; p < indptr[row + 1]!; p++) {
      const [column, value] = [indices[p]!, values[p]!];
      for (let at = this.#from[column]!; at < this.#from[column + 1]!; at++)
        cosines[this.#owners[at]!]! += value * this.#shares[at]!;
    }
    if (without >= 0) cosines[without] = 0;
    const found = topK(cosines, { items: this.items, k: Math.min(NEIGHBOURS, this.items) });
    const best = Array.from(found.items, (item, n) => [item, found.scores[n]!] as const).filter(([, x]) => x > 0);
    const sum = best.reduce((total, [, cosine]) => total + cosine, 0);
    return {
      items: Int32Array.from(best, ([item]) => item),
      weights: Float64Array.from(best, ([, cosine]) => cosine / sum),
    };
  }
}
