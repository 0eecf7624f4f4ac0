// Writing safetensors files so that a reader sees the old file or the new one, whole, and never something between.
// Temporary file in the same folder → fsync → rename; the data goes from the typed arrays to the disk without a copy.
import { writeAtomically, writeFully } from "./atomic-file.js";
import { CheckpointError, shown, shownShape } from "./errors.js";
import { elementCount, layoutSafetensors, type SafetensorsDtype } from "./safetensors.js";

/**
 * The arrays that can be stored, and so the dtypes: F32, F64, I8, U8, I16, I32, U32, I64. (U16 is ambiguous with
 * F16/BF16.)
 */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array;

/** A tensor in memory: row-major `data` with as many elements as `shape` says (`[]` is a scalar). */
export interface TensorData<A extends TensorArray = TensorArray> {
  readonly shape: readonly number[];
  readonly data: A;
}

function dtypeOf(data: TensorArray): SafetensorsDtype {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Int8Array) return "I8";
  if (data instanceof Uint8Array) return "U8";
  if (data instanceof Int16Array) return "I16";
  if (data instanceof Int32Array) return "I32";
  if (data instanceof Uint32Array) return "U32";
  return "I64";
}

/**
 * Writes named tensors to a safetensors file, atomically and durably. The bytes are those that the reference
 * implementation would write for the same tensors and metadata.
 *
 * @param file the path to write; an existing file is replaced in one step
 * @param tensors by name; the dtype follows from the array (Float32Array → F32, …)
 * @param options.metadata strings to store beside them (`__metadata__`)
 * @throws CheckpointError naming the file, and the tensor whose data does not fit its shape; an abort throws the
 * signal's reason. On any error an existing file stays as it was, and no temporary file remains.
 */
export async function writeSafetensors(
  file: string,
  tensors: Readonly<Record<string, TensorData>>,
  { metadata = {}, signal }: { metadata?: Readonly<Record<string, string>>; signal?: AbortSignal } = {},
): Promise<void> {
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => {
    if (elementCount(shape) !== data.length) {
      throw new CheckpointError(
        `${file}: tensor ${shown(name)}: ${data.length} elements, expected ${elementCount(shape)} for the shape ` +
          `${shownShape(shape)}`,
      );
    }
    return { name, dtype: dtypeOf(data), shape, data };
  });
  const { header, order } = layoutSafetensors(entries, metadata);
  await writeAtomically(file, async (handle) => {
    await writeFully(handle, header, signal);
    for (const { data } of order) {
      await writeFully(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), signal);
    }
  });
}
