// Matrix products. Shapes: [..., M, C] × [..., C, P] → [..., M, P].
import { sizeOf } from "../host-array.js";
import type { DeviceTensor } from "../tensorflow.js";
import { type KernelContext, type KernelTable, onDevice } from "./kernel.js";

const swapLast = (c: KernelContext, x: DeviceTensor) => {
  const axes = x.shape.map((_, i) => i);
  return c.tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
};

/** alpha · op(a) · op(b), operands of rank 2 or more. */
export function product(
  c: KernelContext,
  a: DeviceTensor,
  b: DeviceTensor,
  transA: boolean,
  transB: boolean,
): DeviceTensor {
  const { tf, traits } = c;
  if (!traits.uniformProducts && (transA || transB)) {
    return product(c, transA ? swapLast(c, a) : a, transB ? swapLast(c, b) : b, false, false);
  }
  const [m, inner] = transA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const p = transB ? b.shape.at(-2)! : b.shape.at(-1)!;
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const batch = tf.backend_util.assertAndGetBroadcastShape(batchA, batchB);
  const shape = [...batch, m, p];
  if (inner === 0) return tf.zeros(shape);
  // An outer product (tfjs-backend-wasm 4.22 reads past its memory when it multiplies these as matrices).
  if (inner === 1) return tf.reshape(tf.mul(transA ? swapLast(c, a) : a, transB ? swapLast(c, b) : b), shape);
  // One matrix for all: the batch is more rows of one product.
  if (sizeOf(batchB) === 1 && !transA) {
    const rows = tf.reshape(a, [sizeOf(batchA) * m, inner]);
    return tf.reshape(tf.matMul(rows, tf.reshape(b, b.shape.slice(-2)), false, transB), shape);
  }
  const flat = (x: DeviceTensor, own: readonly number[]) => {
    const same = own.length === batch.length && own.every((size, i) => size === batch[i]);
    const full = same ? x : tf.broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
    return tf.reshape(full, [sizeOf(batch), ...x.shape.slice(-2)]);
  };
  const [left, right] = [flat(a, batchA), flat(b, batchB)];
  if (!traits.uniformProducts && m * inner * p >= worthwhile) return tf.reshape(oneByOne(c, left, right), shape);
  return tf.reshape(tf.matMul(left, right, transA, transB), shape);
}

/**
 * Multiplications from which on a product of two plain matrices makes up for cutting it out of a batch
 * (tfjs-backend-wasm 4.22).
 */
const worthwhile = 2 ** 19;

/** [B, M, C] × [B, C, P], one pair of matrices after another. */
function oneByOne(c: KernelContext, a: DeviceTensor, b: DeviceTensor): DeviceTensor {
  const { tf } = c;
  const right = tf.unstack(b);
  return tf.stack(tf.unstack(a).map((matrix, i) => tf.matMul(matrix, right[i]!)));
}

const scaled = (c: KernelContext, x: DeviceTensor, factor: number) => (factor === 1 ? x : c.tf.mul(x, factor));

export const matrix: KernelTable = {
  // A vector on the left is a row, on the right a column, and its axis is dropped again, as numpy.matmul does.
  MatMul: {
    device: onDevice((c) => {
      const { tf } = c;
      const [a, b] = [c.tensor(0), c.tensor(1)];
      const result = product(
        c,
        a.rank === 1 ? tf.expandDims(a, 0) : a,
        b.rank === 1 ? tf.expandDims(b, 1) : b,
        false,
        false,
      );
      const dropped = [...(a.rank === 1 ? [result.rank - 2] : []), ...(b.rank === 1 ? [result.rank - 1] : [])];
      return dropped.length > 0 ? tf.squeeze(result, dropped) : result;
    }),
  },
  FusedMatMul: {
    device: onDevice((c) =>
      scaled(c, product(c, c.tensor(0), c.tensor(1), c.flag("transA"), c.flag("transB")), c.float("alpha")),
    ),
  },
  Gemm: {
    device: onDevice((c) => {
      const result = scaled(
        c,
        product(c, c.tensor(0), c.tensor(1), c.flag("transA"), c.flag("transB")),
        c.float("alpha"),
      );
      return c.has(2) ? c.tf.add(result, scaled(c, c.tensor(2), c.float("beta"))) : result;
    }),
  },
};
