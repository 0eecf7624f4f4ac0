// Tensors of a safetensors file into typed arrays. The header is checked by the backbone's strict reader before
// anything is read.
import fs from "node:fs/promises";
import {
  CheckpointError,
  readSafetensorsHeader,
  type SafetensorsDtype,
  type TensorArray,
  type TensorData,
} from "@cllm4rec/backbone";
import { reasonOf, TrainingError } from "../error.js";

const ARRAYS: Partial<Record<SafetensorsDtype, (buffer: ArrayBuffer) => TensorArray>> = {
  F32: (buffer) => new Float32Array(buffer),
  F64: (buffer) => new Float64Array(buffer),
  I32: (buffer) => new Int32Array(buffer),
  U8: (buffer) => new Uint8Array(buffer),
  I64: (buffer) => new BigInt64Array(buffer),
};

/**
 * A file's tensors by name, and its metadata. @throws TrainingError naming the file, and the tensor where there is one
 */
export async function readTensors(
  file: string,
): Promise<{ tensors: Record<string, TensorData>; metadata: Readonly<Record<string, string>> }> {
  try {
    const header = await readSafetensorsHeader(file);
    const handle = await fs.open(file, "r");
    try {
      const tensors: Record<string, TensorData> = {};
      for (const [name, { dtype, shape, byteOffset, byteLength }] of header.tensors) {
        const make = ARRAYS[dtype];
        if (!make)
          throw new TrainingError(
            `${file}: tensor ${name} has dtype ${dtype}, expected ${Object.keys(ARRAYS).join(", ")}`,
          );
        const bytes = new Uint8Array(byteLength);
        for (let done = 0; done < byteLength; ) {
          const length = Math.min(byteLength - done, 1 << 30);
          const { bytesRead } = await handle.read(bytes, done, length, byteOffset + done);
          if (bytesRead === 0) throw new TrainingError(`${file}: ends within tensor ${name}; the file is damaged`);
          done += bytesRead;
        }
        tensors[name] = { shape, data: make(bytes.buffer) };
      }
      return { tensors, metadata: header.metadata };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof TrainingError) throw error;
    if (error instanceof CheckpointError) throw new TrainingError(error.message, { cause: error });
    throw new TrainingError(`${file}: cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * A tensor that has to be there, of float32 and this shape. @throws TrainingError naming file, tensor, what was found
 * and expected
 */
export function float32(
  file: string,
  tensors: Readonly<Record<string, TensorData>>,
  name: string,
  shape: readonly (number | undefined)[],
): TensorData<Float32Array> {
  const tensor = tensors[name];
  const found = tensor ? `${tensor.data.constructor.name} [${tensor.shape.join(", ")}]` : "no such tensor";
  const fits =
    tensor?.shape.length === shape.length &&
    shape.every((size, axis) => size === undefined || size === tensor.shape[axis]);
  if (!tensor || !(tensor.data instanceof Float32Array) || !fits) {
    throw new TrainingError(
      `${file}: tensor ${name}: found ${found}, expected Float32Array ` +
        `[${shape.map((size) => size ?? "any").join(", ")}]; it belongs to another model or is damaged`,
    );
  }
  return { shape: tensor.shape, data: tensor.data };
}
