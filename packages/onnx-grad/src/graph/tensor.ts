// Element types and constant tensors: what an initializer holds, in memory or at an offset of a file.
import { type Shape, staticSize } from "./dim.js";

/** Element types, by the standard's lower-case names. */
export type DType = "float32" | "float64" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** The typed array that carries each element type (`bool` as 0/1 bytes). */
export interface TypedArrays {
  float32: Float32Array;
  float64: Float64Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type TensorData = TypedArrays[DType];

/** A constant that lives in memory and is embedded in the serialised model. */
export interface EmbeddedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A constant that stays in a file (a safetensors checkpoint, say): `byteLength` bytes from `offset`, little-endian, row-major. */
export interface ExternalTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

export type ConstantTensor = EmbeddedTensor | ExternalTensor;

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Bytes per element. */
export const byteWidth = (dtype: DType): number => constructors[dtype].BYTES_PER_ELEMENT;

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float64";

/** A zero-filled typed array of the element type. */
export function allocate(dtype: DType, length: number): TensorData {
  return new constructors[dtype](length);
}

/** A typed array of the element type from plain numbers. @throws RangeError where a number does not fit an integer type. */
export function fromNumbers(dtype: DType, numbers: ArrayLike<number>): TensorData {
  if (dtype === "int64") {
    return BigInt64Array.from({ length: numbers.length }, (_, i) => {
      if (!Number.isSafeInteger(numbers[i])) throw new RangeError(`${numbers[i]} does not fit the element type int64`);
      return BigInt(numbers[i]!);
    });
  }
  const data = new constructors[dtype](numbers.length);
  data.set(numbers);
  if (!isFloat(dtype)) {
    for (let i = 0; i < data.length; i++) {
      if (data[i] !== numbers[i]) throw new RangeError(`${numbers[i]} does not fit the element type ${dtype}`);
    }
  }
  return data;
}

/** Checks that data, element type and shape belong together. @throws TypeError otherwise, naming `label`. */
export function checkTensor(label: string, tensor: ConstantTensor): void {
  const size = staticSize(tensor.shape as Shape);
  if ("data" in tensor) {
    if (!(tensor.data instanceof constructors[tensor.dtype])) {
      throw new TypeError(
        `${label}: ${tensor.dtype} is carried by a ${constructors[tensor.dtype].name}, not a ${tensor.data.constructor.name}`,
      );
    }
    if (tensor.data.length !== size) {
      throw new TypeError(
        `${label}: ${tensor.data.length} elements for shape [${tensor.shape.join(", ")}], expected ${size}`,
      );
    }
  } else if (tensor.byteLength !== size * byteWidth(tensor.dtype)) {
    throw new TypeError(
      `${label}: ${tensor.byteLength} bytes in ${tensor.file} for ${tensor.dtype} [${tensor.shape.join(", ")}], expected ${size * byteWidth(tensor.dtype)}`,
    );
  }
}
