// Reading tensors' bytes in bounded memory: pieces of a few megabytes, the next one on its way while one is being used.
// Every piece begins at an element of its tensor and at the start of a fresh buffer, so its bits can be viewed at any
// width.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import { endianness } from "node:os";
import { CheckpointError, shown } from "./errors.js";
import { elementCount, readExactly, type TensorLocation } from "./safetensors.js";

/** Bytes per piece: a multiple of every element width. Two of them are in memory at a time. */
const PIECE = 4 * 1024 * 1024;

/** A piece of a file: `bytes` are valid until the next piece is asked for. */
interface Piece<T> {
  readonly part: T;
  /** Where the piece begins inside its part. */
  readonly partOffset: number;
  readonly bytes: Uint8Array;
}

/** The parts of a file (each a byte range), in the order given, as pieces. */
export async function* readPieces<T extends { byteOffset: number; byteLength: number }>(
  file: string,
  parts: Iterable<T>,
  signal?: AbortSignal,
): AsyncGenerator<Piece<T>, void, undefined> {
  const handle = await fs.open(file, "r");
  const buffers = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  let turn = 0;
  let ahead: Promise<Piece<T>> | undefined;
  const begin = async (part: T, partOffset: number): Promise<Piece<T>> => {
    const bytes = buffers[turn++ % 2]!.subarray(0, Math.min(PIECE, part.byteLength - partOffset));
    await readExactly(handle, bytes, part.byteOffset + partOffset, file);
    return { part, partOffset, bytes };
  };
  try {
    for (const part of parts) {
      for (let offset = 0; offset < part.byteLength; offset += PIECE) {
        const previous = ahead && (await ahead);
        signal?.throwIfAborted();
        ahead = begin(part, offset);
        ahead.catch(() => undefined); // reported when it is awaited, which may be later than Node tolerates
        if (previous) yield previous;
      }
    }
    if (ahead) yield await ahead;
  } finally {
    await ahead?.catch(() => undefined);
    await handle.close();
  }
}

/**
 * Reads one F32 tensor into memory.
 * @throws CheckpointError when the tensor is not F32 or the file has become shorter
 */
export async function readFloat32(tensor: TensorLocation): Promise<Float32Array> {
  requireLittleEndian();
  if (tensor.dtype !== "F32") {
    throw new CheckpointError(`${tensor.file}: tensor ${shown(tensor.name)} is ${tensor.dtype}, expected F32`);
  }
  const data = new Float32Array(elementCount(tensor.shape));
  const handle = await fs.open(tensor.file, "r");
  try {
    await readExactly(handle, new Uint8Array(data.buffer), tensor.byteOffset, tensor.file);
  } finally {
    await handle.close();
  }
  return data;
}

/** Hex SHA-256 of a whole file. */
export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const { size } = await fs.stat(file);
  const hash = createHash("sha256");
  for await (const { bytes } of readPieces(file, [{ byteOffset: 0, byteLength: size }], signal)) hash.update(bytes);
  return hash.digest("hex");
}

/**
 * What changes whenever a file is written or replaced: size, inode, and both times in nanoseconds. Unlike the
 * modification time, the change time cannot be set back by a program.
 */
export async function fileStamp(file: string): Promise<string> {
  const { size, ino, mtimeNs, ctimeNs } = await fs.stat(file, { bigint: true });
  return `${size}-${ino}-${mtimeNs}-${ctimeNs}`;
}

/** safetensors is little-endian; the typed arrays that view it are in the machine's order. */
export function requireLittleEndian(): void {
  if (endianness() !== "LE")
    throw new CheckpointError("this machine is big-endian; only little-endian machines are supported");
}
