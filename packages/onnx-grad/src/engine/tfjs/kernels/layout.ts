// Operators that move elements without computing on them. In memory most of them are views.
import { normaliseAxis } from "../../../operators/definition.js";
import { broadcastSizes, HostArray, sizeOf } from "../host-array.js";
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice, onHost, type Run } from "./kernel.js";

type Shape = readonly number[];

/** The target of a Reshape by the standard's rules: 0 copies a dimension, −1 is worked out. */
function reshapeTarget(c: KernelContext, from: Shape): number[] {
  const copyZeros = !c.flag("allowzero");
  const target = c
    .array(1)
    .numbers()
    .map((size, i) => (size === 0 && copyZeros ? from[i]! : size));
  const open = target.indexOf(-1);
  if (open < 0) return target;
  const rest = sizeOf(target.toSpliced(open, 1));
  if (rest === 0)
    throw new RangeError(`-1 in [${target.join(", ")}] cannot be worked out from dimensions of which one is 0`);
  return target.with(open, sizeOf(from) / rest);
}

/** An operator that only gives the elements another shape. */
const reshaping = (shapeOf: (c: KernelContext, from: Shape) => number[]) => ({
  decidedBy: [0],
  device: onDevice((c) => c.tf.reshape(c.tensor(0), shapeOf(c, c.tensor(0).shape))),
  host: onHost((c) => c.array(0).reshape(shapeOf(c, c.array(0).shape))),
});

function flattened(c: KernelContext, from: Shape): number[] {
  const axis = c.int("axis") < 0 ? c.int("axis") + from.length : c.int("axis");
  return [sizeOf(from.slice(0, axis)), sizeOf(from.slice(axis))];
}

function squeezed(c: KernelContext, from: Shape): number[] {
  const axes = c.constantInts(1, "axes")?.map((axis) => normaliseAxis(axis, from.length));
  return from.filter((size, i) => (axes ? !axes.includes(i) : size !== 1));
}

function unsqueezed(c: KernelContext, from: Shape): number[] {
  const axes = c.constantInts(1, "axes") ?? [];
  const rank = from.length + axes.length;
  const shape = [...from];
  for (const axis of axes.map((a) => normaliseAxis(a, rank)).sort((a, b) => a - b)) shape.splice(axis, 0, 1);
  return shape;
}

const permutation = (c: KernelContext, rank: number): number[] => [
  ...(c.ints("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)),
];

interface Range {
  readonly axis: number;
  readonly start: number;
  readonly length: number;
  readonly step: number;
}

/** The ranges of a Slice by the standard's clamping rules. */
function sliceRanges(c: KernelContext, shape: Shape): Range[] {
  const [starts, ends] = [c.array(1).numbers(), c.array(2).numbers()];
  const axes = c.has(3) ? c.array(3).numbers() : starts.map((_, i) => i);
  const steps = c.has(4) ? c.array(4).numbers() : starts.map(() => 1);
  return axes.map((given, i) => {
    const axis = normaliseAxis(given, shape.length);
    const [size, step] = [shape[axis]!, steps[i]!];
    const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x < 0 ? x + size : x, low), high);
    const [start, end] =
      step > 0
        ? [clamp(starts[i]!, 0, size), clamp(ends[i]!, 0, size)]
        : [clamp(starts[i]!, 0, size - 1), clamp(ends[i]!, -1, size - 1)];
    return { axis, start, length: Math.max(0, Math.ceil((end - start) / step)), step };
  });
}

/** Elements `start`, `start + step`, … along an axis. */
function cut(c: KernelContext, x: DeviceTensor, { axis, start, length, step }: Range): DeviceTensor {
  const { tf } = c;
  if (length === 0) return tf.tensor([], x.shape.with(axis, 0), x.dtype);
  if (step === 1) {
    if (start === 0 && length === x.shape[axis]) return x;
    const begin = x.shape.map((_, i) => (i === axis ? start : 0));
    return tf.slice(x, begin, x.shape.with(axis, length));
  }
  const positions = Int32Array.from({ length }, (_, i) => start + i * step);
  return tf.gather(x, tf.tensor1d(positions, "int32"), axis);
}

