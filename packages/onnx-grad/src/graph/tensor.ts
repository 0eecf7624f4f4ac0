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
export type TypedArray = TypedArrays[DType];

/** A constant that lives in memory and is embedded in the serialised model. */
export interface EmbeddedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/**
 * A constant that stays in a file (a safetensors checkpoint, say): `byteLength` bytes from `offset`, little-endian,
 * row-major.
 */
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

export const isDType = (x: unknown): x is DType => typeof x === "string" && Object.hasOwn(constructors, x);

/** @throws RangeError listing the element types there are. */
export function requireDType(x: unknown): asserts x is DType {
  if (isDType(x)) return;
  const hint = x === "float16" || x === "bfloat16" ? "; convert to float32 first" : "";
  const found = typeof x === "string" ? x : String(x);
  throw new RangeError(`element type ${found} is not supported; ${Object.keys(constructors).join(", ")} are${hint}`);
}

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float64";

/** A zero-filled typed array of the element type. */
export function allocate(dtype: DType, length: number): TypedArray {
  return new constructors[dtype](length);
}

/**
 * A typed array of the element type from plain numbers. @throws RangeError where a number does not fit an integer type.
 */
export function fromNumbers(dtype: DType, numbers: ArrayLike<number>): TypedArray {
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

const nameOf = (x: unknown): string =>
  typeof x === "object" && x !== null ? `a ${x.constructor.name}` : x === null ? "null" : typeof x;

/**
 * What a tensor is made of, as far as that is known without its data. @throws TypeError naming `label` and what is
 * wrong.
 */
function checkForm(label: string, tensor: unknown): void {
  if (typeof tensor !== "object" || tensor === null || !("dtype" in tensor) || !("shape" in tensor)) {
    throw new TypeError(`${label}: a tensor { dtype, shape, data } is expected, not ${nameOf(tensor)}`);
  }
  try {
    requireDType(tensor.dtype);
  } catch (error) {
    throw new TypeError(`${label}: ${(error as Error).message}`);
  }
  const { shape } = tensor;
  if (!Array.isArray(shape) || shape.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
    throw new TypeError(`${label}: its shape must be a list of integers of 0 or more, not ${JSON.stringify(shape)}`);
  }
}

/** Checks that data, element type and shape belong together. @throws TypeError otherwise, naming `label`. */
export function checkTensor(label: string, tensor: ConstantTensor): void {
  checkForm(label, tensor);
  const size = staticSize(tensor.shape as Shape);
  if ("data" in tensor) {
    if (!(tensor.data instanceof constructors[tensor.dtype])) {
      throw new TypeError(
        `${label}: ${tensor.dtype} is carried by a ${constructors[tensor.dtype].name}, not ${nameOf(tensor.data)}`,
      );
    }
    if (tensor.data.length !== size) {
      throw new TypeError(
        `${label}: ${tensor.data.length} elements for shape [${tensor.shape.join(", ")}], expected ${size}`,
      );
    }
  } else if (!("file" in tensor)) {
    throw new TypeError(`${label}: it has neither data nor a file`);
  } else if (tensor.byteLength !== size * byteWidth(tensor.dtype)) {
    throw new TypeError(
      `${label}: ${tensor.byteLength} bytes in ${tensor.file} for ${tensor.dtype} [${tensor.shape.join(", ")}], ` +
        `expected ${size * byteWidth(tensor.dtype)}`,
    );
  }
}
