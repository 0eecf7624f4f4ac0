// GRU (ONNX GRU-22) and LSTM, forward. T steps, B sequences, H units; gates lie in the order z (update), r (reset), h
// (hidden).
import type { DeviceTensor } from "../tensorflow.js";
import type { KernelContext, KernelTable } from "./kernel.js";

/** [B, 3H] or [3H] → the parts of the three gates. */
const gates = (c: KernelContext, x: DeviceTensor): [DeviceTensor, DeviceTensor, DeviceTensor] =>
  c.tf.split(x, 3, -1) as [DeviceTensor, DeviceTensor, DeviceTensor];

/** Which sequences have not ended at step t: one that has keeps its state and shows zeros. */
function alive(c: KernelContext, lengths: readonly number[], t: number, shape: [number, number]): DeviceTensor {
  const flags = Uint8Array.from(lengths, (length) => Number(t < length));
  return c.tf.broadcastTo(c.tf.tensor2d(flags, [shape[0], 1], "bool"), shape);
}

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
      const kept = alive(c, lengths, t, [B, H]);
      return [tf.where(kept, stepped, state), tf.where(kept, stepped, tf.zerosLike(stepped))];
    }) as [DeviceTensor, DeviceTensor];
    state = next;
    states.push(shown);
  }
  const all = states.length > 0 ? tf.stack(states) : tf.zeros([0, B, H]);
  return [tf.reshape(all, [T, 1, B, H]), tf.reshape(state, [1, B, H])];
}

/** LSTM (ONNX LSTM-22), forward; gates lie in the order i (input), o (output), f (forget), c (cell). */
function lstm(c: KernelContext): DeviceTensor[] {
  const { tf } = c;
  const H = c.int("hidden_size");
  const X = c.tensor(0);
  const [T, B, I] = X.shape as [number, number, number];
  const wT = tf.transpose(tf.reshape(c.tensor(1), [4 * H, I])); // [I, 4H]
  const rT = tf.transpose(tf.reshape(c.tensor(2), [4 * H, H])); // [H, 4H]
  let fromInput = tf.reshape(tf.matMul(tf.reshape(X, [T * B, I]), wT), [T, B, 4 * H]);
  if (c.has(3)) fromInput = tf.add(fromInput, tf.sum(tf.reshape(c.tensor(3), [2, 4 * H]), 0));
  const lengths = c.has(4) ? c.array(4).numbers() : undefined;
  const initial = (index: number) => (c.has(index) ? tf.reshape(c.tensor(index), [B, H]) : tf.zeros([B, H]));
  let state: DeviceTensor = initial(5);
  let cell: DeviceTensor = initial(6);
  const states: DeviceTensor[] = [];
  for (let t = 0; t < T; t++) {
    const [nextState, nextCell, shown] = tf.tidy(() => {
      const own = tf.reshape(tf.slice(fromInput, [t, 0, 0], [1, B, 4 * H]), [B, 4 * H]);
      const [i, o, f, g] = tf.split(tf.add(own, tf.matMul(state, rT)), 4, -1) as DeviceTensor[];
      const stepped = tf.add(tf.mul(tf.sigmoid(f!), cell), tf.mul(tf.sigmoid(i!), tf.tanh(g!)));
      const output = tf.mul(tf.sigmoid(o!), tf.tanh(stepped));
      if (!lengths) return [output, stepped, tf.clone(output)];
      const kept = alive(c, lengths, t, [B, H]);
      return [
        tf.where(kept, output, state),
        tf.where(kept, stepped, cell),
        tf.where(kept, output, tf.zerosLike(output)),
      ];
    }) as [DeviceTensor, DeviceTensor, DeviceTensor];
    state = nextState;
    cell = nextCell;
    states.push(shown);
  }
  const all = states.length > 0 ? tf.stack(states) : tf.zeros([0, B, H]);
  return [tf.reshape(all, [T, 1, B, H]), tf.reshape(state, [1, B, H]), tf.reshape(cell, [1, B, H])];
}

export const recurrent: KernelTable = {
  GRU: { decidedBy: [0, 1, 2], device: gru },
  LSTM: { decidedBy: [0, 1, 2], device: lstm },
};
