// Exact widening of F16 and BF16 to F32, and the search for values that are not finite; on bit patterns, chunk by
// chunk. Pure functions over typed arrays; every value incl. subnormals, infinities and NaN payloads survives.
import { CheckpointError, shown } from "./errors.js";
import type { SafetensorsDtype } from "./safetensors.js";

/** The dtypes that weights may have: each value is exactly representable in F32. */
export type WeightDtype = "F32" | "F16" | "BF16";

/** Whether a tensor of this dtype can serve as a weight. */
export function isWeightDtype(dtype: SafetensorsDtype): dtype is WeightDtype {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/** Bytes per element. */
export const WEIGHT_BYTES: Readonly<Record<WeightDtype, number>> = { F32: 4, F16: 2, BF16: 2 };

/**
 * The F32 bit pattern of a half-precision bit pattern (IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits).
 */
export function float16ToFloat32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0; // infinity, or NaN with its payload
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0; // bias 15 → 127
  if (fraction === 0) return sign >>> 0;
  // Subnormal: fraction · 2⁻²⁴ with its leading one at bit k is 2^(k−24) · (1 + …), normal in F32.
  const k = 31 - Math.clz32(fraction);
  return (sign | ((k + 103) << 23) | ((fraction << (23 - k)) & 0x7fffff)) >>> 0;
}

let float16Table: Uint32Array | undefined;

/** All 65,536 half-precision patterns widened: 256 KiB, which the processor's second-level cache holds. */
function tableOfFloat16(): Uint32Array {
  float16Table ??= Uint32Array.from({ length: 65_536 }, (_, half) => float16ToFloat32Bits(half));
  return float16Table;
}

/**
 * Widens the values of `source` into `target` (both viewed as bits; as many elements in each).
 *
 * @param source F16 or BF16 as Uint16Array, F32 as Uint32Array
 */
export function widen(dtype: WeightDtype, source: Uint16Array | Uint32Array, target: Uint32Array): void {
  if (dtype === "F32") {
    target.set(source);
  } else if (dtype === "BF16") {
    for (let i = 0; i < source.length; i++) target[i] = source[i]! << 16; // BF16 is the upper half of F32
  } else {
    const table = tableOfFloat16();
    for (let i = 0; i < source.length; i++) target[i] = table[source[i]!]!;
  }
}

/** The bits that are all set exactly in infinities and NaNs. */
const EXPONENT: Readonly<Record<WeightDtype, number>> = { F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80 };

/** The index of the first infinity or NaN of `bits`, or −1. */
export function firstNonFinite(dtype: WeightDtype, bits: Uint16Array | Uint32Array): number {
  const exponent = EXPONENT[dtype];
  // One loop per width keeps both monomorphic, which is worth a factor of several.
  return bits instanceof Uint16Array ? scan16(bits, exponent) : scan32(bits, exponent);
}

function scan16(bits: Uint16Array, exponent: number): number {
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & exponent) === exponent) return i;
  return -1;
}

function scan32(bits: Uint32Array, exponent: number): number {
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & exponent) === exponent) return i;
  return -1;
}

/** `bytes` (at an offset that suits the width) as the bit patterns of its elements. */
export function bitsOf(dtype: WeightDtype, bytes: Uint8Array): Uint16Array | Uint32Array {
  return dtype === "F32"
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    : new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

/** What a non-finite bit pattern means, for a message. */
export function describeNonFinite(dtype: WeightDtype, bits: number): "NaN" | "Infinity" | "-Infinity" {
  const exponent = EXPONENT[dtype];
  const sign = dtype === "F32" ? 0x80000000 : 0x8000;
  if ((bits & (sign - 1)) !== exponent) return "NaN";
  return (bits & sign) === 0 ? "Infinity" : "-Infinity";
}

/** The dtype as a weight's, or an error that names the tensor. */
export function weightDtype(tensor: { name: string; dtype: SafetensorsDtype; file: string }): WeightDtype {
  if (isWeightDtype(tensor.dtype)) return tensor.dtype;
  throw new CheckpointError(
    `${tensor.file}: tensor ${shown(tensor.name)} has dtype ${tensor.dtype}; weights must be F32, F16 or BF16: ` +
      "save the model in one of these",
  );
}
