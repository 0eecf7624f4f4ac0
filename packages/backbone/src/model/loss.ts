// What a loss of the base model is asked for, and what it answers.
import type { Reduction } from "./documents.js";
import type { DropoutOptions } from "./dropout.js";
import type { LossGradients } from "./loss-gradients.js";

export interface LossOptions {
  /** `target-mean` where absent. */
  readonly reduction?: Reduction;
  /** Whether gradients are computed; true where absent. */
  readonly gradients?: boolean;
  /**
   * The items of the softmax, ascending, of a loss over items; all where absent. Others have no part in the loss and
   * get no gradient from the head.
   */
  readonly candidates?: Int32Array | undefined;
  /** Dropout of a training step; none where absent. */
  readonly dropout?: DropoutOptions;
  /**
   * Gradients of an earlier batch of the same loss that are no longer needed. This batch's gradients reuse their
   * memory, which detaches their arrays and saves an allocation of megabytes per step.
   */
  readonly reusableGradients?: LossGradients;
  readonly signal?: AbortSignal;
}

export interface LossResult {
  readonly loss: number;
  /** Sum of −log p over each document's targets. */
  readonly documentLosses: Float64Array;
  /** Number of targets in all. */
  readonly targets: number;
  /** Tokens of the documents, encoder's and decoder's alike, and tokens computed for them (padding included). */
  readonly usefulTokens: number;
  readonly computedTokens: number;
  /** Absent where not asked for. */
  readonly gradients?: LossGradients;
}
