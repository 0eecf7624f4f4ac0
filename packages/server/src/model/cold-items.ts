// Items that are added to a running model by their text. The recommender does it where it can; this is the one place
// that asks it.
import type { Recommender } from "@cllm4rec/recommend";
import { Problem } from "../problem.js";

/** An item that the model was not trained on. */
export interface NewItem {
  readonly item: string;
  readonly text: string;
  readonly title?: string | undefined;
}

/** A recommender that embeds items from their text. */
interface AddsItems {
  addItem(item: NewItem): Promise<void>;
  removeItem(item: string): Promise<void>;
}

/** @throws Problem 501 where the model has no map from texts to embeddings */
export function addingTo(recommender: Recommender): AddsItems {
  const candidate: Partial<AddsItems> = recommender as Recommender & Partial<AddsItems>;
  if (typeof candidate.addItem === "function" && typeof candidate.removeItem === "function")
    return candidate as AddsItems;
  throw new Problem(
    501,
    "no-text-map",
    "this model cannot embed items from their text; train again with the items in the dataset, and the server takes " +
      "the new model over while it runs",
  );
}
