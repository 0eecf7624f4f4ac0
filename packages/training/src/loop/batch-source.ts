// Where batches come from, and which loss they are for.
import { setImmediate } from "node:timers/promises";
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

/** Batches one after another, each made while the engine computes the one before. */
export class BatchStream {
  private ahead: { readonly cursor: BatchState; readonly made: ReturnType<typeof nextBatch> } | undefined;

  constructor(private readonly source: LossBatches) {}

  /** As {@link nextBatch}. */
  at(cursor: BatchState): ReturnType<typeof nextBatch> {
    const { ahead } = this;
    this.ahead = undefined;
    return ahead?.cursor === cursor ? ahead.made : nextBatch(this.source, cursor);
  }

  /** Makes the batch at a place before its turn, as soon as what was begun just now waits for the engine. An error waits for its turn. */
  async prepare(cursor: BatchState): Promise<void> {
    await setImmediate();
    try {
      this.ahead = { cursor, made: nextBatch(this.source, cursor) };
    } catch {
      this.ahead = undefined;
    }
  }
}
