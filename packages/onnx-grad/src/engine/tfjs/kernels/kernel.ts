// What a kernel is: how one ONNX operator is computed, by TensorFlow.js on its device or by plain loops over arrays in
// memory.
import type { Node } from "../../../graph/graph.js";
import { OperatorContext } from "../../../operators/definition.js";
import type { HostArray } from "../host-array.js";
import type { DeviceTensor, TensorFlow } from "../tensorflow.js";

/** What differs between TensorFlow.js' backends as far as kernels are concerned. */
export interface BackendTraits {
  /** Whether matMul is as fast over transposed operands and over batches as over two plain matrices. */
  readonly uniformProducts: boolean;
  /** Whether tf.erf is precise to the last bits; elsewhere it is a short polynomial. */
  readonly preciseErf: boolean;
  /** Whether tensorScatterUpdate writes into the tensor that it is given (tfjs-backend-cpu 4.22 does). */
  readonly scatterUpdatesInPlace: boolean;
}

/**
 * What a kernel gives: integers of any width in memory, or an int32 tensor that is then fetched; floats and bools on
 * either side.
 */
export type Result = DeviceTensor | HostArray;

/** An operator's attributes and inputs while it runs. */
export class KernelContext extends OperatorContext {
  constructor(
    readonly tf: TensorFlow,
    readonly traits: BackendTraits,
    readonly node: Node,
    private readonly tensors: readonly (DeviceTensor | undefined)[],
    private readonly arrays: readonly (HostArray | undefined)[],
  ) {
    super(node.inputs, node.attributes);
  }

  /** Input `index` on the device. */
  tensor(index: number): DeviceTensor {
    const tensor = this.tensors[index];
    if (!tensor) throw new RangeError(`input ${index} is not on the device`);
    return tensor;
  }

  /** Input `index` in memory. */
  array(index: number): HostArray {
    const array = this.arrays[index];
    if (!array) throw new RangeError(`input ${index} is not in memory`);
    return array;
  }

  has(index: number): boolean {
    return this.inputs[index] !== undefined;
  }
}

export type Run = (c: KernelContext) => readonly Result[];

export interface Kernel {
  /** Computes floats (and bools on the device). */
  readonly device?: Run;
  /** Computes integers (and bools in memory). */
  readonly host?: Run;
  /** The inputs whose element types and places decide between the two; all where absent. None: always on the host. */
  readonly decidedBy?: readonly number[];
  /** Whether the host computes also where the result is of integers. */
  readonly integerResultsInMemory?: boolean;
  /** Inputs besides the integers (which are there anyway) that the device kernel reads in memory. */
  readonly inMemory?: readonly number[];
}

export type KernelTable = Readonly<Record<string, Kernel>>;

/** A device kernel with one output. */
export const onDevice = (run: (c: KernelContext) => DeviceTensor): Run => {
  return (c) => [run(c)];
};

/** A host kernel with one output. */
export const onHost = (run: (c: KernelContext) => HostArray): Run => {
  return (c) => [run(c)];
};

/** Both operands broadcast to their common shape, for tf functions that not every backend broadcasts. */
export function alignedPair(tf: TensorFlow, a: DeviceTensor, b: DeviceTensor): [DeviceTensor, DeviceTensor] {
  if (a.shape.length === b.shape.length && a.shape.every((size, axis) => size === b.shape[axis])) return [a, b];
  const shape = tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  return [tf.broadcastTo(a, shape), tf.broadcastTo(b, shape)];
}