/** Sizes of a Split's parts. */
function splitSizes(c: KernelContext, size: number): number[] {
  const sizes = c.constantInts(1, "split");
  if (sizes) return [...sizes];
  const count = c.int("num_outputs");
  const part = Math.ceil(size / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(part, size - i * part)));
}

/** Calls `take` for every part of a Split. */
function parts<T>(sizes: readonly number[], axis: number, take: (range: Range) => T): T[] {
  let start = 0;
  return sizes.map((length) => {
    const range = { axis, start, length, step: 1 };
    start += length;
    return take(range);
  });
}

/** Pads by axis, [before, after]; negative ones crop. */
function padsOf(c: KernelContext, rank: number): [number, number][] {
  const given = c.array(1).numbers();
  const axes = c.constantInts(3, "axes")?.map((axis) => normaliseAxis(axis, rank));
  const all = Array.from({ length: rank }, (_, i) => i);
  const half = given.length / 2;
  return all.map((axis) => {
    const at = axes ? axes.indexOf(axis) : axis;
    return at < 0 ? [0, 0] : [given[at]!, given[at + half]!];
  });
}

/** What negative pads leave of an axis. */
const cropped = (pads: readonly [number, number][], shape: Shape): Range[] =>
  pads.flatMap(([before, after], axis) => {
    const [start, end] = [Math.max(0, -before), shape[axis]! - Math.max(0, -after)];
    return before < 0 || after < 0 ? [{ axis, start, length: end - start, step: 1 }] : [];
  });

const padDevice: Run = onDevice((c) => {
  const { tf } = c;
  const pads = padsOf(c, c.input(0).rank);
  const inner = cropped(pads, c.tensor(0).shape).reduce((x, range) => cut(c, x, range), c.tensor(0));
  const positive = pads.map(([before, after]): [number, number] => [Math.max(0, before), Math.max(0, after)]);
  const shape = inner.shape.map((size, i) => size + positive[i]![0] + positive[i]![1]);
  const isBool = inner.dtype === "bool";
  if (!c.has(2)) {
    if (inner.rank === 0) return tf.clone(inner);
    if (inner.size === 0) return tf.zeros(shape, inner.dtype);
    if (!isBool) return tf.pad(inner, positive, 0);
    return tf.cast(tf.pad(tf.cast(inner, "float32"), positive, 0), "bool");
  }
  // The value is a tensor, known to the device only: chosen wherever a padded tensor of ones is not one.
  if (inner.size === 0) return tf.broadcastTo(c.tensor(2), shape);
  const inside = tf.notEqual(tf.pad(tf.ones(inner.shape), positive, 0), tf.zeros(shape));
  return tf.where(inside, tf.pad(inner, positive, 0), c.tensor(2));
});

const padHost: Run = onHost((c) => {
  const x = c.array(0);
  const pads = padsOf(c, x.rank);
  const inner = cropped(pads, x.shape).reduce((y, { axis, start, length }) => y.slice(axis, start, length), x);
  const shape = inner.shape.map((size, i) => size + Math.max(0, pads[i]![0]) + Math.max(0, pads[i]![1]));
  const result = HostArray.zeros(x.dtype, shape);
  if (c.has(2)) result.assign(c.array(2).broadcast(shape));
  const window = inner.shape.reduce((y, length, axis) => y.slice(axis, Math.max(0, pads[axis]![0]), length), result);
  window.assign(inner);
  return result;
});

/** Which elements Trilu keeps, [M, N]. */
function triangle(c: KernelContext, rows: number, columns: number): Uint8Array {
  const k = c.has(1) ? (c.array(1).numbers()[0] ?? 0) : 0;
  const upper = c.flag("upper");
  return Uint8Array.from({ length: rows * columns }, (_, i) => {
    const distance = (i % columns) - Math.floor(i / columns) - k;
    return Number(upper ? distance >= 0 : distance <= 0);
  });
}

