// A value while a run lasts: on the device, in memory, or both, copied from one to the other when a kernel asks for it.
import type { DType, TypedArray } from "../../graph/tensor.js";
import { HostArray } from "./host-array.js";
import type { DeviceTensor, TensorFlow } from "./tensorflow.js";

export class Slot {
  private onDevice: DeviceTensor | undefined;
  private inMemory: HostArray | undefined;

  constructor(
    private readonly tf: TensorFlow,
    readonly dtype: DType,
    content: DeviceTensor | HostArray,
  ) {
    if (content instanceof HostArray) this.inMemory = content;
    else this.onDevice = content;
  }

  get shape(): readonly number[] {
    return this.inMemory?.shape ?? this.onDevice!.shape;
  }

  get isInMemory(): boolean {
    return this.inMemory !== undefined;
  }

  /** The value on the device, which stays there until the slot is freed. */
  tensor(): DeviceTensor {
    // A copy: some backends keep the array that they are given.
    this.onDevice ??= this.upload(this.inMemory!.elements().slice());
    return this.onDevice;
  }

  /** To the device, with the array that has been in memory until now. */
  moveToDevice(): void {
    this.onDevice ??= this.upload(this.inMemory!.elements());
    this.inMemory = undefined;
  }

  private upload(data: TypedArray): DeviceTensor {
    if (this.dtype !== "float32" && this.dtype !== "bool")
      throw new TypeError(`${this.dtype} has no place on the device`);
    return this.tf.tensor(data as Float32Array | Uint8Array, [...this.shape], this.dtype);
  }

  /** The value in memory. */
  async array(): Promise<HostArray> {
    this.inMemory ??= await download(this.onDevice!, this.dtype);
    return this.inMemory;
  }

  free(): void {
    this.onDevice?.dispose();
    this.onDevice = undefined;
    this.inMemory = undefined;
  }
}

/** A copy of a tensor as an array of the graph's element type. */
export async function download(tensor: DeviceTensor, dtype: DType): Promise<HostArray> {
  const data = await tensor.data();
  const shape = [...tensor.shape];
  switch (dtype) {
    case "float32":
      return new HostArray(dtype, shape, Float32Array.from(data));
    case "bool":
      return new HostArray(dtype, shape, Uint8Array.from(data));
    case "int32":
      return new HostArray(dtype, shape, Int32Array.from(data));
    case "int64":
      return new HostArray(dtype, shape, BigInt64Array.from(data, BigInt));
    default:
      throw new TypeError(`no result of ${dtype} comes from the device`);
  }
}
