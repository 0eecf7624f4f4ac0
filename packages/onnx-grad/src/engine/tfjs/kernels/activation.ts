// Elementwise operators of one operand, and the piecewise activations.
import { type HostArray, larger, mapElements, mapPairs, smaller } from "../host-array.js";
import type { DeviceTensor, TensorFlow } from "../tensorflow.js";
import { alignedPair, type Kernel, type KernelContext, type KernelTable, onDevice, onHost } from "./kernel.js";

const unary = (device: (tf: TensorFlow, x: DeviceTensor, c: KernelContext) => DeviceTensor): Kernel => ({
  device: onDevice((c) => device(c.tf, c.tensor(0), c)),
});

/** With a twin for integers. */
const both = (
  device: (tf: TensorFlow, x: DeviceTensor) => DeviceTensor,
  number: (x: number) => number,
  bigint: (x: bigint) => bigint,
): Kernel => ({
  device: onDevice((c) => device(c.tf, c.tensor(0))),
  host: onHost((c) => mapElements(c.array(0), { number, bigint })),
});

/** ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), which neither overflows nor loses small values. */
const softplus = (tf: TensorFlow, x: DeviceTensor) => tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));

/**
 * erf to a few units of the last place in float32. |x| < 1: the Taylor series 2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n+1)), n ≤ 10;
 * beyond: 1 − p(t) e^−x² with t = 1/(1 + 0.3275911 |x|) (Abramowitz & Stegun 1964, 7.1.26; error below 1.5·10⁻⁷).
 */
function erf(tf: TensorFlow, x: DeviceTensor): DeviceTensor {
  const magnitude = tf.abs(x);
  const square = tf.mul(x, x);
  let factorial = 1;
  const series = Array.from({ length: 11 }, (_, n) => {
    factorial *= Math.max(1, n);
    return ((n % 2 === 0 ? 2 : -2) / Math.sqrt(Math.PI) / factorial) * (1 / (2 * n + 1));
  });
  const near = tf.mul(x, polynomial(tf, tf.minimum(square, 1), series));
  const t = tf.reciprocal(tf.add(tf.mul(magnitude, 0.3275911), 1));
  const tail = polynomial(tf, t, [0, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429]);
  const far = tf.mul(tf.sign(x), tf.sub(1, tf.mul(tail, tf.exp(tf.neg(square)))));
  return tf.where(tf.less(magnitude, 1), near, far);
}

/** Σ coefficients[n] · xⁿ by Horner's rule, never holding more than three tensors. */
function polynomial(tf: TensorFlow, x: DeviceTensor, coefficients: readonly number[]): DeviceTensor {
  const [highest, ...rest] = coefficients.toReversed();
  return rest.reduce<DeviceTensor>(
    (sum, coefficient) => {
      const next = tf.tidy(() => tf.add(tf.mul(sum, x), coefficient));
      sum.dispose();
      return next;
    },
    tf.fill(x.shape, highest!),
  );
}

const errorFunction = (c: KernelContext, x: DeviceTensor) => (c.traits.preciseErf ? c.tf.erf(x) : erf(c.tf, x));

function gelu(tf: TensorFlow, x: DeviceTensor, c: KernelContext): DeviceTensor {
  if (c.text("approximate") === "none") {
    return tf.mul(tf.mul(x, 0.5), tf.add(errorFunction(c, tf.mul(x, Math.SQRT1_2)), 1));
  }
  // ½x(1 + tanh u) = x·σ(2u), u = √(2/π)(x + 0.044715x³)
  const scale = 2 * Math.sqrt(2 / Math.PI);
  const inner = tf.mul(x, tf.add(tf.mul(tf.mul(x, x), scale * 0.044715), scale));
  return tf.mul(x, tf.sigmoid(inner));
}

/** `below` where x ≤ threshold, else `above`. */
const rectifier = (
  below: (tf: TensorFlow, x: DeviceTensor, c: KernelContext) => DeviceTensor,
  above: (tf: TensorFlow, x: DeviceTensor, c: KernelContext) => DeviceTensor = (_, x) => x,
): Kernel => unary((tf, x, c) => tf.where(tf.greater(x, 0), above(tf, x, c), below(tf, x, c)));

