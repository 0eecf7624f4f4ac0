// Change of element type. Whatever an integer takes part in happens in memory, exactly; between floats and bools on the
// device.
import { allocate, type DType, isFloat } from "../../../graph/tensor.js";
import { dtypeOfNumber } from "../../../operators/conversion.js";
import { HostArray } from "../host-array.js";
import { type KernelTable, onDevice, onHost } from "./kernel.js";

const limits: Partial<Record<DType, readonly [least: number, count: number]>> = {
  int32: [-(2 ** 31), 2 ** 32],
  int64: [-(2 ** 63), 2 ** 64],
};

/**
 * Fractions are cut off towards zero. What does not fit becomes the type's least number, as on x86 (the standard leaves
 * it open).
 */
function toInteger(x: number, dtype: DType): number {
  const limit = limits[dtype];
  const whole = Math.trunc(x);
  if (!limit) return whole;
  const [least, count] = limit;
  return whole >= least && whole < least + count ? whole : least;
}

function convert(x: HostArray, dtype: DType): HostArray {
  const from = x.elements();
  const result = new HostArray(dtype, x.shape, allocate(dtype, from.length));
  const { data } = result;
  for (let i = 0; i < from.length; i++) {
    const element = from[i]!;
    if (data instanceof BigInt64Array) {
      data[i] = typeof element === "bigint" ? element : BigInt(toInteger(element, dtype));
    } else if (dtype === "bool") data[i] = Number(element) === 0 ? 0 : 1;
    else if (isFloat(dtype)) data[i] = Number(element);
    else data[i] = typeof element === "bigint" ? Number(BigInt.asIntN(32, element)) : toInteger(element, dtype);
  }
  return result;
}

export const conversion: KernelTable = {
  Cast: {
    integerResultsInMemory: true,
    device: onDevice((c) => {
      const { tf } = c;
      const x = c.tensor(0);
      const bool = dtypeOfNumber(c.int("to")) === "bool";
      if (bool) return x.dtype === "bool" ? tf.clone(x) : tf.notEqual(x, tf.zerosLike(x));
      return tf.cast(x, "float32");
    }),
    host: onHost((c) => convert(c.array(0), dtypeOfNumber(c.int("to")))),
  },
};
