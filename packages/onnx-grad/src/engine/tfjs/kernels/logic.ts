// Comparisons, boolean operators and the choice between two tensors.
import { allocate } from "../../../graph/tensor.js";
import { broadcastSizes, comparePairs, copyElements, HostArray } from "../host-array.js";
import type { DeviceTensor, TensorFlow } from "../tensorflow.js";
import { alignedPair, type Kernel, type KernelTable, onDevice, onHost } from "./kernel.js";

type Compare = (a: number | bigint, b: number | bigint) => boolean;

const comparison = (
  device: (tf: TensorFlow, a: DeviceTensor, b: DeviceTensor) => DeviceTensor,
  host: Compare,
): Kernel => ({
  device: onDevice((c) => device(c.tf, ...alignedPair(c.tf, c.tensor(0), c.tensor(1)))),
  host: onHost((c) => comparePairs(c.array(0), c.array(1), host)),
});

/** Chosen element by element, in memory: from a and b joined end to end. */
function choose(condition: HostArray, yes: HostArray, no: HostArray): HostArray {
  const shape = broadcastSizes([condition.shape, yes.shape, no.shape]);
  const chosen = condition.broadcast(shape).elements();
  const [first, second] = [yes.broadcast(shape).elements(), no.broadcast(shape).elements()];
  const both = allocate(yes.dtype, 2 * first.length);
  if (both instanceof BigInt64Array) {
    both.set(first as BigInt64Array);
    both.set(second as BigInt64Array, first.length);
  } else {
    both.set(first as Uint8Array);
    both.set(second as Uint8Array, first.length);
  }
  const result = HostArray.zeros(yes.dtype, shape);
  copyElements(
    both,
    Int32Array.from(chosen as Uint8Array, (bit, i) => (bit ? i : i + first.length)),
    result.data,
  );
  return result;
}

export const logic: KernelTable = {
  Equal: comparison(
    (tf, a, b) => (a.dtype === "bool" ? tf.equal(tf.cast(a, "float32"), tf.cast(b, "float32")) : tf.equal(a, b)),
    (a, b) => a === b,
  ),
  Less: comparison(
    (tf, a, b) => tf.less(a, b),
    (a, b) => a < b,
  ),
  LessOrEqual: comparison(
    (tf, a, b) => tf.lessEqual(a, b),
    (a, b) => a <= b,
  ),
  Greater: comparison(
    (tf, a, b) => tf.greater(a, b),
    (a, b) => a > b,
  ),
  GreaterOrEqual: comparison(
    (tf, a, b) => tf.greaterEqual(a, b),
    (a, b) => a >= b,
  ),
  And: comparison(
    (tf, a, b) => tf.logicalAnd(a, b),
    (a, b) => a !== 0 && b !== 0,
  ),
  Or: comparison(
    (tf, a, b) => tf.logicalOr(a, b),
    (a, b) => a !== 0 || b !== 0,
  ),
  Xor: comparison(
    (tf, a, b) => tf.logicalXor(a, b),
    (a, b) => (a !== 0) !== (b !== 0),
  ),
  Not: {
    device: onDevice((c) => c.tf.logicalNot(c.tensor(0))),
    host: onHost(
      (c) =>
        new HostArray(
          "bool",
          c.array(0).shape,
          (c.array(0).elements() as Uint8Array).map((bit) => 1 - bit),
        ),
    ),
  },
  // NaN is the one value that differs from itself.
  IsNaN: { device: onDevice((c) => c.tf.notEqual(c.tensor(0), c.tensor(0))) },
  IsInf: {
    device: onDevice((c) => c.tf.equal(c.tf.abs(c.tensor(0)), c.tf.fill(c.tensor(0).shape, Number.POSITIVE_INFINITY))),
  },
  Where: {
    decidedBy: [1, 2],
    device: onDevice((c) => c.tf.where(c.tensor(0), c.tensor(1), c.tensor(2))),
    host: onHost((c) => choose(c.array(0), c.array(1), c.array(2))),
  },
};
