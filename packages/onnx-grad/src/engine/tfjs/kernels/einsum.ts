// Einsum, one operand after another: each pair is one batched matrix product over the labels they share.
import { equationOf } from "../../../operators/einsum.js";
import { sizeOf } from "../host-array.js";
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice } from "./kernel.js";
import { product } from "./matrix.js";

interface Labelled {
  readonly tensor: DeviceTensor;
  readonly labels: readonly string[];
}

/**
 * One label an axis, each once: diagonals are read, axes broadcast along are dropped, axes that nobody else names are
 * summed.
 */
function prepared(
  c: KernelContext,
  { tensor, labels }: Labelled,
  sizes: ReadonlyMap<string, number>,
  wanted: ReadonlySet<string>,
): Labelled {
  const { tf } = c;
  const unique = [...new Set(labels)];
  if (unique.length < labels.length) {
    // The diagonals' positions in the flattened tensor.
    const strides = labels.map((_, axis) => sizeOf(tensor.shape.slice(axis + 1)));
    const steps = unique.map((label) =>
      labels.reduce((sum, own, axis) => sum + (own === label ? strides[axis]! : 0), 0),
    );
    const shape = unique.map((label) => tensor.shape[labels.indexOf(label)]!);
    let positions = [0];
    shape.forEach((size, i) => {
      positions = positions.flatMap((position) => Array.from({ length: size }, (_, at) => position + at * steps[i]!));
    });
    const diagonal = tf.gather(tf.reshape(tensor, [-1]), tf.tensor1d(positions, "int32"));
    return prepared(c, { tensor: tf.reshape(diagonal, shape), labels: unique }, sizes, wanted);
  }
  const broadcast = labels.flatMap((label, axis) => (tensor.shape[axis] === sizes.get(label) ? [] : [axis]));
  const squeezed = broadcast.length > 0 ? tf.squeeze(tensor, broadcast) : tensor;
  const left = labels.filter((_, axis) => !broadcast.includes(axis));
  const alone = left.flatMap((label, axis) => (wanted.has(label) ? [] : [axis]));
  const summed = alone.length > 0 ? tf.sum(squeezed, alone) : squeezed;
  return { tensor: summed, labels: left.filter((_, axis) => !alone.includes(axis)) };
}

function transposed(c: KernelContext, { tensor, labels }: Labelled, order: readonly string[]): DeviceTensor {
  if (order.every((label, axis) => label === labels[axis])) return tensor;
  return c.tf.transpose(
    tensor,
    order.map((label) => labels.indexOf(label)),
  );
}

/** Two operands made one: shared labels that are still wanted are the batch, the others are summed. */
function pair(
  c: KernelContext,
  a: Labelled,
  b: Labelled,
  sizes: ReadonlyMap<string, number>,
  wanted: ReadonlySet<string>,
): Labelled {
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => wanted.has(label));
  const inner = shared.filter((label) => !wanted.has(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const columns = b.labels.filter((label) => !shared.includes(label));
  const count = (labels: readonly string[]) => sizeOf(labels.map((label) => sizes.get(label)!));
  const left = c.tf.reshape(transposed(c, a, [...batch, ...rows, ...inner]), [count(batch), count(rows), count(inner)]);
  const right = c.tf.reshape(transposed(c, b, [...batch, ...inner, ...columns]), [
    count(batch),
    count(inner),
    count(columns),
  ]);
  const labels = [...batch, ...rows, ...columns];
  const tensor = c.tf.reshape(
    product(c, left, right, false, false),
    labels.map((label) => sizes.get(label)!),
  );
  return { tensor, labels };
}

function einsum(c: KernelContext): DeviceTensor {
  const { operands, output } = equationOf(c);
  const sizes = new Map<string, number>();
  operands.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      if ((sizes.get(label) ?? 1) === 1) sizes.set(label, c.tensor(i).shape[axis]!);
    });
  });
  const behind = (from: number) => new Set([...output, ...operands.slice(from).flat()]);
  const others = (i: number) => new Set([...output, ...operands.toSpliced(i, 1).flat()]);
  const ready = operands.map((labels, i) => prepared(c, { tensor: c.tensor(i), labels }, sizes, others(i)));
  const all = ready.reduce((a, b, i) => pair(c, a, b, sizes, behind(i + 1)));
  const kept = prepared(c, all, sizes, new Set(output));
  return transposed(c, kept, output);
}

export const products: KernelTable = { Einsum: { device: onDevice(einsum) } };
