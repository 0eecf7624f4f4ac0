// Writing safetensors files so that a reader sees the old file or the new one, whole, and never something between.
// Temporary file in the same folder → fsync → rename; the data goes from the typed arrays to the disk without a copy.
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { CheckpointError, reasonOf, shown, shownShape } from "./errors.js";
import { elementCount, layoutSafetensors, type SafetensorsDtype } from "./safetensors.js";

/** The arrays that can be stored, and so the dtypes: F32, F64, I8, U8, I16, I32, U32, I64. (U16 is ambiguous with F16/BF16.) */
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
 * Writes named tensors to a safetensors file, atomically and durably. The bytes are those that the reference implementation
 * would write for the same tensors and metadata.
 *
 * @param file the path to write; an existing file is replaced in one step
 * @param tensors by name; the dtype follows from the array (Float32Array → F32, …)
 * @param options.metadata strings to store beside them (`__metadata__`)
 * @throws CheckpointError naming the file, and the tensor whose data does not fit its shape; an abort throws the signal's reason.
 * Whatever is thrown, an existing file is untouched and no temporary file remains.
 */
export async function writeSafetensors(
  file: string,
  tensors: Readonly<Record<string, TensorData>>,
  { metadata = {}, signal }: { metadata?: Readonly<Record<string, string>>; signal?: AbortSignal } = {},
): Promise<void> {
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => {
    if (elementCount(shape) !== data.length) {
      throw new CheckpointError(
        `${file}: tensor ${shown(name)}: ${data.length} elements, expected ${elementCount(shape)} for the shape ${shownShape(shape)}`,
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

/** Appends all of `bytes` at the handle's position, in pieces of at most 64 MiB, between which an abort is noticed. */
export async function writeFully(handle: fs.FileHandle, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    signal?.throwIfAborted();
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, 1 << 26));
    done += bytesWritten;
  }
}

/**
 * Gives `write` a temporary file beside `file`; when it returns, the file's contents reach the disk and then take `file`'s name.
 * When it throws, the temporary file is removed and `file` is as before.
 */
export async function writeAtomically(file: string, write: (handle: fs.FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${file}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await fs.open(temporary, "wx");
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    if (!(error instanceof Error && "syscall" in error)) throw error; // not the file system's: the caller's own, or an abort
    throw new CheckpointError(`${file}: cannot be written: ${reasonOf(error)}`);
  }
  await syncFolder(path.dirname(file));
}

/** Makes a rename inside `folder` durable, where the platform can open folders (Windows cannot, and does not need it). */
async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, "r").catch(() => undefined);
  if (!handle) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}
