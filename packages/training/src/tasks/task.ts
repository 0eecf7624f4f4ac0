// A task: what turns a batch into a loss and gradients by parameter name.

import type { BatchState } from "@cllm4rec/corpus";
import type { LearningRate, Schedule } from "../optimiser/schedule.js";
import type { Gradient } from "../parameters/parameters.js";
import type { BatchSource } from "./batch-source.js";

/** One batch computed. */
export interface TaskResult {
  /** The loss on the data. */
  readonly loss: number;
  /** What is added to it, by name, e.g. the squared terms of Eq. 7. The gradients are of the sum. */
  readonly terms?: Readonly<Record<string, number>>;
  /**
   * By parameter name. May be changed in place by clipping; the trainer is done with them when the next batch is
   * computed.
   */
  readonly gradients: Readonly<Record<string, Gradient>>;
  /** What was predicted, and tokens with and without padding, for events. */
  readonly targets?: number;
  readonly usefulTokens?: number;
  readonly computedTokens?: number;
}

/** What a batch is computed for. */
export interface TaskContext {
  /** Updates of this task so far, from 0: with the run's seed it decides what is random. */
  readonly update: number;
}

/** A batch that has been made and not yet computed. */
export interface PreparedBatch {
  readonly documents: number;
  readonly next: BatchState;
  compute(context: TaskContext): Promise<TaskResult>;
}

/** One kind of update. {@link defineTask} and {@link mapTask} make them. */
export interface Task {
  /** By this task's own updates, from 0. Parameters may have rates of their own. */
  readonly learningRate: number | LearningRate | Schedule;
  /** Largest global norm of all gradients of a batch together; absent: no clipping. */
  readonly clipNorm?: number | undefined;
  /** Batches in the epoch that a place is in. */
  steps(cursor: BatchState): number;
  /** Makes the batch at a place; called while the one before is being computed. */
  prepare(cursor: BatchState): PreparedBatch;
}

/** What {@link defineTask} is given. */
export interface TaskOptions<D> extends Pick<Task, "learningRate" | "clipNorm"> {
  readonly batches: BatchSource<D>;
  /**
   * Loss and gradients of a batch. A function of its arguments and the parameters alone, so that a run resumes to the
   * same bits.
   */
  readonly compute: (documents: readonly D[], context: TaskContext) => Promise<TaskResult>;
}

/**
 * A task over batches of anything.
 * @example
 * defineTask({ batches, learningRate: 1e-3, async compute(users, { update }) {
 *   const { loss, gradients } = await step(users, update);
 *   return { loss, gradients: { encoder: gradients.encoder } };
 * } })
 */
export function defineTask<D>({ batches, compute, ...rest }: TaskOptions<D>): Task {
  return {
    ...rest,
    steps: (cursor) => batches.steps(cursor),
    prepare(cursor) {
      const { documents, next } = batches.batch(cursor);
      return { documents: documents.length, next, compute: (context) => compute(documents, context) };
    },
  };
}