export const layout: KernelTable = {
  Reshape: reshaping(reshapeTarget),
  Flatten: reshaping(flattened),
  Squeeze: reshaping(squeezed),
  Unsqueeze: reshaping(unsqueezed),
  Transpose: {
    device: onDevice((c) => c.tf.transpose(c.tensor(0), permutation(c, c.input(0).rank))),
    host: onHost((c) => c.array(0).transpose(permutation(c, c.array(0).rank))),
  },
  Expand: {
    decidedBy: [0],
    device: onDevice((c) => c.tf.broadcastTo(c.tensor(0), broadcastSizes([c.tensor(0).shape, c.array(1).numbers()]))),
    host: onHost((c) => c.array(0).broadcast(broadcastSizes([c.array(0).shape, c.array(1).numbers()]))),
  },
  Concat: {
    device: onDevice((c) => {
      const tensors = c.inputs.map((_, i) => c.tensor(i));
      const full = tensors.filter(({ size }) => size > 0);
      const axis = c.axis("axis", c.input(0).rank);
      return full.length > 1 ? c.tf.concat(full, axis) : c.tf.clone(full[0] ?? tensors[0]!);
    }),
    host: onHost((c) => {
      const arrays = c.inputs.map((_, i) => c.array(i));
      const axis = c.axis("axis", arrays[0]!.rank);
      const sizes = arrays.map(({ shape }) => shape[axis]!);
      const total = sizes.reduce((a, b) => a + b, 0);
      const result = HostArray.zeros(arrays[0]!.dtype, arrays[0]!.shape.with(axis, total));
      const windows = parts(sizes, axis, ({ start, length }) => result.slice(axis, start, length));
      arrays.forEach((array, i) => {
        windows[i]!.assign(array);
      });
      return result;
    }),
  },
  Split: {
    decidedBy: [0],
    device: (c) => {
      const x = c.tensor(0);
      const axis = c.axis("axis", x.rank);
      return parts(splitSizes(c, x.shape[axis]!), axis, (range) => {
        const part = cut(c, x, range);
        return part === x ? c.tf.clone(x) : part;
      });
    },
    host: (c) => {
      const x = c.array(0);
      const axis = c.axis("axis", x.rank);
      return parts(splitSizes(c, x.shape[axis]!), axis, ({ start, length }) => x.slice(axis, start, length));
    },
  },
  Slice: {
    decidedBy: [0],
    device: onDevice((c) => {
      const x = c.tensor(0);
      const result = sliceRanges(c, x.shape).reduce((y, range) => cut(c, y, range), x);
      return result === x ? c.tf.clone(x) : result;
    }),
    host: onHost((c) =>
      sliceRanges(c, c.array(0).shape).reduce(
        (y, { axis, start, length, step }) => y.slice(axis, start, length, step),
        c.array(0),
      ),
    ),
  },
  Pad: { decidedBy: [0], device: padDevice, host: padHost },
  Tile: {
    decidedBy: [0],
    device: onDevice((c) => c.tf.tile(c.tensor(0), [...c.constantInts(1, "repeats")!])),
    // [r₀, d₀, r₁, d₁, …], the repeats being views of the same elements, laid out as [r₀·d₀, r₁·d₁, …]
    host: onHost((c) => {
      const x = c.array(0);
      const repeats = c.constantInts(1, "repeats")!;
      const shape = x.shape.flatMap((size, i) => [repeats[i]!, size]);
      const strides = x.strides.flatMap((stride) => [0, stride]);
      return x.view({ shape, strides, offset: x.offset }).reshape(x.shape.map((size, i) => size * repeats[i]!));
    }),
  },
  Trilu: {
    decidedBy: [0],
    device: onDevice((c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const [rows, columns] = [x.shape.at(-2)!, x.shape.at(-1)!];
      const kept = tf.tensor2d(triangle(c, rows, columns), [rows, columns], "bool");
      if (x.dtype === "bool") return tf.logicalAnd(x, tf.broadcastTo(kept, x.shape));
      return tf.where(tf.broadcastTo(kept, x.shape), x, tf.zerosLike(x));
    }),
    host: onHost((c) => {
      const x = c.array(0);
      const [rows, columns] = [x.shape.at(-2)!, x.shape.at(-1)!];
      const kept = triangle(c, rows, columns);
      const elements = x.elements();
      const result = HostArray.zeros(x.dtype, x.shape);
      for (let i = 0; i < elements.length; i++) if (kept[i % kept.length]) result.data[i] = elements[i]!;
      return result;
    }),
  },
};
