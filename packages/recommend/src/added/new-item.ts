// An item that a model was not trained on, and what is wrong with one.
import { RecommendError } from "../error.js";

/** An item that is known by its text. */
export interface NewItem {
  /** A raw id that no other item has. */
  readonly item: string;
  /** What is known of the item, such as a description: what the dataset's item texts are for the items of training. */
  readonly text: string;
  /** Shown in lists, and read beside the text. Absent: the text stands for it. Empty: the item has none. */
  readonly title?: string | undefined;
}

/** Why an item cannot be added, changed or removed. */
export type ItemProblem =
  /** There is an item of this id already. */
  | "exists"
  /** Neither text nor title has anything in it. */
  | "empty-text"
  /** The model knows no word of the text. */
  | "no-known-word"
  /** The item is one of training, whose text cannot change. */
  | "trained";

/** An item that cannot be added, changed or removed; nothing was changed then. */
export class ItemError extends RecommendError {
  override name = "ItemError";

  constructor(
    readonly code: ItemProblem,
    readonly item: string,
    message: string,
  ) {
    super(`item ${JSON.stringify(item)}: ${message}`);
  }
}

/** @throws RecommendError for what has no id or text; ItemError `empty-text` for a text without anything */
export function checkNewItem(value: NewItem): void {
  const { item, text, title } = value;
  if (typeof item !== "string" || item === "")
    throw new RecommendError(`items: found the id ${JSON.stringify(item)}, expected a text that is not empty`);
  if (typeof text !== "string" || !(title === undefined || typeof title === "string"))
    throw new RecommendError(`item ${JSON.stringify(item)}: found no text, or a title that is none`);
  if (!/\S/.test(text + (title ?? "")))
    throw new ItemError("empty-text", item, "the text is empty; give what is known of it, such as a description");
}
