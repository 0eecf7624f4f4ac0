// Where batches come from: a pure function of (seed, epoch, step), so that a run resumes at any step.
import type { HeldOutInput, LanguageInput } from "@cllm4rec/backbone";
import type { BatchState, Moment } from "@cllm4rec/corpus";

/** Batches as a pure function of (seed, epoch, step); `BatchPlan` of `@cllm4rec/corpus` is one. */
export interface BatchSource<D> {
  /** Changes whenever the batches would. */
  readonly identity: string;
  /** Batches in an epoch. */
  steps(moment: Moment): number;
  batch(state: BatchState): { readonly documents: readonly D[]; readonly next: BatchState };
}

/** Batches with the loss of a base model that they are for. */
export type LossBatches =
  | { readonly loss: "next-item" | "next-word"; readonly batches: BatchSource<LanguageInput> }
  | { readonly loss: "held-out"; readonly batches: BatchSource<HeldOutInput> };
