// The safetensors format: a strict reader of the header, and the layout that a writer needs. No tensor data is read
// here.
// Format: 8 bytes little-endian header length N, N bytes of JSON, then the tensors' bytes without holes or overlaps.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import { CheckpointError, errorCode, reasonOf, shown, shownShape } from "./errors.js";
import { isJsonObject, parseStrictJson } from "./json.js";

/**
 * Bits per element of every dtype of the format (safetensors 0.8), in the format's own order of rising alignment, which
 * is the reverse of the order in which a writer lays tensors out.
 */
const BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E5M2FNUZ: 8,
  F8_E4M3FNUZ: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** An element type of the safetensors format, spelled as in the file. */
export type SafetensorsDtype = keyof typeof BITS;

const DTYPES = Object.keys(BITS).filter(isDtype);

function isDtype(value: string): value is SafetensorsDtype {
  return Object.hasOwn(BITS, value);
}

/** Where one tensor's bytes are: little-endian, row-major, `byteLength` bytes from `byteOffset` of `file`. */
export interface TensorLocation {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Absolute path of the file that holds the bytes. */
  readonly file: string;
  /** From the beginning of the file (not of the data section). */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A checked safetensors header. */
export interface SafetensorsHeader {
  /** The path as it was given. */
  readonly file: string;
  readonly fileSize: number;
  /** Where the data section begins: 8 + header length. */
  readonly dataOffset: number;
  /** Free text of the writer (`__metadata__`), e.g. `{ format: "pt" }`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of their bytes; together they cover the data section exactly once. */
  readonly tensors: ReadonlyMap<string, TensorLocation>;
  /** Hex SHA-256 of the first `dataOffset` bytes. */
  readonly sha256: string;
}

/** The format's own limit on the header, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

const AGAIN = "the file is damaged or was tampered with; download or write it again";

/**
 * Reads and checks the header of a safetensors file, and nothing else of it.
 *
 * Everything that the data section's users rely on is checked here: known dtypes, sizes that agree with shapes, and
 * byte ranges that cover the data section exactly once. So a header that is returned is safe to map.
 *
 * @param file path of the file
 * @returns the tensors by name, with absolute byte offsets
 * @throws CheckpointError naming the file, and the tensor where there is one: not a regular file, truncated, a header
 * length that is too small, too large or beyond the file, not UTF-8 or JSON, duplicate keys, unknown dtype, a shape
 * that is not made of non-negative integers, a size that is not shape × width, offsets that are out of range, overlap,
 * or leave bytes unclaimed.
 */
export async function readSafetensorsHeader(file: string): Promise<SafetensorsHeader> {
  let handle: fs.FileHandle | undefined;
  try {
    // stat before open: opening a pipe would wait for a writer for ever.
    const stat = await fs.stat(file);
    if (!stat.isFile()) throw new CheckpointError(`${file}: not a regular file; expected a safetensors file`);
    handle = await fs.open(file, "r");
    const length = new Uint8Array(8);
    await readExactly(handle, length, 0, file);
    const headerBytes = new DataView(length.buffer).getBigUint64(0, true);
    if (headerBytes < 2n || headerBytes > BigInt(MAX_HEADER_BYTES)) {
      throw new CheckpointError(
        `${file}: header length ${headerBytes}, expected 2 to ${MAX_HEADER_BYTES}: this is not a safetensors ` +
          "file, or it is damaged",
      );
    }
    const dataOffset = 8 + Number(headerBytes);
    if (dataOffset > stat.size) {
      throw new CheckpointError(
        `${file}: truncated: the header should end at byte ${dataOffset}, the file has ${stat.size}; download or ` +
          "write it again",
      );
    }
    const header = new Uint8Array(dataOffset - 8);
    await readExactly(handle, header, 8, file);
    return {
      file,
      fileSize: stat.size,
      dataOffset,
      ...parseHeader(header, file, dataOffset, stat.size),
      sha256: createHash("sha256").update(length).update(header).digest("hex"),
    };
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const reason = errorCode(error) === "ENOENT" ? "no such file" : `cannot be read: ${reasonOf(error)}`;
    throw new CheckpointError(`${file}: ${reason}`);
  } finally {
    await handle?.close();
  }
}

/** Fills `target` from byte `position` of the file, or throws that it is truncated. */
export async function readExactly(
  handle: fs.FileHandle,
  target: Uint8Array,
  position: number,
  file: string,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const length = Math.min(target.length - done, 1 << 30); // one read moves at most 2 GiB
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) {
      throw new CheckpointError(
        `${file}: truncated: ends at byte ${position + done}, expected at least ${position + target.length}; ` +
          "download or write it again",
      );
    }
    done += bytesRead;
  }
}

