// The sparse matrices that scipy.sparse.save_npz writes: a zip of .npy members, read with every size and index checked.
import fs from "node:fs";
import { type Entry, Uint8ArrayReader, Uint8ArrayWriter, ZipReader } from "@zip.js/zip.js";
import type { Csr } from "../dataset/csr.js";
import { CorpusError, reasonOf } from "../errors.js";
import { type NpyArray, parseNpy } from "./npy.js";

/** A member may not unpack to more than this: 2^28 interactions as 64-bit indices. */
const MAX_MEMBER_BYTES = 2 ** 31;
const MEMBERS = ["indices", "indptr", "data", "shape", "format"] as const;
type Member = (typeof MEMBERS)[number];

/**
 * Reads a CSR matrix; entries that are stored but zero are left out and counted.
 * @throws CorpusError naming the file, the member and what is wrong.
 */
export async function readCsrNpz(file: string): Promise<Csr & { readonly zeros: number }> {
  try {
    return toCsr(await readMembers(file));
  } catch (error) {
    if (error instanceof CorpusError) throw error;
    const reason = reasonOf(error);
    throw new CorpusError(
      `${file} is not a CSR matrix as scipy.sparse.save_npz writes it: ${reason}. Save it again with ` +
        "save_npz(file, matrix.tocsr()).",
    );
  }
}

async function readMembers(file: string): Promise<Record<Member, NpyArray>> {
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    throw new CorpusError(`${file} cannot be read: ${reasonOf(error)}`);
  }
  const reader = new ZipReader(new Uint8ArrayReader(bytes), { checkSignature: true, useWebWorkers: false });
  const entries = new Map((await reader.getEntries()).map((entry) => [entry.filename, entry]));
  const arrays = {} as Record<Member, NpyArray>;
  for (const name of MEMBERS) arrays[name] = await readMember(entries.get(`${name}.npy`), name);
  await reader.close();
  return arrays;
}

async function readMember(entry: Entry | undefined, name: Member): Promise<NpyArray> {
  if (!entry || entry.directory) throw new Error(`member ${name}.npy is missing`);
  if (entry.uncompressedSize > MAX_MEMBER_BYTES) {
    throw new Error(`member ${name}.npy claims ${entry.uncompressedSize} bytes, at most ${MAX_MEMBER_BYTES} are read`);
  }
  try {
    return parseNpy(await entry.getData(new Uint8ArrayWriter()));
  } catch (error) {
    throw new Error(`member ${name}.npy: ${reasonOf(error)}`);
  }
}

function toCsr({ indices, indptr, data, shape, format }: Record<Member, NpyArray>): Csr & { readonly zeros: number } {
  const [kind] = format.values;
  if (kind !== "csr") throw new Error(`its format is ${JSON.stringify(String(kind))}, "csr" is expected`);
  const [rows = -1, columns = -1] = Array.from(shape.values, Number);
  if (shape.values.length !== 2 || !isSize(rows) || !isSize(columns)) {
    throw new Error(`its shape is (${Array.from(shape.values, String).join(", ")}), two sizes below 2^31 are expected`);
  }
  const starts = integers(indptr, "indptr");
  const stored = integers(indices, "indices");
  const values = data.values;
  if (starts.length !== rows + 1) throw new Error(`indptr has ${starts.length} entries, ${rows + 1} are expected`);
  if (stored.length !== values.length) throw new Error(`${stored.length} indices for ${values.length} values`);
  if (starts[0] !== 0 || starts[rows] !== stored.length) {
    throw new Error(`indptr runs from ${starts[0]} to ${starts[rows]}, from 0 to ${stored.length} is expected`);
  }
  const kept = new Int32Array(stored.length);
  const keptStarts = new Int32Array(rows + 1);
  let filled = 0;
  for (let row = 0; row < rows; row++) {
    if (starts[row + 1]! < starts[row]!) throw new Error(`indptr falls at row ${row}`);
    for (let k = starts[row]!; k < starts[row + 1]!; k++) {
      const column = stored[k]!;
      if (column < 0 || column >= columns) throw new Error(`row ${row} names column ${column} of ${columns}`);
      if (Number(values[k]) !== 0) kept[filled++] = column;
    }
    keptStarts[row + 1] = filled;
  }
  return { rows, columns, indptr: keptStarts, indices: kept.slice(0, filled), zeros: stored.length - filled };
}

function isSize(size: number): boolean {
  return Number.isInteger(size) && size >= 0 && size < 2 ** 31;
}

function integers({ values, descr }: NpyArray, name: string): Int32Array {
  if (values instanceof Int32Array) return values;
  if (!(values instanceof BigInt64Array)) throw new Error(`${name} is of type ${descr}, integers are expected`);
  return Int32Array.from(values, (value) => {
    if (value < 0n || value >= 2n ** 31n) throw new Error(`${name} holds ${value}, numbers in [0, 2^31) are expected`);
    return Number(value);
  });
}
