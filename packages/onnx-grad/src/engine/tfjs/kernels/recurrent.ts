// GRU (ONNX GRU-22), forward. T steps, B sequences, H units; gates lie in the order z (update), r (reset), h (hidden).
import type { DeviceTensor } from "../tensorflow.js";
import type { KernelContext, KernelTable } from "./kernel.js";

/** [B, 3H] or [3H] → the parts of the three gates. */
const gates = (c: KernelContext, x: DeviceTensor): [DeviceTensor, DeviceTensor, DeviceTensor] =>
  c.tf.split(x, 3, -1) as [DeviceTensor, DeviceTensor, DeviceTensor];

function gru(c: KernelContext): DeviceTensor[] {
  const { tf } = c;
  const H = c.int("hidden_size");
  const X = c.tensor(0);
  const [T, B, I] = X.shape as [number, number, number];
  const wT = tf.transpose(tf.reshape(c.tensor(1), [3 * H, I])); // [I, 3H]
  const rT = tf.transpose(tf.reshape(c.tensor(2), [3 * H, H])); // [H, 3H]
  const bias = c.has(3) ? tf.reshape(c.tensor(3), [2, 3 * H]) : tf.zeros([2, 3 * H]);
  const [inputBias, stateBias] = tf.unstack(bias) as [DeviceTensor, DeviceTensor];
  const lengths = c.has(4) ? c.array(4).numbers() : undefined;
  const before = c.flag("linear_before_reset");
  const [rz, rr, rh] = gates(c, rT); // [H, H] each
  const [bz, br, bh] = gates(c, stateBias);
  const fromInput = tf.add(tf.reshape(tf.matMul(tf.reshape(X, [T * B, I]), wT), [T, B, 3 * H]), inputBias);
  let state = c.has(5) ? tf.reshape(c.tensor(5), [B, H]) : tf.zeros([B, H]);
  const states: DeviceTensor[] = [];
  for (let t = 0; t < T; t++) {
    const [next, shown] = tf.tidy(() => {
      const [xz, xr, xh] = gates(c, tf.reshape(tf.slice(fromInput, [t, 0, 0], [1, B, 3 * H]), [B, 3 * H]));
      const times = (h: DeviceTensor, w: DeviceTensor, b: DeviceTensor) => tf.add(tf.matMul(h, w), b);
      const z = tf.sigmoid(tf.add(xz, times(state, rz, bz)));
      const r = tf.sigmoid(tf.add(xr, times(state, rr, br)));
      const inner = before ? tf.mul(r, times(state, rh, bh)) : times(tf.mul(r, state), rh, bh);
      const h = tf.tanh(tf.add(xh, inner));
      const stepped = tf.add(h, tf.mul(z, tf.sub(state, h)));
      if (!lengths) return [stepped, tf.clone(stepped)];
      // A sequence that has ended keeps its state and shows zeros.
      const alive = tf.tensor2d(
        Uint8Array.from(lengths, (length) => Number(t < length)),
        [B, 1],
        "bool",
      );
      const kept = tf.broadcastTo(alive, [B, H]);
      return [tf.where(kept, stepped, state), tf.where(kept, stepped, tf.zerosLike(stepped))];
    }) as [DeviceTensor, DeviceTensor];
    state = next;
    states.push(shown);
  }
  const all = states.length > 0 ? tf.stack(states) : tf.zeros([0, B, H]);
  return [tf.reshape(all, [T, 1, B, H]), tf.reshape(state, [1, B, H])];
}

export const recurrent: KernelTable = { GRU: { decidedBy: [0, 1, 2], device: gru } };
