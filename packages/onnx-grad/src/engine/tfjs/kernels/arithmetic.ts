// Elementwise operators of two or more operands.
import { HostArray, larger, mapPairs, type PairFunction, smaller } from "../host-array.js";
import type { DeviceTensor, TensorFlow } from "../tensorflow.js";
import { alignedPair, type Kernel, type KernelContext, type KernelTable, onDevice, onHost } from "./kernel.js";

type DevicePair = (tf: TensorFlow, a: DeviceTensor, b: DeviceTensor) => DeviceTensor;

const binary = (device: DevicePair, pairs: PairFunction): Kernel => ({
  device: onDevice((c) => device(c.tf, c.tensor(0), c.tensor(1))),
  host: onHost((c) => mapPairs(c.array(0), c.array(1), pairs)),
});

/** An operator over any number of operands, from the left. */
const folded = (device: DevicePair, pairs?: PairFunction): Kernel => ({
  device: onDevice((c) => tensors(c).reduce((a, b) => device(c.tf, a, b))),
  ...(pairs && { host: onHost((c) => c.inputs.map((_, i) => c.array(i)).reduce((a, b) => mapPairs(a, b, pairs))) }),
});

const tensors = (c: KernelContext) => c.inputs.map((_, i) => c.tensor(i));

/**
 * Powers of integers as the standard's reference has them: computed exactly, cut off towards zero where the exponent is
 * negative.
 */
function integerPower(base: bigint, exponent: bigint): bigint {
  if (exponent >= 0n) return base ** exponent;
  if (base === 0n) throw new RangeError("0 to a negative power");
  return base === 1n ? 1n : base === -1n ? (exponent % 2n === 0n ? 1n : -1n) : 0n;
}

function divide(a: number, b: number): number {
  if (b === 0) throw new RangeError("division of an integer by 0");
  return Math.trunc(a / b);
}

const remainder = (sign: "divisor" | "dividend"): PairFunction => ({
  number: (a, b) => {
    divide(a, b);
    const rest = a % b;
    return sign === "divisor" && rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
  },
  bigint: (a, b) => {
    const rest = a % b;
    return sign === "divisor" && rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
  },
});

export const arithmetic: KernelTable = {
  Add: binary((tf, a, b) => tf.add(a, b), { number: (a, b) => a + b, bigint: (a, b) => a + b }),
  Sub: binary((tf, a, b) => tf.sub(a, b), { number: (a, b) => a - b, bigint: (a, b) => a - b }),
  // Math.imul keeps the low 32 bits, which a product of doubles would lose.
  Mul: binary((tf, a, b) => tf.mul(a, b), { number: Math.imul, bigint: (a, b) => a * b }),
  Div: binary((tf, a, b) => tf.div(a, b), { number: divide, bigint: (a, b) => a / b }),
  Pow: binary((tf, a, b) => tf.pow(...alignedPair(tf, a, b)), {
    number: (a, b) => Number(BigInt.asIntN(32, integerPower(BigInt(a), BigInt(b)))),
    bigint: integerPower,
  }),
  Min: folded((tf, a, b) => tf.minimum(...alignedPair(tf, a, b)), smaller),
  Max: folded((tf, a, b) => tf.maximum(...alignedPair(tf, a, b)), larger),
  Sum: folded((tf, a, b) => tf.add(a, b)),
  Mean: {
    device: onDevice((c) =>
      c.tf.div(
        tensors(c).reduce((a, b) => c.tf.add(a, b)),
        c.inputs.length,
      ),
    ),
  },
  Mod: { host: onHost((c) => mapPairs(c.array(0), c.array(1), remainder(c.flag("fmod") ? "dividend" : "divisor"))) },
  BitwiseAnd: {
    host: onHost((c) => mapPairs(c.array(0), c.array(1), { number: (a, b) => a & b, bigint: (a, b) => a & b })),
  },
  BitwiseXor: {
    host: onHost((c) => mapPairs(c.array(0), c.array(1), { number: (a, b) => a ^ b, bigint: (a, b) => a ^ b })),
  },
  // The int64 numbers start, limit, delta.
  Range: {
    decidedBy: [],
    host: onHost((c) => {
      const [start, limit, delta] = [0, 1, 2].map((i) => BigInt(c.array(i).elements()[0]!)) as [bigint, bigint, bigint];
      if (delta === 0n) throw new RangeError("delta is 0");
      const span = limit - start;
      const length =
        span === 0n || span < 0n !== delta < 0n ? 0 : Number((span + delta - (delta > 0n ? 1n : -1n)) / delta);
      const data = BigInt64Array.from({ length }, (_, i) => start + BigInt(i) * delta);
      const { dtype } = c.array(0);
      return dtype === "int64"
        ? new HostArray(dtype, [length], data)
        : new HostArray(dtype, [length], Int32Array.from(data, Number));
    }),
  },
};
