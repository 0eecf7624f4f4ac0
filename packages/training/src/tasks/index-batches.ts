// Batches of plain indices, such as users by number: in a new order in every epoch, a pure function of (seed, epoch,
// step).
import { philox4x32 } from "@cllm4rec/corpus/random";
import { TrainingError } from "../error.js";
import { keyOf } from "../random/normal.js";
import type { BatchSource } from "./batch-source.js";

/** Tells this use of random bits from others with the same seed. */
const STREAM = 2001;

/**
 * The numbers 0 … count − 1, reshuffled in every epoch, `size` at a time; the last batch of an epoch has what is
 * left.
 * @throws TrainingError for a count or size that is no positive integer
 */
export function indexBatches(count: number, size: number): BatchSource<number> {
  for (const [name, value] of Object.entries({ count, size })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TrainingError(`${name}: found ${value}, expected a positive integer`);
  }
  const steps = Math.ceil(count / size);
  let known: { readonly key: string; readonly order: Int32Array } | undefined;
  return {
    identity: `${count} indices, ${size} in a batch`,
    steps: () => steps,
    batch({ seed, epoch, step }) {
      const key = `${seed} ${epoch}`;
      if (known?.key !== key) known = { key, order: shuffled(count, seed, epoch) };
      const documents = Array.from(known.order.subarray(step * size, (step + 1) * size));
      const next = step + 1 === steps ? { seed, epoch: epoch + 1, step: 0 } : { seed, epoch, step: step + 1 };
      return { documents, next };
    },
  };
}

/** Fisher–Yates; the remainder of 2³² by the bound is below 2⁻¹² for 2²⁰ indices. */
function shuffled(count: number, seed: number, epoch: number): Int32Array {
  const [key0, key1] = keyOf(seed);
  const block = new Uint32Array(4);
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let i = count - 1; i > 0; i--) {
    philox4x32(block, i, 0, epoch, STREAM, key0, key1);
    const j = block[0]! % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
