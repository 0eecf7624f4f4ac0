// One long stream of tokens as batches for language modelling: windows of one length, in a new order in every epoch.

import { createHash } from "node:crypto";
import type { TokenInput } from "@cllm4rec/backbone";
import type { BatchState } from "@cllm4rec/corpus";
import { philox4x32 } from "@cllm4rec/corpus/random";
import { TrainingError } from "../error.js";
import { keyOf } from "../random/normal.js";
import type { BatchSource } from "../tasks/batch-source.js";

// Shape legend: S tokens of the stream, T of a window.

/** Tells this use of random bits from others with the same seed. */
const STREAM = 2000;

export interface TokenWindowsOptions {
  /** [S]: documents one after another, an end-of-text token between them. */
  readonly tokens: ArrayLike<number>;
  /** T: tokens that a window predicts from, and as many that it predicts. */
  readonly length: number;
  /** Windows in a batch. */
  readonly batch: number;
}

/**
 * Windows of T tokens, each predicting its tokens' successors: the k-th begins at token k·T plus a start that each
 * epoch draws again, so that the same text is cut in other places. What is left over at the end is left out. Attention
 * does not see where documents begin, as in GPT-2's training.
 * @throws TrainingError where the stream does not fill one batch, and for sizes that are no positive integers
 */
export function tokenWindows({ tokens, length, batch }: TokenWindowsOptions): BatchSource<TokenInput> {
  for (const [name, value] of Object.entries({ length, batch })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TrainingError(`${name}: found ${value}, expected a positive integer`);
  }
  // Every start leaves the same number of whole windows.
  const windows = Math.floor((tokens.length - length) / length);
  const steps = Math.floor(windows / batch);
  if (steps < 1) {
    throw new TrainingError(
      `tokens: found ${tokens.length}, expected at least ${(batch + 1) * length} for a batch of ${batch} windows ` +
        `of ${length}; take smaller ones`,
    );
  }
  const stream = Int32Array.from(tokens);
  const hash = createHash("sha256").update(new Uint8Array(stream.buffer)).digest("hex");
  let known: { readonly key: string; readonly starts: Int32Array } | undefined;
  const startsOf = (seed: number, epoch: number): Int32Array => {
    const key = `${seed} ${epoch}`;
    if (known?.key !== key) known = { key, starts: shuffledStarts(windows, length, seed, epoch) };
    return known.starts;
  };
  return {
    identity: `windows of ${length} tokens, ${batch} in a batch, of ${stream.length} with SHA-256 ${hash}`,
    steps: () => steps,
    batch({ seed, epoch, step }: BatchState) {
      const starts = startsOf(seed, epoch).subarray(step * batch, (step + 1) * batch);
      const documents = Array.from(starts, (start) => ({
        ids: stream.subarray(start, start + length),
        targets: stream.subarray(start + 1, start + length + 1),
      }));
      const next = step + 1 === steps ? { seed, epoch: epoch + 1, step: 0 } : { seed, epoch, step: step + 1 };
      return { documents, next };
    },
  };
}

/**
 * First tokens of an epoch's windows, in its order (Fisher–Yates; the remainder of 2³² by the bound is below 2⁻¹² for
 * 2²⁰ windows).
 */
function shuffledStarts(windows: number, length: number, seed: number, epoch: number): Int32Array {
  const [key0, key1] = keyOf(seed);
  const block = new Uint32Array(4);
  const below = (index: number, bound: number): number => {
    philox4x32(block, index, 0, epoch, STREAM, key0, key1);
    return block[0]! % bound;
  };
  const offset = below(0, length);
  const starts = Int32Array.from({ length: windows }, (_, k) => offset + k * length);
  for (let i = windows - 1; i > 0; i--) {
    const j = below(i, i + 1);
    [starts[i], starts[j]] = [starts[j]!, starts[i]!];
  }
  return starts;
}
