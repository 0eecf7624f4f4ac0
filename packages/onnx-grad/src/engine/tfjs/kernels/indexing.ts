// Operators that pick elements by index or write to them. Indices are integers, so that they are in memory and checked
// there.
import { normaliseAxis } from "../../../operators/definition.js";
import { copyElements, HostArray, positionsOf, rowMajor, sizeOf } from "../host-array.js";
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice, onHost } from "./kernel.js";

/** Indices along an axis as non-negative numbers. @throws RangeError naming the first that is outside. */
function checked(indices: HostArray, size: number): Int32Array {
  const elements = indices.elements();
  const result = new Int32Array(elements.length);
  for (let i = 0; i < result.length; i++) {
    const index = Number(elements[i]);
    if (!(index >= -size && index < size)) throw new RangeError(`index ${elements[i]} is outside an axis of ${size}`);
    result[i] = index < 0 ? index + size : index;
  }
  return result;
}

const gatheredShape = (data: readonly number[], indices: readonly number[], axis: number): number[] => [
  ...data.slice(0, axis),
  ...indices,
  ...data.slice(axis + 1),
];

/** The flat positions in data of [shape] that GatherElements reads and ScatterElements writes. */
function elementPositions(shape: readonly number[], indices: HostArray, axis: number): Int32Array {
  const along = checked(indices, shape[axis]!);
  const own = rowMajor(shape);
  // The offset of each index, with the axis itself left out (its stride is 0 here).
  const base = positionsOf({ shape: indices.shape, strides: own.with(axis, 0), offset: 0 });
  return along.map((index, i) => base[i]! + index * own[axis]!);
}

/** The rows of data, its first `depth` axes made one, that the last axis of indices names. */
function rowPositions(shape: readonly number[], indices: HostArray): { rows: Int32Array; depth: number } {
  const depth = indices.shape.at(-1)!;
  const leading = shape.slice(0, depth);
  const columns = leading.map((size, i) => checked(indices.slice(indices.rank - 1, i, 1), size));
  const rows = new Int32Array(sizeOf(indices.shape.slice(0, -1)));
  for (let i = 0; i < rows.length; i++) rows[i] = leading.reduce((row, size, j) => row * size + columns[j]![i]!, 0);
  return { rows, depth };
}

/** Writes (or adds) updates to rows of data. data [R, ...], rows [M], updates [M, ...]. */
function scatterRows(c: KernelContext, data: DeviceTensor, rows: Int32Array, updates: DeviceTensor): DeviceTensor {
  const { tf } = c;
  if (rows.length === 0) return tf.clone(data);
  const indices = tf.tensor2d(rows, [rows.length, 1], "int32");
  if (c.text("reduction") === "add") return tf.add(data, tf.scatterND(indices, updates, data.shape));
  return tf.tensorScatterUpdate(c.traits.scatterUpdatesInPlace ? tf.mul(data, 1) : data, indices, updates);
}

function scatterRowsInMemory(
  c: KernelContext,
  data: HostArray,
  positions: Int32Array,
  updates: HostArray,
  width: number,
) {
  const result = new HostArray(data.dtype, data.shape, data.elements().slice());
  const [from, to] = [updates.elements(), result.data];
  const add = c.text("reduction") === "add";
  for (let i = 0; i < from.length; i++) {
    const at = positions[Math.floor(i / width)]! * width + (i % width);
    if (to instanceof BigInt64Array && from instanceof BigInt64Array) to[at] = add ? to[at]! + from[i]! : from[i]!;
    else if (!(to instanceof BigInt64Array || from instanceof BigInt64Array))
      to[at] = add ? to[at]! + from[i]! : from[i]!;
  }
  return result;
}

/** Whether every row of the other axes has the same index: what the gradient of Gather makes by Expand. */
const isOfWholeRows = (indices: HostArray, shape: readonly number[], axis: number): boolean =>
  indices.shape.every((size, i) => i === axis || (size === shape[i] && (indices.strides[i] === 0 || size === 1)));

