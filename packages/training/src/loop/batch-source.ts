// Where batches come from, and which loss they are for.
import type { HeldOutDocument, LanguageDocument } from "@cllm4rec/backbone";
import type { LossBatch } from "../objective/map-objective.js";
import type { BatchState } from "./loop-state.js";

/** Batches as a pure function of (seed, epoch, step); `BatchPlan` of `@cllm4rec/corpus` is one. */
export interface BatchSource<D> {
  /** Changes whenever the batches would. */
  readonly identity: string;
  /** Batches in an epoch. */
  steps(moment: { readonly seed: number; readonly epoch: number }): number;
  batch(state: BatchState): { readonly documents: readonly D[]; readonly next: BatchState };
}

/** Batches with the loss that they are for. */
export type LossBatches =
  | { readonly loss: "next-item" | "next-word"; readonly batches: BatchSource<LanguageDocument> }
  | { readonly loss: "held-out"; readonly batches: BatchSource<HeldOutDocument> };

/** The batch at a place, and the place after it. The switch keeps documents and loss of one type together. */
export function nextBatch(source: LossBatches, cursor: BatchState): { batch: LossBatch; next: BatchState } {
  if (source.loss === "held-out") {
    const { documents, next } = source.batches.batch(cursor);
    return { batch: { loss: source.loss, documents }, next };
  }
  const { documents, next } = source.batches.batch(cursor);
  return { batch: { loss: source.loss, documents }, next };
}
