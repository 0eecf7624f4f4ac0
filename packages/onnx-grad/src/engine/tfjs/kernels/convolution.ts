// Conv and ConvTranspose: the input's windows gathered into columns, one matrix product a group. TensorFlow.js' own
// convolutions know no groups and no strides together with dilations.
import { type ConvolutionWindow, windowOf } from "../../../operators/convolution.js";
import { sizeOf } from "../host-array.js";
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice } from "./kernel.js";
import { product } from "./matrix.js";

/** For each kernel element and output position of one axis the input position, or none: [k · O]. */
type Positions = (axis: number, kernel: number, outputs: number) => number[];

const every = (kernel: number, outputs: number, from: (k: number, o: number) => number): number[] =>
  Array.from({ length: kernel * outputs }, (_, i) => from(Math.floor(i / outputs), i % outputs));

const forward =
  ({ strides, dilations, pads }: ConvolutionWindow): Positions =>
  (axis, kernel, outputs) =>
    every(kernel, outputs, (k, o) => o * strides[axis]! + k * dilations[axis]! - pads[axis]!);

const transposed =
  ({ strides, dilations, pads }: ConvolutionWindow): Positions =>
  (axis, kernel, outputs) =>
    every(kernel, outputs, (k, o) => {
      const position = (o + pads[axis]! - k * dilations[axis]!) / strides[axis]!;
      return Number.isInteger(position) ? position : -1;
    });

/** x [N, C, L…] → [N, C · k₁ · k₂ …, O…]: every position outside reads a zero that is put behind the axis. */
function unfold(
  c: KernelContext,
  x: DeviceTensor,
  kernel: readonly number[],
  outputs: readonly number[],
  positions: Positions,
): DeviceTensor {
  const { tf } = c;
  let columns = x;
  kernel.forEach((k, i) => {
    const axis = i + 2;
    const length = columns.shape[axis]!;
    const pads = columns.shape.map((_, at): [number, number] => [0, at === axis ? 1 : 0]);
    const inside = (at: number) => (at >= 0 && at < length ? at : length);
    const index = Int32Array.from(positions(i, k, outputs[i]!), inside);
    const picked = tf.gather(tf.pad(columns, pads), tf.tensor1d(index, "int32"), axis);
    // The kernel's elements lie behind the channels, where they belong, once this axis is the first of the spatial
    // ones.
    const order = picked.shape.map((_, at) => at);
    const first = [0, 1, axis, ...order.slice(2).toSpliced(i, 1)];
    const parted = tf.reshape(tf.transpose(picked, first), [
      x.shape[0]!,
      columns.shape[1]! * k,
      outputs[i]!,
      ...columns.shape.slice(2).toSpliced(i, 1),
    ]);
    columns = tf.transpose(
      parted,
      order.map((at) => first.indexOf(at)),
    );
  });
  return columns;
}

/** w [g, M/g, C/g · k…] times columns [N, C · k…, O…] → [N, M, O…]. */
function multiply(c: KernelContext, w: DeviceTensor, columns: DeviceTensor, group: number): DeviceTensor {
  const [N, height, ...outputs] = columns.shape as [number, number, ...number[]];
  const parted = c.tf.reshape(columns, [N, group, height / group, sizeOf(outputs)]);
  return c.tf.reshape(product(c, w, parted, false, false), [N, group * w.shape[1]!, ...outputs]);
}

function withBias(c: KernelContext, y: DeviceTensor): DeviceTensor {
  if (!c.has(2)) return y;
  return c.tf.add(y, c.tf.reshape(c.tensor(2), [-1, ...y.shape.slice(2).map(() => 1)]));
}

function conv(c: KernelContext): DeviceTensor {
  const { tf } = c;
  const [x, w] = [c.tensor(0), c.tensor(1)];
  const window = windowOf(c);
  const { strides, dilations, pads, group } = window;
  const kernel = w.shape.slice(2);
  const axes = kernel.length;
  const outputs = kernel.map((k, i) => {
    const room = x.shape[i + 2]! + pads[i]! + pads[i + axes]! - dilations[i]! * (k - 1) - 1;
    return Math.floor(room / strides[i]!) + 1;
  });
  const columns = unfold(c, x, kernel, outputs, forward(window));
  const rows = w.shape[0]! / group;
  const weights = tf.reshape(w, [group, rows, sizeOf(w.shape.slice(1))]);
  return withBias(c, multiply(c, weights, columns, group));
}

function convTranspose(c: KernelContext): DeviceTensor {
  const { tf } = c;
  const [x, w] = [c.tensor(0), c.tensor(1)];
  const window = windowOf(c);
  const { strides, dilations, pads, group } = window;
  const kernel = w.shape.slice(2);
  const axes = kernel.length;
  const extra = c.ints("output_padding") ?? kernel.map(() => 0);
  const outputs = kernel.map((k, i) => {
    const far = (x.shape[i + 2]! - 1) * strides[i]! + extra[i]! + dilations[i]! * (k - 1) + 1;
    return far - pads[i]! - pads[i + axes]!;
  });
  const columns = unfold(c, x, kernel, outputs, transposed(window));
  // [C, M/g, k…] → [g, M/g, C/g · k…]
  const [C, rows] = w.shape as [number, number, ...number[]];
  const parted = tf.reshape(w, [group, C / group, rows, sizeOf(kernel)]);
  const weights = tf.reshape(tf.transpose(parted, [0, 2, 1, 3]), [group, rows, (C / group) * sizeOf(kernel)]);
  return withBias(c, multiply(c, weights, columns, group));
}

export const convolution: KernelTable = {
  Conv: { device: onDevice(conv) },
  ConvTranspose: { device: onDevice(convTranspose) },
};
