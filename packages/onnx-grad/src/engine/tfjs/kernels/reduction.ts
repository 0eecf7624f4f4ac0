// Reductions over axes, running sums, and the positions of extrema.
import { normaliseAxis } from "../../../operators/definition.js";
import { HostArray, type PairFunction } from "../host-array.js";
import type { DeviceTensor, TensorFlow } from "../tensorflow.js";
import { type Kernel, type KernelContext, type KernelTable, onDevice, onHost, type Result } from "./kernel.js";

/** The axes of a reduction, sorted; `undefined` where nothing is to be reduced. */
function reducedAxes(c: KernelContext): number[] | undefined {
  const { rank } = c.input(0);
  const axes = c.constantInts(1, "axes");
  if (axes?.length) return axes.map((axis) => normaliseAxis(axis, rank)).sort((a, b) => a - b);
  return c.flag("noop_with_empty_axes") || rank === 0 ? undefined : Array.from({ length: rank }, (_, i) => i);
}

type Reduce = (tf: TensorFlow, x: DeviceTensor, axes: number[], keep: boolean) => DeviceTensor;

/** `overNothing` is the value of a reduction over no elements, which some backends get wrong. */
function reduction(
  reduce: Reduce,
  overNothing: number,
  pairs?: PairFunction,
  single: Reduce = (tf, x) => tf.clone(x),
): Kernel {
  return {
    decidedBy: [0],
    device: onDevice((c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const axes = reducedAxes(c);
      const keep = c.flag("keepdims");
      if (!axes) return single(tf, x, [], true);
      if (x.size === 0) {
        const shape = x.shape.flatMap((size, i) => (axes.includes(i) ? (keep ? [1] : []) : [size]));
        return tf.fill(shape, overNothing);
      }
      return reduce(tf, x, axes, keep);
    }),
    ...(pairs && {
      host: onHost((c) => reduceInMemory(c.array(0), reducedAxes(c) ?? [], c.flag("keepdims"), pairs, overNothing)),
    }),
  };
}

function reduceInMemory(
  x: HostArray,
  axes: readonly number[],
  keep: boolean,
  { number, bigint }: PairFunction,
  start: number,
): HostArray {
  const kept = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const rows = x.transpose([...kept, ...axes]).elements();
  const shape = x.shape.flatMap((size, i) => (axes.includes(i) ? (keep ? [1] : []) : [size]));
  const result = HostArray.zeros(x.dtype, shape);
  const { data } = result;
  const width = data.length === 0 ? 0 : rows.length / data.length;
  for (let i = 0; i < data.length; i++) {
    if (rows instanceof BigInt64Array && data instanceof BigInt64Array) {
      data[i] = rows.subarray(i * width, (i + 1) * width).reduce(bigint, BigInt(start));
    } else if (!(rows instanceof BigInt64Array || data instanceof BigInt64Array)) {
      data[i] = Array.from(rows.subarray(i * width, (i + 1) * width)).reduce((a, b) => number(a, b) | 0, start);
    }
  }
  return result;
}

const logSumExp: Reduce = (tf, x, axes, keep) => {
  const highest = tf.max(x, axes, true);
  // A row of −∞ (or with ∞ in it) would become NaN if its maximum were subtracted.
  const shift = tf.where(tf.isFinite(highest), highest, tf.zerosLike(highest));
  const sum = tf.log(tf.sum(tf.exp(tf.sub(x, shift)), axes, true));
  const result = tf.add(sum, shift);
  return keep ? result : tf.squeeze(result, axes);
};

const square = (tf: TensorFlow, x: DeviceTensor) => tf.mul(x, x);

/** ArgMax and ArgMin: the first of equal elements, or with select_last_index the last. */
function position(sign: 1 | -1): Kernel {
  return {
    device: onDevice((c) => {
      const { tf } = c;
      const axis = c.axis("axis", c.input(0).rank);
      const signed = sign === 1 ? c.tensor(0) : tf.neg(c.tensor(0));
      const last = c.flag("select_last_index");
      const found = tf.argMax(last ? tf.reverse(signed, axis) : signed, axis);
      const index = last ? tf.sub(tf.scalar(signed.shape[axis]! - 1, "int32"), found) : found;
      return c.flag("keepdims") ? tf.expandDims(index, axis) : index;
    }),
    host: onHost((c) => {
      const x = c.array(0);
      const axis = c.axis("axis", x.rank);
      const order = x.shape.map((_, i) => i);
      const sorted = sortedPositions(
        x.transpose([...order.toSpliced(axis, 1), axis]),
        1,
        sign === 1,
        c.flag("select_last_index"),
      );
      const shape = c.flag("keepdims") ? x.shape.with(axis, 1) : x.shape.toSpliced(axis, 1);
      return HostArray.ints(sorted.flat(), shape);
    }),
  };
}

/**
 * For every row of the last axis the positions of its k largest (or smallest) elements, best first; of equal ones the
 * first, or the last.
 */
function sortedPositions(rows: HostArray, k: number, largest: boolean, lastFirst = false): number[][] {
  const width = rows.shape.at(-1)!;
  const elements = rows.elements();
  return Array.from({ length: width === 0 ? 0 : elements.length / width }, (_, row) => {
    const at = (i: number) => elements[row * width + i]!;
    const positions = Array.from({ length: width }, (_, i) => i);
    positions.sort((i, j) => {
      const [a, b] = [at(i), at(j)];
      if (a === b) return lastFirst ? j - i : i - j;
      return a < b === largest ? 1 : -1;
    });
    return positions.slice(0, k);
  });
}

