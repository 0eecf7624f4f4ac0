// Dropout. As in the standard, its numbers come from a generator of the engine's own: for a mask that can be repeated
// see seededDropout.
import type { KernelTable } from "./kernel.js";

export const random: KernelTable = {
  Dropout: {
    decidedBy: [0],
    inMemory: [2],
    device: (c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const training = c.has(2) && c.array(2).numbers()[0] === 1;
      if (!training) return [tf.clone(x), tf.ones(x.shape, "bool")];
      const ratio = c.has(1) ? c.tensor(1) : tf.scalar(0.5);
      const seed = c.attributes.seed;
      const uniform = tf.randomUniform(x.shape, 0, 1, "float32", typeof seed === "number" ? seed : undefined);
      const kept = tf.greaterEqual(uniform, tf.broadcastTo(ratio, x.shape));
      return [tf.where(kept, tf.div(x, tf.sub(1, ratio)), tf.zerosLike(x)), kept];
    },
  },
};
