// Arrays in JavaScript's memory, as strided views: where integers live, which TensorFlow.js holds in 32 bits only.
// Broadcasting, transposing and slicing make views; nothing is copied until an operator needs its elements in a row.
import { allocate, type DType, type TypedArray } from "../../graph/tensor.js";

/** Distances in elements between neighbours along each axis, row-major. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The shape that all shapes broadcast to. @throws RangeError where they do not. */
export function broadcastSizes(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = new Set(shapes.map((shape) => shape[axis - rank + shape.length] ?? 1));
    sizes.delete(1);
    if (sizes.size > 1) throw new RangeError(`shapes ${shapes.map((s) => `[${s.join(", ")}]`).join(" and ")} differ`);
    return [...sizes][0] ?? 1;
  });
}

/** Where the elements of a view are in its data. */
export interface Layout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Positions of all elements, row-major. */
export function positionsOf({ shape, strides, offset }: Layout): Int32Array {
  let positions = Int32Array.of(offset);
  shape.forEach((size, axis) => {
    const stride = strides[axis]!;
    const wider = new Int32Array(positions.length * size);
    let at = 0;
    for (const position of positions) {
      for (let i = 0; i < size; i++) wider[at++] = position + i * stride;
    }
    positions = wider;
  });
  return positions;
}

export class HostArray implements Layout {
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly data: TypedArray,
    readonly strides: readonly number[] = rowMajor(shape),
    readonly offset = 0,
  ) {}

  /** A zero-filled array. */
  static zeros(dtype: DType, shape: readonly number[]): HostArray {
    return new HostArray(dtype, shape, allocate(dtype, sizeOf(shape)));
  }

  /** int64 from plain integers. */
  static ints(numbers: readonly number[], shape: readonly number[] = [numbers.length]): HostArray {
    return new HostArray("int64", shape, BigInt64Array.from(numbers, BigInt));
  }

  get rank(): number {
    return this.shape.length;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** The same elements under another layout. */
  view({ shape, strides, offset }: Layout): HostArray {
    return new HostArray(this.dtype, shape, this.data, strides, offset);
  }

  /** Positions in `data` of all elements, row-major. */
  positions(): Int32Array {
    return positionsOf(this);
  }

  /** The elements in a row: `data` itself where it is one, a copy otherwise. Not to be written to. */
  elements(): TypedArray {
    const plain = this.offset === 0 && this.data.length === this.size;
    if (plain && rowMajor(this.shape).every((stride, axis) => stride === this.strides[axis] || this.shape[axis] === 1))
      return this.data;
    const copy = allocate(this.dtype, this.size);
    copyElements(this.data, this.positions(), copy);
    return copy;
  }

  /** The elements as plain numbers. @throws RangeError for an integer beyond 2⁵³. */
  numbers(): number[] {
    return Array.from<number | bigint, number>(this.elements(), (element) => {
      const number = Number(element);
      if (typeof element === "bigint" && !Number.isSafeInteger(number))
        throw new RangeError(`${element} is too large for an index or a size`);
      return number;
    });
  }

  reshape(shape: readonly number[]): HostArray {
    if (sizeOf(shape) !== this.size)
      throw new RangeError(`[${this.shape.join(", ")}] cannot become [${shape.join(", ")}]`);
    return new HostArray(this.dtype, shape, this.elements());
  }

  transpose(perm: readonly number[]): HostArray {
    const pick = (list: readonly number[]) => perm.map((axis) => list[axis]!);
    return this.view({ shape: pick(this.shape), strides: pick(this.strides), offset: this.offset });
  }

  broadcast(shape: readonly number[]): HostArray {
    const missing = shape.length - this.rank;
    const strides = shape.map((size, axis) => {
      const own = this.shape[axis - missing] ?? 1;
      if (own !== size && own !== 1)
        throw new RangeError(`[${this.shape.join(", ")}] does not broadcast to [${shape.join(", ")}]`);
      return own === size && axis >= missing ? this.strides[axis - missing]! : 0;
    });
    return this.view({ shape, strides, offset: this.offset });
  }

  /** `length` elements along an axis, from `start` on, every `step`-th. */
  slice(axis: number, start: number, length: number, step = 1): HostArray {
    const stride = this.strides[axis]!;
    return this.view({
      shape: this.shape.with(axis, length),
      strides: this.strides.with(axis, stride * step),
      offset: this.offset + (length === 0 ? 0 : start * stride),
    });
  }

  /** Writes a source of the same shape and element type into this view. */
  assign(source: HostArray): void {
    const [from, to] = [source.positions(), this.positions()];
    const [read, write] = [source.data, this.data];
    if (read instanceof BigInt64Array && write instanceof BigInt64Array) {
      for (let i = 0; i < to.length; i++) write[to[i]!] = read[from[i]!]!;
    } else if (!(read instanceof BigInt64Array || write instanceof BigInt64Array)) {
      for (let i = 0; i < to.length; i++) write[to[i]!] = read[from[i]!]!;
    } else throw new TypeError(`${source.dtype} cannot be written into ${this.dtype}`);
  }
}

