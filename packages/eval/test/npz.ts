// Reads a SciPy sparse matrix (`*.npz`, CSR) into item lists: just enough of ZIP and NPY for the authors' data files.
import fs from "node:fs";
import zlib from "node:zlib";
import type { ItemLists } from "@cllm4rec/eval";

/** The members of a ZIP archive by name, from its central directory. */
function unzip(archive: Buffer): Map<string, Buffer> {
  const end = archive.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  const members = new Map<string, Buffer>();
  let at = archive.readUInt32LE(end + 16);
  for (let n = archive.readUInt16LE(end + 10); n > 0; n--) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => archive.readUInt16LE(at + field));
    const local = archive.readUInt32LE(at + 42);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const packed = archive.subarray(start, start + archive.readUInt32LE(at + 20));
    const name = archive.toString("latin1", at + 46, at + 46 + nameLength!);
    members.set(name, archive.readUInt16LE(at + 10) === 8 ? zlib.inflateRawSync(packed) : packed);
    at += 46 + nameLength! + extraLength! + commentLength!;
  }
  return members;
}

function int32(npy: Buffer): Int32Array {
  const header = npy.toString("latin1", 10, 10 + npy.readUInt16LE(8));
  if (!header.includes("'<i4'")) throw new Error(`expected 32-bit integers, found the header ${header}`);
  return new Int32Array(Uint8Array.from(npy.subarray(10 + header.length)).buffer);
}

/** The columns of each row of a 0/1 matrix. */
export function readNpz(file: string): ItemLists {
  const members = unzip(fs.readFileSync(file));
  return { indptr: int32(members.get("indptr.npy")!), indices: int32(members.get("indices.npy")!) };
}