function topK(c: KernelContext): readonly Result[] {
  const { tf } = c;
  const x = c.tensor(0);
  const axis = c.axis("axis", x.rank);
  const [k] = c.constantInts(1, "k")!;
  if (k === 0) {
    const empty = () => tf.tensor([], x.shape.with(axis, 0), "float32");
    return [empty(), HostArray.zeros("int64", x.shape.with(axis, 0))];
  }
  const largest = c.flag("largest");
  const order = x.shape.map((_, i) => i);
  const toLast = [...order.toSpliced(axis, 1), axis];
  const back = order.map((i) => toLast.indexOf(i));
  const signed = largest ? x : tf.neg(x);
  const { values, indices } = tf.topk(tf.transpose(signed, toLast), k, true);
  return [tf.transpose(largest ? values : tf.neg(values), back), tf.transpose(indices, back)];
}

function topKInMemory(c: KernelContext): readonly Result[] {
  const x = c.array(0);
  const axis = c.axis("axis", x.rank);
  const [k] = c.constantInts(1, "k")!;
  const order = x.shape.map((_, i) => i);
  const toLast = [...order.toSpliced(axis, 1), axis];
  const back = order.map((i) => toLast.indexOf(i));
  const rows = x.transpose(toLast);
  const positions = sortedPositions(rows, k!, c.flag("largest"));
  const shape = rows.shape.with(-1, k!);
  const width = rows.shape.at(-1)!;
  const elements = rows.elements();
  const flat = positions.flatMap((row, i) => row.map((position) => i * width + position));
  const values = HostArray.zeros(x.dtype, shape);
  flat.forEach((from, i) => {
    values.data[i] = elements[from]!;
  });
  return [values.transpose(back), HostArray.ints(positions.flat(), shape).transpose(back)];
}

function runningSum(x: HostArray, axis: number, exclusive: boolean, reverse: boolean): HostArray {
  const size = x.shape[axis]!;
  const result = HostArray.zeros(x.dtype, x.shape);
  let sum = HostArray.zeros(x.dtype, x.shape.with(axis, 1));
  for (let step = 0; step < size; step++) {
    const at = reverse ? size - 1 - step : step;
    const part = x.slice(axis, at, 1);
    const next = addArrays(sum, part);
    result.slice(axis, at, 1).assign(exclusive ? sum : next);
    sum = next;
  }
  return result;
}

function addArrays(a: HostArray, b: HostArray): HostArray {
  const result = HostArray.zeros(a.dtype, a.shape);
  const [x, y, z] = [a.elements(), b.elements(), result.data];
  if (x instanceof BigInt64Array && y instanceof BigInt64Array && z instanceof BigInt64Array) {
    for (let i = 0; i < z.length; i++) z[i] = x[i]! + y[i]!;
  } else if (!(x instanceof BigInt64Array || y instanceof BigInt64Array || z instanceof BigInt64Array)) {
    for (let i = 0; i < z.length; i++) z[i] = x[i]! + y[i]!;
  }
  return result;
}

export const reductions: KernelTable = {
  ReduceSum: reduction((tf, x, axes, keep) => tf.sum(x, axes, keep), 0, {
    number: (a, b) => a + b,
    bigint: (a, b) => a + b,
  }),
  ReduceMean: reduction((tf, x, axes, keep) => tf.mean(x, axes, keep), 0),
  ReduceMax: reduction((tf, x, axes, keep) => tf.max(x, axes, keep), Number.NEGATIVE_INFINITY),
  ReduceMin: reduction((tf, x, axes, keep) => tf.min(x, axes, keep), Number.POSITIVE_INFINITY),
  ReduceProd: reduction((tf, x, axes, keep) => tf.prod(x, axes, keep), 1, {
    number: Math.imul,
    bigint: (a, b) => a * b,
  }),
  ReduceSumSquare: reduction((tf, x, axes, keep) => tf.sum(square(tf, x), axes, keep), 0, undefined, square),
  ReduceL1: reduction(
    (tf, x, axes, keep) => tf.sum(tf.abs(x), axes, keep),
    0,
    undefined,
    (tf, x) => tf.abs(x),
  ),
  ReduceL2: reduction(
    (tf, x, axes, keep) => tf.sqrt(tf.sum(square(tf, x), axes, keep)),
    0,
    undefined,
    (tf, x) => tf.abs(x),
  ),
  ReduceLogSumExp: reduction(logSumExp, Number.NEGATIVE_INFINITY),
  ArgMax: position(1),
  ArgMin: position(-1),
  CumSum: {
    decidedBy: [0],
    device: onDevice((c) => {
      const axis = normaliseAxis(c.constantInts(1, "axis")![0]!, c.input(0).rank);
      return c.tf.cumsum(c.tensor(0), axis, c.flag("exclusive"), c.flag("reverse"));
    }),
    host: onHost((c) => {
      const axis = normaliseAxis(c.constantInts(1, "axis")![0]!, c.input(0).rank);
      return runningSum(c.array(0), axis, c.flag("exclusive"), c.flag("reverse"));
    }),
  },
  TopK: { decidedBy: [0], device: topK, host: topKInMemory },
};
