// Scaled dot-product attention and rotary positions.
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice } from "./kernel.js";
import { product } from "./matrix.js";

/** [B, Hk, T, d] → [B, H, T, d]: each head of keys or values once for every head of queries that it serves. */
function repeatHeads(c: KernelContext, x: DeviceTensor, heads: number): DeviceTensor {
  const [B, Hk, T, d] = x.shape as [number, number, number, number];
  if (Hk === heads) return x;
  const wide = c.tf.tile(c.tf.reshape(x, [B, Hk, 1, T * d]), [1, 1, heads / Hk, 1]);
  return c.tf.reshape(wide, [B, heads, T, d]);
}

/** Softmax over the last axis of `scores` where `seen`; −∞ elsewhere. */
function masked(c: KernelContext, scores: DeviceTensor, seen: DeviceTensor): DeviceTensor {
  const { tf } = c;
  return tf.where(tf.broadcastTo(seen, scores.shape), scores, tf.fill(scores.shape, Number.NEGATIVE_INFINITY));
}

function attention(c: KernelContext): DeviceTensor {
  const { tf } = c;
  const q = c.tensor(0);
  const [, H, Tq, d] = q.shape as [number, number, number, number];
  const [k, v] = [repeatHeads(c, c.tensor(1), H), repeatHeads(c, c.tensor(2), H)];
  const Tk = k.shape[2]!;
  const scale = (c.attributes.scale as number | undefined) ?? 1 / Math.sqrt(d);
  let scores = tf.mul(product(c, q, k, false, true), scale);
  const cap = c.float("softcap");
  if (cap !== 0) scores = tf.mul(tf.tanh(tf.div(scores, cap)), cap);
  if (c.has(3)) scores = c.input(3).dtype === "bool" ? masked(c, scores, c.tensor(3)) : tf.add(scores, c.tensor(3));
  if (c.flag("is_causal")) {
    const seen = Uint8Array.from({ length: Tq * Tk }, (_, i) => Number(Math.floor(i / Tk) >= i % Tk));
    scores = masked(c, scores, tf.tensor2d(seen, [Tq, Tk], "bool"));
  }
  const exponentials = tf.exp(tf.sub(scores, tf.max(scores, -1, true)));
  return product(c, tf.div(exponentials, tf.sum(exponentials, -1, true)), v, false, false);
}

/** The rows of a cache for this run: [B, 1, T, r/2]. */
function cacheRows(c: KernelContext, index: number): DeviceTensor {
  const { tf } = c;
  const cache = c.tensor(index);
  if (!c.has(3)) return tf.expandDims(cache, 1);
  const ids = c.array(3);
  const rows = tf.gather(cache, tf.tensor1d(Int32Array.from(ids.numbers()), "int32"));
  return tf.reshape(rows, [ids.shape[0]!, 1, ids.shape[1]!, cache.shape[1]!]);
}

function rotaryEmbedding(c: KernelContext): DeviceTensor {
  const { tf } = c;
  const given = c.tensor(0);
  const flat = given.rank === 3;
  const heads = c.int("num_heads");
  const [B, T] = flat ? [given.shape[0]!, given.shape[1]!] : [given.shape[0]!, given.shape[2]!];
  const x = flat ? tf.transpose(tf.reshape(given, [B, T, heads, -1]), [0, 2, 1, 3]) : given; // [B, H, T, d]
  const d = x.shape[3]!;
  const H = x.shape[1]!;
  const rotated = c.int("rotary_embedding_dim") || d;
  const half = rotated / 2;
  const part = (from: number, length: number) => tf.slice(x, [0, 0, 0, from], [B, H, T, length]);
  const [cos, sin] = [cacheRows(c, 1), cacheRows(c, 2)];
  const interleaved = c.flag("interleaved");
  // [B, H, T, r/2, 2] where real and imaginary parts take turns, else two halves
  const pairs = interleaved ? tf.unstack(tf.reshape(part(0, rotated), [B, H, T, half, 2]), 4) : undefined;
  const [a, b] = pairs ? [pairs[0]!, pairs[1]!] : [part(0, half), part(half, half)];
  const real = tf.sub(tf.mul(cos, a), tf.mul(sin, b));
  const imaginary = tf.add(tf.mul(sin, a), tf.mul(cos, b));
  const turned = interleaved
    ? tf.reshape(tf.stack([real, imaginary], 4), [B, H, T, rotated])
    : tf.concat([real, imaginary], 3);
  const y = rotated < d ? tf.concat([turned, part(rotated, d - rotated)], 3) : turned;
  return flat ? tf.reshape(tf.transpose(y, [0, 2, 1, 3]), given.shape) : y;
}

export const attentions: KernelTable = {
  Attention: { device: onDevice(attention), decidedBy: [0, 1, 2] },
  RotaryEmbedding: { device: onDevice(rotaryEmbedding), decidedBy: [0, 1, 2] },
};