function parseHeader(
  bytes: Uint8Array,
  file: string,
  dataOffset: number,
  fileSize: number,
): Pick<SafetensorsHeader, "metadata" | "tensors"> {
  let root: unknown;
  try {
    if (bytes[0] !== 0x7b) throw new Error("it does not begin with {");
    root = parseStrictJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), {
      maxDepth: 3,
      onNumber(token, name) {
        if (!/^\d+$/.test(token))
          throw new Error(
            `tensor ${shown(name)} has the number ${shown(token).slice(1, -1)}, expected non-negative integers`,
          );
      },
    });
  } catch (error) {
    throw new CheckpointError(`${file}: the header is not valid: ${reasonOf(error)}; ${AGAIN}`);
  }
  if (!isJsonObject(root)) throw new CheckpointError(`${file}: the header is not a JSON object; ${AGAIN}`);

  let metadata: Record<string, string> = {};
  const tensors: TensorLocation[] = [];
  for (const [name, entry] of Object.entries(root)) {
    if (name === "__metadata__") metadata = checkMetadata(entry, file);
    else tensors.push(checkTensor(name, entry, file, dataOffset, fileSize));
  }

  // In the order of their bytes, each must begin where the one before ends, and the last must end where the file ends.
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let end = dataOffset;
  let previous: TensorLocation | undefined;
  for (const tensor of tensors) {
    if (tensor.byteOffset < end) {
      throw new CheckpointError(`${file}: tensors ${quote(previous)} and ${quote(tensor)} overlap; ${AGAIN}`);
    }
    if (tensor.byteOffset > end) {
      throw new CheckpointError(
        `${file}: ${tensor.byteOffset - end} bytes before tensor ${quote(tensor)} belong to no tensor; ${AGAIN}`,
      );
    }
    end = tensor.byteOffset + tensor.byteLength;
    previous = tensor;
  }
  if (end !== fileSize) {
    throw new CheckpointError(`${file}: ${fileSize - end} bytes after the last tensor belong to no tensor; ${AGAIN}`);
  }
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

function quote(tensor: TensorLocation | undefined): string {
  return shown(tensor?.name);
}

function checkMetadata(entry: unknown, file: string): Record<string, string> {
  if (!isJsonObject(entry)) throw new CheckpointError(`${file}: __metadata__ is not a JSON object; ${AGAIN}`);
  const metadata: [string, string][] = [];
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== "string") {
      throw new CheckpointError(`${file}: __metadata__ ${shown(key)} is not a string; ${AGAIN}`);
    }
    metadata.push([key, value]);
  }
  return Object.fromEntries(metadata);
}

/** The numbers of a JSON array, if it is one and each is an integer that a double holds exactly. */
function integers(value: unknown): number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const list: unknown[] = value;
  return list.every((item): item is number => Number.isSafeInteger(item)) ? list : undefined;
}

function checkTensor(name: string, entry: unknown, file: string, dataOffset: number, fileSize: number): TensorLocation {
  const fail = (what: string): never => {
    throw new CheckpointError(`${file}: tensor ${shown(name)}: ${what}; ${AGAIN}`);
  };
  if (!isJsonObject(entry)) return fail("its entry is not a JSON object");
  for (const key of Object.keys(entry)) {
    if (key !== "dtype" && key !== "shape" && key !== "data_offsets") return fail(`unknown field ${shown(key)}`);
  }
  const { dtype } = entry;
  if (typeof dtype !== "string" || !isDtype(dtype)) {
    return fail(`dtype ${shown(dtype)}, expected one of ${DTYPES.join(", ")}`);
  }
  const shape = integers(entry.shape);
  if (!shape) return fail(`shape ${shown(entry.shape)}, expected an array of non-negative integers`);
  const offsets = integers(entry.data_offsets);
  const [begin, end] = offsets ?? [];
  if (begin === undefined || end === undefined || offsets?.length !== 2 || begin > end) {
    return fail(`data_offsets ${shown(entry.data_offsets)}, expected [begin, end] with begin ≤ end`);
  }
  if (dataOffset + end > fileSize) {
    return fail(`its data should end at byte ${dataOffset + end}, the file has ${fileSize}: the file is truncated`);
  }
  const byteLength = byteLengthOf(dtype, shape);
  if (byteLength !== end - begin) {
    return fail(
      `${end - begin} bytes of data, expected ${byteLength ?? "a whole, smaller number of"} for ${dtype} ` +
        `${shownShape(shape)}`,
    );
  }
  return { name, dtype, shape, file, byteOffset: dataOffset + begin, byteLength };
}

/** Elements in a tensor of this shape: the product of the dimensions, 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of a tensor, or `undefined` where they are no exact whole number. */
function byteLengthOf(dtype: SafetensorsDtype, shape: readonly number[]): number | undefined {
  const bits = elementCount(shape) * BITS[dtype];
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : undefined;
}

/**
 * Lays tensors out as the reference implementation does (widest dtype first, then by name; header padded with spaces to
 * a multiple of 8), so that the same tensors give the same bytes there and here.
 *
 * @returns the bytes up to the data section, and the tensors in the order in which their bytes must follow
 */
export function layoutSafetensors<T extends { name: string; dtype: SafetensorsDtype; shape: readonly number[] }>(
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>> = {},
): { header: Uint8Array; order: T[] } {
  const order = [...tensors].sort(
    (a, b) =>
      DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
  const root = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) root.set("__metadata__", metadata);
  let offset = 0;
  for (const { name, dtype, shape } of order) {
    if (root.has(name) || name === "__metadata__") throw new CheckpointError(`the tensor name ${shown(name)} is taken`);
    const byteLength = shape.every((size) => Number.isSafeInteger(size) && size >= 0)
      ? byteLengthOf(dtype, shape)
      : undefined;
    if (byteLength === undefined)
      throw new CheckpointError(`tensor ${shown(name)}: impossible shape ${shownShape(shape)}`);
    root.set(name, { dtype, shape, data_offsets: [offset, offset + byteLength] });
    offset += byteLength;
  }
  const fields = [...root].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = Buffer.from(`{${fields.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES)
    throw new CheckpointError(`the header has ${length} bytes, at most ${MAX_HEADER_BYTES} are allowed`);
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return { header, order };
}
