// Walks the frames and block headers of a zstd file without decompressing it: enough to tell that it is whole.
// Format: RFC 8878, §3.1.1 (frames) and §3.1.2 (skippable frames). Damage inside a block is left to the decompressor's
// checksum.
import fs from "node:fs";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/** @throws Error naming the byte at which the file stops making sense. */
export function checkZstdFrames(file: string): void {
  const descriptor = fs.openSync(file, "r");
  try {
    const { size } = fs.fstatSync(descriptor);
    const header = Buffer.alloc(14);
    /** `length` bytes at `offset`, which must lie inside the file. */
    const read = (offset: number, length: number): Buffer => {
      if (offset + length > size) throw new Error(`it ends at byte ${size}, inside a frame`);
      fs.readSync(descriptor, header, 0, length, offset);
      return header;
    };
    for (let offset = 0; offset < size; ) {
      const magic = read(offset, 4).readUInt32LE();
      if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
        offset += 8 + read(offset + 4, 4).readUInt32LE();
      } else if (magic === MAGIC) {
        const descriptorByte = read(offset + 4, 1)[0]!;
        const singleSegment = (descriptorByte & 0x20) !== 0;
        const dictionaryBytes = [0, 1, 2, 4][descriptorByte & 3]!;
        const contentSizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptorByte >> 6]!;
        offset = endOfBlocks(read, offset + 5 + (singleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes);
        if ((descriptorByte & 4) !== 0) offset += 4;
      } else {
        throw new Error(`no frame begins at byte ${offset}`);
      }
      if (offset > size) throw new Error(`it ends at byte ${size}, inside a frame`);
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

function endOfBlocks(read: (offset: number, length: number) => Buffer, first: number): number {
  for (let offset = first; ; ) {
    const blockHeader = read(offset, 3).readUIntLE(0, 3);
    const type = (blockHeader >> 1) & 3;
    if (type === 3) throw new Error(`the block at byte ${offset} is of a reserved type`);
    // A run-length block stores one byte, whatever its decompressed size.
    offset += 3 + (type === 1 ? 1 : blockHeader >> 3);
    if ((blockHeader & 1) !== 0) return offset;
  }
}