/** target[i] = source[positions[i]]; both of one element type. */
export function copyElements(source: TypedArray, positions: ArrayLike<number>, target: TypedArray): void {
  if (source instanceof BigInt64Array && target instanceof BigInt64Array) {
    for (let i = 0; i < target.length; i++) target[i] = source[positions[i]!]!;
  } else if (!(source instanceof BigInt64Array || target instanceof BigInt64Array)) {
    for (let i = 0; i < target.length; i++) target[i] = source[positions[i]!]!;
  } else throw new TypeError("arrays of different element types");
}

/**
 * What an operator does to two elements: int64 as bigint, every other type as number. The result is wrapped to the
 * element type.
 */
export interface PairFunction {
  readonly number: (a: number, b: number) => number;
  readonly bigint: (a: bigint, b: bigint) => bigint;
}

/** The smaller and the larger of two elements. Math.min and Math.max take no bigints. */
export const smaller: PairFunction = {
  number: Math.min,
  bigint: (a, b) => {
    if (a < b) return a;
    return b;
  },
};
export const larger: PairFunction = {
  number: Math.max,
  bigint: (a, b) => {
    if (a > b) return a;
    return b;
  },
};

/** An elementwise operator of two arrays of one element type, with broadcasting. */
export function mapPairs(a: HostArray, b: HostArray, { number, bigint }: PairFunction): HostArray {
  const shape = broadcastSizes([a.shape, b.shape]);
  const [left, right] = [a.broadcast(shape).positions(), b.broadcast(shape).positions()];
  const result = HostArray.zeros(a.dtype, shape);
  const [x, y, z] = [a.data, b.data, result.data];
  if (x instanceof BigInt64Array && y instanceof BigInt64Array && z instanceof BigInt64Array) {
    for (let i = 0; i < z.length; i++) z[i] = bigint(x[left[i]!]!, y[right[i]!]!);
  } else if (!(x instanceof BigInt64Array || y instanceof BigInt64Array || z instanceof BigInt64Array)) {
    for (let i = 0; i < z.length; i++) z[i] = number(x[left[i]!]!, y[right[i]!]!);
  } else throw new TypeError(`element types ${a.dtype} and ${b.dtype} differ`);
  return result;
}

/** A comparison of two arrays of one element type, with broadcasting. */
export function comparePairs(
  a: HostArray,
  b: HostArray,
  compare: (a: number | bigint, b: number | bigint) => boolean,
): HostArray {
  const shape = broadcastSizes([a.shape, b.shape]);
  const [left, right] = [a.broadcast(shape).positions(), b.broadcast(shape).positions()];
  const data = new Uint8Array(left.length);
  for (let i = 0; i < data.length; i++) data[i] = Number(compare(a.data[left[i]!]!, b.data[right[i]!]!));
  return new HostArray("bool", shape, data);
}

/** An elementwise operator of one array. */
export function mapElements(
  x: HostArray,
  { number, bigint }: { number: (x: number) => number; bigint: (x: bigint) => bigint },
): HostArray {
  const elements = x.elements();
  const data = elements instanceof BigInt64Array ? elements.map(bigint) : elements.map(number);
  return new HostArray(x.dtype, x.shape, data);
}
