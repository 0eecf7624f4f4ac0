// Products of a fixed sparse matrix with dense ones, in WebAssembly.
import type { SparseFeatures } from "@cllm4rec/corpus";
import { TrainingError } from "../error.js";
import { SPARSE } from "./sparse.wasm.js";

// Shape legend: R rows, F columns of the sparse matrix, n entries that are not 0, K columns of the dense ones.

/** What is used of an API whose types come with those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  addProduct(count: number, ys: number, xs: number, values: number, x: number, y: number, stride: number): void;
}

const PAGE = 65_536;
/** What a WebAssembly memory can hold. */
const MOST = 65_536 * PAGE;

/**
 * X·W and Xᵀ·G for one sparse X [R, F]; entries are added in their order, so that the bits are the same on every
 * machine.
 */
export class SparseProduct {
  private readonly kernel: Kernel;
  private readonly places: { readonly rows: number; readonly columns: number; readonly values: number };
  private readonly dense: { readonly tall: number; readonly wide: number };
  private readonly stride: number;

  /** @throws TrainingError for a matrix that is malformed, or too large for the kernel's memory of 4 GiB */
  constructor(
    private readonly matrix: SparseFeatures,
    private readonly width: number,
  ) {
    checkSparse(matrix);
    const { rows, columns, indptr, indices, values } = matrix;
    const n = indices.length;
    this.stride = 16 * Math.ceil(width / 4);
    const entries = 16 * Math.ceil(n / 4);
    this.places = { rows: 0, columns: entries, values: 2 * entries };
    this.dense = { tall: 3 * entries, wide: 3 * entries + rows * this.stride };
    const bytes = this.dense.wide + columns * this.stride;
    if (bytes > MOST)
      throw new TrainingError(
        `text features: ${rows} rows and ${columns} features of width ${width} take ${bytes} bytes, more than ` +
          `${MOST}; ` +
          "use fewer features",
      );
    this.kernel = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(SPARSE, "base64"))).exports as Kernel;
    this.kernel.memory.grow(Math.ceil(bytes / PAGE));
    const { buffer } = this.kernel.memory;
    const rowOf = new Int32Array(buffer, this.places.rows, n);
    for (let row = 0; row < rows; row++) rowOf.fill(row, indptr[row]!, indptr[row + 1]!);
    new Int32Array(buffer, this.places.columns, n).set(indices);
    new Float32Array(buffer, this.places.values, n).set(values);
  }

  /** `target` ← base + X·W. @param base [R, K] @param weights [F, K] @param target [R, K], may be `base` */
  addTo(base: Float32Array, weights: Float32Array, target: Float32Array): void {
    const { rows, columns, values } = this.places;
    const { tall, wide } = this.dense;
    this.put(base, tall, this.matrix.rows);
    this.put(weights, wide, this.matrix.columns);
    this.kernel.addProduct(this.matrix.indices.length, rows, columns, values, wide, tall, this.stride);
    this.take(tall, this.matrix.rows, target);
  }

  /** Xᵀ·G, [F, K]. @param gradient [R, K] */
  transposed(gradient: Float32Array): Float32Array {
    const { rows, columns, values } = this.places;
    const { tall, wide } = this.dense;
    this.put(gradient, tall, this.matrix.rows);
    new Uint8Array(this.kernel.memory.buffer, wide, this.matrix.columns * this.stride).fill(0);
    this.kernel.addProduct(this.matrix.indices.length, columns, rows, values, tall, wide, this.stride);
    const product = new Float32Array(this.matrix.columns * this.width);
    this.take(wide, this.matrix.columns, product);
    return product;
  }

  private view(place: number, rows: number): Float32Array {
    return new Float32Array(this.kernel.memory.buffer, place, (rows * this.stride) / 4);
  }

  private put(from: Float32Array, place: number, rows: number): void {
    const { width, stride } = this;
    const to = this.view(place, rows);
    if (stride === 4 * width) to.set(from);
    else for (let row = 0; row < rows; row++) to.set(from.subarray(row * width, (row + 1) * width), (row * stride) / 4);
  }

  private take(place: number, rows: number, to: Float32Array): void {
    const { width, stride } = this;
    const from = this.view(place, rows);
    if (stride === 4 * width) to.set(from);
    else
      for (let row = 0; row < rows; row++) {
        const at = (row * stride) / 4;
        to.set(from.subarray(at, at + width), row * width);
      }
  }
}

/** @throws TrainingError saying what of a sparse matrix is malformed */
function checkSparse({ rows, columns, indptr, indices, values }: SparseFeatures): void {
  if (indptr.length !== rows + 1 || indptr[0] !== 0)
    throw new TrainingError(`text features: found ${indptr.length} row starts, expected ${rows + 1} from 0`);
  for (let row = 0; row < rows; row++)
    if (indptr[row]! > indptr[row + 1]!) throw new TrainingError(`text features: row ${row} ends before it begins`);
  if (indptr[rows] !== indices.length || indices.length !== values.length)
    throw new TrainingError(
      `text features: found ${indices.length} columns and ${values.length} values, expected ${indptr[rows]}`,
    );
  for (let p = 0; p < indices.length; p++) {
    if (!(indices[p]! >= 0 && indices[p]! < columns))
      throw new TrainingError(`text features: found column ${indices[p]}, expected 0 … ${columns - 1}`);
    if (!Number.isFinite(values[p]!))
      throw new TrainingError(`text features: found ${values[p]} in column ${indices[p]}, expected finite numbers`);
  }
}
