// Constants on their way into sessions: read from memory or from files, and shared by all sessions that point to the
// same bytes.
import fs from "node:fs/promises";
import path from "node:path";
import { allocate, type ConstantTensor } from "../../graph/tensor.js";
import { HostArray, sizeOf } from "./host-array.js";
import { Slot } from "./slot.js";
import type { TensorFlow } from "./tensorflow.js";

interface Shared {
  readonly slot: Slot;
  users: number;
}

export class WeightStore {
  private readonly shared = new Map<string, Shared>();

  constructor(private readonly tf: TensorFlow) {}

  /**
   * A constant's slot; the device gets floats and bools at once. Every call is to be followed by one of
   * {@link release}.
   * @throws Error naming the file where it is missing or too short.
   */
  async acquire(constant: ConstantTensor): Promise<Slot> {
    const key = keyOf(constant);
    const known = key === undefined ? undefined : this.shared.get(key);
    if (known) {
      known.users++;
      return known.slot;
    }
    const slot = new Slot(this.tf, constant.dtype, await read(constant));
    if (constant.dtype === "float32") slot.moveToDevice();
    else if (constant.dtype === "bool") slot.tensor(); // on both sides: which one is asked for shows only later
    if (key !== undefined) this.shared.set(key, { slot, users: 1 });
    return slot;
  }

  release(constant: ConstantTensor, slot: Slot): void {
    const key = keyOf(constant);
    const known = key === undefined ? undefined : this.shared.get(key);
    if (known && --known.users > 0) return;
    if (key !== undefined) this.shared.delete(key);
    slot.free();
  }
}

/** Equal for equal bytes of one file; `undefined` for constants in memory, which belong to their session. */
function keyOf(constant: ConstantTensor): string | undefined {
  if ("data" in constant) return undefined;
  const { dtype, shape, file, offset, byteLength } = constant;
  return JSON.stringify([path.resolve(file), offset, byteLength, dtype, shape]);
}

async function read(constant: ConstantTensor): Promise<HostArray> {
  const { dtype, shape } = constant;
  if ("data" in constant) return new HostArray(dtype, shape, constant.data.slice());
  const { file, offset, byteLength } = constant;
  const data = allocate(dtype, sizeOf(shape));
  const bytes = new Uint8Array(data.buffer);
  const handle = await fs.open(file);
  try {
    for (let done = 0; done < byteLength; ) {
      const { bytesRead } = await handle.read(bytes, done, byteLength - done, offset + done);
      if (bytesRead === 0) {
        throw new Error(
          `${file} ends after ${offset + done} bytes; a constant of ${byteLength} bytes is expected at ${offset}`,
        );
      }
      done += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return new HostArray(dtype, shape, data);
}
