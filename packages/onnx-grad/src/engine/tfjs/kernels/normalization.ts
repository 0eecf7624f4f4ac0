// Softmax over an axis and the layer normalisations.
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice } from "./kernel.js";

/** x − max(x) along an axis: what both softmaxes exponentiate. */
function shifted(c: KernelContext, x: DeviceTensor, axis: number): DeviceTensor {
  return c.tf.sub(x, c.tf.max(x, axis, true));
}

/** ln softmax(x) = (x − max) − ln Σ exp(x − max). */
export function logSoftmax(c: KernelContext, x: DeviceTensor, axis: number): DeviceTensor {
  const { tf } = c;
  const z = shifted(c, x, axis);
  return tf.sub(z, tf.log(tf.sum(tf.exp(z), axis, true)));
}

/** The axes that a layer normalisation runs over: `axis` and all behind it. */
function normalisedAxes(c: KernelContext): number[] {
  const { rank } = c.input(0);
  const axis = c.axis("axis", rank);
  return Array.from({ length: rank - axis }, (_, i) => axis + i);
}

/** y, and in training the running mean and variance: x [N, C, …], vectors of channels [C]. */
function batchNormalization(c: KernelContext): DeviceTensor[] {
  const { tf } = c;
  const x = c.tensor(0);
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const along = (vector: DeviceTensor) => tf.reshape(vector, [-1, ...x.shape.slice(2).map(() => 1)]);
  const [scale, bias, givenMean, givenVariance] = [1, 2, 3, 4].map((i) => c.tensor(i)) as [
    DeviceTensor,
    DeviceTensor,
    DeviceTensor,
    DeviceTensor,
  ];
  const normalised = (centred: DeviceTensor, variance: DeviceTensor) => {
    const inverse = tf.reciprocal(tf.sqrt(tf.add(variance, c.float("epsilon"))));
    return tf.add(tf.mul(centred, along(tf.mul(scale, inverse))), along(bias));
  };
  if (!c.flag("training_mode")) return [normalised(tf.sub(x, along(givenMean)), givenVariance)];
  const mean = tf.mean(x, axes);
  const centred = tf.sub(x, along(mean));
  const variance = tf.mean(tf.mul(centred, centred), axes);
  const momentum = c.float("momentum");
  const mixed = (given: DeviceTensor, own: DeviceTensor) => tf.add(tf.mul(given, momentum), tf.mul(own, 1 - momentum));
  return [normalised(centred, variance), mixed(givenMean, mean), mixed(givenVariance, variance)];
}

export const normalization: KernelTable = {
  BatchNormalization: { device: batchNormalization },
  Softmax: {
    device: onDevice((c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const axis = c.axis("axis", x.rank);
      const e = tf.exp(shifted(c, x, axis));
      return tf.div(e, tf.sum(e, axis, true));
    }),
  },
  LogSoftmax: { device: onDevice((c) => logSoftmax(c, c.tensor(0), c.axis("axis", c.input(0).rank))) },
  // Outputs: y, the mean and 1/σ.
  LayerNormalization: {
    device: (c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const axes = normalisedAxes(c);
      const mean = tf.mean(x, axes, true);
      const centred = tf.sub(x, mean);
      const variance = tf.mean(tf.mul(centred, centred), axes, true);
      const inverse = tf.reciprocal(tf.sqrt(tf.add(variance, c.float("epsilon"))));
      const y = tf.mul(tf.mul(centred, inverse), c.tensor(1));
      return [c.has(2) ? tf.add(y, c.tensor(2)) : y, mean, inverse];
    },
  },
  RMSNormalization: {
    device: onDevice((c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const square = tf.mean(tf.mul(x, x), normalisedAxes(c), true);
      return tf.mul(tf.mul(x, tf.reciprocal(tf.sqrt(tf.add(square, c.float("epsilon"))))), c.tensor(1));
    }),
  },
};