function scatterElements(c: KernelContext): DeviceTensor {
  const { tf } = c;
  const [data, indices, updates] = [c.tensor(0), c.array(1), c.tensor(2)];
  const axis = c.axis("axis", data.rank);
  if (indices.size === 0) return tf.clone(data);
  if (isOfWholeRows(indices, data.shape, axis)) {
    const rows = indices.shape.reduce((view, _, i) => (i === axis ? view : view.slice(i, 0, 1)), indices);
    const order = data.shape.map((_, i) => i);
    const first = [axis, ...order.toSpliced(axis, 1)];
    const forward = (x: DeviceTensor) => (axis === 0 ? x : tf.transpose(x, first));
    const result = scatterRows(c, forward(data), checked(rows, data.shape[axis]!), forward(updates));
    return axis === 0
      ? result
      : tf.transpose(
          result,
          order.map((i) => first.indexOf(i)),
        );
  }
  const positions = elementPositions(data.shape, indices, axis);
  const flat = scatterRows(c, tf.reshape(data, [-1]), positions, tf.reshape(updates, [-1]));
  return tf.reshape(flat, data.shape);
}

/**
 * Which position along a new axis is hot, as bools: indices counted from the end where negative, none where outside.
 */
function hotPositions(c: KernelContext): HostArray {
  const indices = c.array(0);
  const depth = c.array(1).numbers()[0]!;
  const axis = normaliseAxis(c.int("axis"), indices.rank + 1);
  const shape = indices.shape.toSpliced(axis, 0, depth);
  const hot = HostArray.zeros("bool", [...indices.shape, depth]);
  Array.from<number | bigint, number>(indices.elements(), Number).forEach((index, i) => {
    const at = index < 0 ? index + depth : index;
    if (at >= 0 && at < depth) hot.data[i * depth + at] = 1;
  });
  const order = indices.shape.map((_, i) => i);
  const view = hot.transpose(order.toSpliced(axis, 0, indices.rank));
  return view.reshape(shape);
}

/** Positions of all elements that are not zero, row-major: [rank, how many]. */
function nonZero(c: KernelContext): HostArray {
  const x = c.array(0);
  const found: number[] = [];
  x.elements().forEach((element: number | bigint, i: number) => {
    if (Number(element) !== 0) found.push(i);
  });
  const strides = rowMajor(x.shape);
  const along = (axis: number) => found.map((i) => Math.floor(i / strides[axis]!) % x.shape[axis]!);
  // biome-ignore format: one line
  return HostArray.ints(x.shape.flatMap((_, axis) => along(axis)), [x.rank, found.length]);
}

/** Where a condition is true, and the axis and shape it is taken from: the flattened input where there is no axis. */
function taken(c: KernelContext, shape: readonly number[]) {
  const index = c.array(1).numbers().flatMap((flag, i) => (flag === 0 ? [] : [i])); // biome-ignore format: one line
  if (c.attributes.axis === undefined) return { index, axis: 0, from: [sizeOf(shape)] };
  return { index, axis: normaliseAxis(c.int("axis"), shape.length), from: [...shape] };
}

