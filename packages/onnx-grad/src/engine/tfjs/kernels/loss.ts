// The standard's classification losses. Scores [B, C, ...], labels [B, ...], class weights [C].
import { sizeOf } from "../host-array.js";
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice } from "./kernel.js";
import { logSoftmax } from "./normalization.js";

/** The loss of log-probabilities, reduced. */
function negativeLogLikelihood(c: KernelContext, logProbabilities: DeviceTensor): DeviceTensor {
  const { tf } = c;
  const labels = c.array(1);
  const [, classes, ...rest] = logProbabilities.shape as [number, number, ...number[]];
  const ignored = c.attributes.ignore_index;
  const inner = sizeOf(rest);
  const given = labels.elements();
  const [positions, weighing] = [new Int32Array(given.length), new Int32Array(given.length)];
  const counted = new Float32Array(given.length);
  for (let i = 0; i < given.length; i++) {
    const label = Number(given[i]);
    const skip = label === ignored;
    if (!skip && !(label >= 0 && label < classes))
      throw new RangeError(`label ${given[i]} is none of ${classes} classes`);
    // [b, class, r] of [B, C, inner]
    weighing[i] = skip ? 0 : label;
    positions[i] = (Math.floor(i / inner) * classes + weighing[i]!) * inner + (i % inner);
    counted[i] = skip ? 0 : 1;
  }
  const used = tf.tensor1d(counted);
  const weights = c.has(2) ? tf.mul(used, tf.gather(c.tensor(2), tf.tensor1d(weighing, "int32"))) : used;
  const picked = tf.gather(tf.reshape(logProbabilities, [-1]), tf.tensor1d(positions, "int32"));
  // An ignored position counts for nothing even where its log-probability is −∞.
  const losses = tf.neg(tf.mul(tf.where(tf.greater(used, 0), picked, tf.zerosLike(picked)), weights));
  switch (c.text("reduction")) {
    case "none":
      return tf.reshape(losses, [...labels.shape]);
    case "sum":
      return tf.sum(losses);
    default:
      return tf.div(tf.sum(losses), tf.sum(weights));
  }
}

/** The loss over no positions at all. */
function lossOfNothing(c: KernelContext): DeviceTensor {
  const { tf } = c;
  const reduction = c.text("reduction");
  if (reduction === "none") return tf.zeros([...c.array(1).shape]);
  return tf.scalar(reduction === "sum" ? 0 : Number.NaN);
}

const loss = (c: KernelContext, logProbabilities: DeviceTensor) =>
  c.array(1).size === 0 ? lossOfNothing(c) : negativeLogLikelihood(c, logProbabilities);

export const losses: KernelTable = {
  NegativeLogLikelihoodLoss: { decidedBy: [0], device: onDevice((c) => loss(c, c.tensor(0))) },
  SoftmaxCrossEntropyLoss: {
    decidedBy: [0],
    device: (c) => {
      const logProbabilities = logSoftmax(c, c.tensor(0), 1);
      return [loss(c, logProbabilities), logProbabilities];
    },
  },
};
