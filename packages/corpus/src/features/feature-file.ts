// The file format of the feature cache: rows of numbers by the hash of their text, all of it covered by SHA-256.
//
// header  128 bytes: magic[8] byteOrder:u32 width:u32 rows:f64 key[32] payload SHA-256[32] zeros[16] check[24]
//         (check: the first 24 bytes of the SHA-256 of the 104 bytes before it)
// hashes  rows × 32 bytes: SHA-256 of each text
// values  rows × width float32
// Numbers are in the writing machine's byte order; a file from a machine of another order is rebuilt like a damaged
// one.
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import { partialName } from "../abandoned-files.js";

// Shape legend: n rows, K width.

const HEADER = 128;
const CHECKED = 104;
const HASH = 32;
const MAGIC = "CLLMFEA1";
const BYTE_ORDER = 0x01020304;
/** Read, hashed and written at once. */
const PIECE = 1 << 24;

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** What a file holds. */
export interface FeatureRows {
  /** [n, 32] */
  readonly hashes: Uint8Array;
  /** [n, K] */
  readonly values: Float32Array;
}

const checkOf = (header: Uint8Array) =>
  createHash("sha256")
    .update(header.subarray(0, CHECKED))
    .digest()
    .subarray(0, HEADER - CHECKED);

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint8Array | Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * Reads a file, verifying every byte. Returns in a few words what is wrong with it where it cannot be used.
 * @param key 64 hex digits, of what made the values
 */
export async function readFeatureFile(file: string, key: string, width: number): Promise<FeatureRows | string> {
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(file, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "absent";
    throw error;
  }
  try {
    const header = Buffer.alloc(HEADER);
    const view = new DataView(header.buffer, header.byteOffset, HEADER);
    const { bytesRead } = await handle.read(header, 0, HEADER, 0);
    if (bytesRead !== HEADER) return "shorter than its header";
    if (header.toString("latin1", 0, 8) !== MAGIC || view.getUint32(8, littleEndian) !== BYTE_ORDER)
      return "not a feature file of this version and byte order";
    if (!checkOf(header).equals(header.subarray(CHECKED))) return "damaged in its header";
    if (!header.subarray(24, 24 + HASH).equals(Buffer.from(key, "hex")) || view.getUint32(12, littleEndian) !== width)
      return "made by another encoder";
    const rows = view.getFloat64(16, littleEndian);
    const { size } = await handle.stat();
    const expected = HEADER + rows * (HASH + 4 * width);
    if (size !== expected) return `${size} bytes long instead of ${expected}`;
    const found: FeatureRows = { hashes: new Uint8Array(rows * HASH), values: new Float32Array(rows * width) };
    const hash = createHash("sha256");
    let place = HEADER;
    for (const target of [found.hashes, bytesOf(found.values)]) {
      for (let at = 0; at < target.length; ) {
        const { bytesRead: count } = await handle.read(target, at, Math.min(PIECE, target.length - at), place);
        if (count === 0) return `cut off at byte ${place}`;
        hash.update(target.subarray(at, at + count));
        at += count;
        place += count;
      }
    }
    return hash.digest().equals(header.subarray(56, 56 + HASH))
      ? found
      : "damaged: its bytes do not have their checksum";
  } finally {
    await handle.close();
  }
}

/** Writes a file beside its final place, which it takes only when it is complete and on the disk. */
export async function writeFeatureFile(
  file: string,
  key: string,
  width: number,
  { hashes, values }: FeatureRows,
): Promise<void> {
  const payload = createHash("sha256").update(hashes);
  for (const piece of pieces(bytesOf(values))) payload.update(piece);
  const header = Buffer.alloc(HEADER);
  const view = new DataView(header.buffer, header.byteOffset, HEADER);
  header.write(MAGIC, "latin1");
  view.setUint32(8, BYTE_ORDER, littleEndian);
  view.setUint32(12, width, littleEndian);
  view.setFloat64(16, hashes.length / HASH, littleEndian);
  header.set(Buffer.from(key, "hex"), 24);
  header.set(payload.digest(), 24 + HASH);
  header.set(checkOf(header), CHECKED);
  const temporary = partialName(file, randomBytes(6).toString("hex"));
  try {
    const handle = await fs.open(temporary, "wx");
    try {
      for (const part of [header, hashes, bytesOf(values)]) {
        for (const piece of pieces(part)) await handle.appendFile(piece);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}