export const indexing: KernelTable = {
  NonZero: { inMemory: [0], device: onHost(nonZero), host: onHost(nonZero) },
  Compress: {
    decidedBy: [0],
    inMemory: [1],
    device: (c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const { index, axis, from } = taken(c, x.shape);
      if (index.length === 0) return [HostArray.zeros(c.input(0).dtype, from.with(axis, 0))];
      return [tf.gather(tf.reshape(x, from), tf.tensor1d(index, "int32"), axis)];
    },
    host: onHost((c) => {
      const { index, axis, from } = taken(c, c.array(0).shape);
      const x = c.array(0).reshape(from);
      const result = HostArray.zeros(x.dtype, from.with(axis, index.length));
      index.forEach((position, i) => {
        result.slice(axis, i, 1).assign(x.slice(axis, position, 1));
      });
      return result;
    }),
  },
  Gather: {
    decidedBy: [0],
    device: onDevice((c) => {
      const { tf } = c;
      const [data, indices] = [c.tensor(0), c.array(1)];
      const axis = c.axis("axis", data.rank);
      const flat = tf.gather(data, tf.tensor1d(checked(indices, data.shape[axis]!), "int32"), axis);
      return tf.reshape(flat, gatheredShape(data.shape, indices.shape, axis));
    }),
    host: onHost((c) => {
      const [data, indices] = [c.array(0), c.array(1)];
      const axis = c.axis("axis", data.rank);
      const picked = checked(indices, data.shape[axis]!);
      const result = HostArray.zeros(data.dtype, data.shape.with(axis, picked.length));
      picked.forEach((index, i) => {
        result.slice(axis, i, 1).assign(data.slice(axis, index, 1));
      });
      return result.reshape(gatheredShape(data.shape, indices.shape, axis));
    }),
  },
  GatherElements: {
    decidedBy: [0],
    device: onDevice((c) => {
      const { tf } = c;
      const [data, indices] = [c.tensor(0), c.array(1)];
      const positions = elementPositions(data.shape, indices, c.axis("axis", data.rank));
      return tf.reshape(tf.gather(tf.reshape(data, [-1]), tf.tensor1d(positions, "int32")), [...indices.shape]);
    }),
    host: onHost((c) => {
      const [data, indices] = [c.array(0), c.array(1)];
      const result = HostArray.zeros(data.dtype, indices.shape);
      copyElements(data.elements(), elementPositions(data.shape, indices, c.axis("axis", data.rank)), result.data);
      return result;
    }),
  },
  GatherND: {
    decidedBy: [0],
    device: onDevice((c) => {
      const { tf } = c;
      const [data, indices] = [c.tensor(0), c.array(1)];
      const { rows, depth } = rowPositions(data.shape, indices);
      const rest = data.shape.slice(depth);
      const flat = tf.reshape(data, [sizeOf(data.shape.slice(0, depth)), sizeOf(rest)]);
      return tf.reshape(tf.gather(flat, tf.tensor1d(rows, "int32")), [...indices.shape.slice(0, -1), ...rest]);
    }),
    host: onHost((c) => {
      const [data, indices] = [c.array(0), c.array(1)];
      const { rows, depth } = rowPositions(data.shape, indices);
      const rest = data.shape.slice(depth);
      const width = sizeOf(rest);
      const result = HostArray.zeros(data.dtype, [...indices.shape.slice(0, -1), ...rest]);
      const positions = result.data.length === 0 ? [] : Array.from(rows, (row) => row * width);
      const from = Int32Array.from(
        { length: result.data.length },
        (_, i) => positions[Math.floor(i / width)]! + (i % width),
      );
      copyElements(data.elements(), from, result.data);
      return result;
    }),
  },
  ScatterElements: {
    decidedBy: [0, 2],
    device: onDevice(scatterElements),
    host: onHost((c) => {
      const [data, indices, updates] = [c.array(0), c.array(1), c.array(2)];
      const positions = elementPositions(data.shape, indices, c.axis("axis", data.rank));
      return scatterRowsInMemory(c, data, positions, updates, 1);
    }),
  },
  ScatterND: {
    decidedBy: [0, 2],
    device: onDevice((c) => {
      const { tf } = c;
      const [data, indices, updates] = [c.tensor(0), c.array(1), c.tensor(2)];
      if (indices.size === 0) return tf.clone(data);
      const { rows, depth } = rowPositions(data.shape, indices);
      const width = sizeOf(data.shape.slice(depth));
      const flat = tf.reshape(data, [sizeOf(data.shape.slice(0, depth)), width]);
      return tf.reshape(scatterRows(c, flat, rows, tf.reshape(updates, [rows.length, width])), data.shape);
    }),
    host: onHost((c) => {
      const [data, indices, updates] = [c.array(0), c.array(1), c.array(2)];
      const { rows, depth } = rowPositions(data.shape, indices);
      return scatterRowsInMemory(c, data, rows, updates, sizeOf(data.shape.slice(depth)));
    }),
  },
  OneHot: {
    decidedBy: [2],
    device: onDevice((c) => {
      const { tf } = c;
      const hot = hotPositions(c);
      const [off, on] = tf.unstack(c.tensor(2)) as [DeviceTensor, DeviceTensor];
      return tf.where(tf.tensor(hot.elements() as Uint8Array, [...hot.shape], "bool"), on, off);
    }),
    host: onHost((c) => {
      const hot = hotPositions(c);
      const values = c.array(2);
      const result = HostArray.zeros(values.dtype, hot.shape);
      copyElements(values.elements(), hot.elements() as Uint8Array, result.data);
      return result;
    }),
  },
};