/** scale · (eˣ − 1) for x ≤ 0; x is cut off at 0 first, so that nothing overflows where it is not chosen. */
const exponential = (tf: TensorFlow, x: DeviceTensor, scale: number) => tf.mul(tf.expm1(tf.minimum(x, 0)), scale);

export const activation: KernelTable = {
  Identity: { device: onDevice((c) => c.tf.clone(c.tensor(0))), host: onHost((c) => c.array(0)) },
  Neg: both(
    (tf, x) => tf.neg(x),
    (x) => -x,
    (x) => -x,
  ),
  Abs: both(
    (tf, x) => tf.abs(x),
    Math.abs,
    (x) => (x < 0n ? -x : x),
  ),
  Sign: both(
    (tf, x) => tf.sign(x),
    Math.sign,
    (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
  ),
  Floor: unary((tf, x) => tf.floor(x)),
  Ceil: unary((tf, x) => tf.ceil(x)),
  Round: unary((tf, x) => tf.round(x)),
  Exp: unary((tf, x) => tf.exp(x)),
  Log: unary((tf, x) => tf.log(x)),
  Sqrt: unary((tf, x) => tf.sqrt(x)),
  Reciprocal: unary((tf, x) => tf.reciprocal(x)),
  Sin: unary((tf, x) => tf.sin(x)),
  Cos: unary((tf, x) => tf.cos(x)),
  Tan: unary((tf, x) => tf.tan(x)),
  Atan: unary((tf, x) => tf.atan(x)),
  Sinh: unary((tf, x) => tf.sinh(x)),
  Cosh: unary((tf, x) => tf.cosh(x)),
  Softsign: unary((tf, x) => tf.div(x, tf.add(tf.abs(x), 1))),
  Tanh: unary((tf, x) => tf.tanh(x)),
  Sigmoid: unary((tf, x) => tf.sigmoid(x)),
  Softplus: unary(softplus),
  Erf: unary((_, x, c) => errorFunction(c, x)),
  Gelu: unary(gelu),
  Mish: unary((tf, x) => tf.mul(x, tf.tanh(softplus(tf, x)))),
  Relu: unary((tf, x) => tf.relu(x)),
  LeakyRelu: rectifier((tf, x, c) => tf.mul(x, c.float("alpha"))),
  Elu: rectifier((tf, x, c) => exponential(tf, x, c.float("alpha"))),
  Celu: rectifier((tf, x, c) => exponential(tf, tf.div(x, c.float("alpha")), c.float("alpha"))),
  Selu: rectifier(
    (tf, x, c) => exponential(tf, x, c.float("alpha") * c.float("gamma")),
    (tf, x, c) => tf.mul(x, c.float("gamma")),
  ),
  ThresholdedRelu: unary((tf, x, c) => tf.where(tf.greater(x, c.float("alpha")), x, tf.zerosLike(x))),
  HardSigmoid: unary((tf, x, c) => tf.clipByValue(tf.add(tf.mul(x, c.float("alpha")), c.float("beta")), 0, 1)),
  HardSwish: unary((tf, x) => tf.mul(x, tf.clipByValue(tf.add(tf.div(x, 6), 0.5), 0, 1))),
  PRelu: {
    device: onDevice((c) => {
      const { tf } = c;
      const x = c.tensor(0);
      return tf.where(tf.less(x, 0), tf.mul(x, c.tensor(1)), x);
    }),
  },
  Clip: {
    device: onDevice((c) => {
      const { tf } = c;
      const raised = c.has(1) ? tf.maximum(...alignedPair(tf, c.tensor(0), c.tensor(1))) : c.tensor(0);
      const cut = c.has(2) ? tf.minimum(...alignedPair(tf, raised, c.tensor(2))) : raised;
      return c.has(1) || c.has(2) ? cut : tf.clone(cut);
    }),
    host: onHost((c) => {
      const raised: HostArray = c.has(1) ? mapPairs(c.array(0), c.array(1), larger) : c.array(0);
      return c.has(2) ? mapPairs(raised, c.array(2), smaller) : raised;
    }),
  },
};
