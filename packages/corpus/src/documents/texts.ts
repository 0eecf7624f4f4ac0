// Free texts as streams: the reviews, item texts and user texts of a prepared dataset, training split only.
import { createHash } from "node:crypto";

/** One text with the user and item it belongs to; −1 where it belongs to none. */
export interface TextRecord {
  readonly user: number;
  readonly item: number;
  readonly text: string;
}

/** Texts of one kind, to be read as often as needed and always in the same order. */
export interface TextCorpus {
  /** Decides the prompt: x_ij, x_j or x_i. */
  readonly kind: "reviews" | "item-texts" | "user-texts";
  /** A hash of the content, if there is one already; otherwise the texts are read once more to make one. */
  readonly contentHash?: string;
  read(): AsyncIterable<TextRecord> | Iterable<TextRecord>;
}

/** What is needed of a dataset; `Dataset` has it. */
export interface TextDataset {
  trainReviews(): AsyncIterable<{ readonly user: number; readonly item: number; readonly text: string }>;
  itemTexts(): Promise<readonly (string | null)[]>;
  userTexts(): Promise<readonly (string | null)[]>;
  readonly manifest: {
    readonly files: Readonly<
      Record<"users.parquet" | "items.parquet" | "interactions.parquet", { readonly sha256: string }>
    >;
  };
}

const hashOf = (...parts: string[]) => createHash("sha256").update(JSON.stringify(parts)).digest("hex");

/** The reviews x_ij of the training interactions. */
export function trainReviewTexts(dataset: TextDataset): TextCorpus {
  return {
    kind: "reviews",
    contentHash: hashOf("reviews", dataset.manifest.files["interactions.parquet"].sha256),
    read: () => dataset.trainReviews(),
  };
}

/** The item texts x_j; items without one are passed over. */
export function itemTexts(dataset: TextDataset): TextCorpus {
  return {
    kind: "item-texts",
    contentHash: hashOf("item-texts", dataset.manifest.files["items.parquet"].sha256),
    async *read() {
      for (const [item, text] of (await dataset.itemTexts()).entries())
        if (text !== null) yield { user: -1, item, text };
    },
  };
}

/** The user texts x_i; users without one are passed over. */
export function userTexts(dataset: TextDataset): TextCorpus {
  return {
    kind: "user-texts",
    contentHash: hashOf("user-texts", dataset.manifest.files["users.parquet"].sha256),
    async *read() {
      for (const [user, text] of (await dataset.userTexts()).entries())
        if (text !== null) yield { user, item: -1, text };
    },
  };
}
