// The safetensors reader and writer against the reference implementation, hostile files, and random damage.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { writeAtomically } from "../src/checkpoint/atomic-file.js";
import { CheckpointError } from "../src/checkpoint/errors.js";
import { elementCount, MAX_HEADER_BYTES, readSafetensorsHeader } from "../src/checkpoint/safetensors.js";
import { type TensorData, writeSafetensors } from "../src/checkpoint/safetensors-writer.js";
import { fixture, goldens, rawSafetensors, temporaryFolder } from "./checkpoint-helpers.js";

const folder = temporaryFolder();

/** Reads `bytes` as a safetensors file. */
function read(bytes: Uint8Array, name = "hostile.safetensors") {
  const file = path.join(folder(), name);
  fs.writeFileSync(file, bytes);
  return readSafetensorsHeader(file);
}

describe("reading", () => {
  it("finds what the reference implementation wrote, for every dtype", async () => {
    const file = fixture("mixed.safetensors");
    const bytes = fs.readFileSync(file);
    const header = await readSafetensorsHeader(file);
    expect(header.metadata).toEqual({ format: "pt" });
    expect([...header.tensors.keys()].sort()).toEqual(Object.keys(goldens.mixed).sort());
    for (const [name, expected] of Object.entries(goldens.mixed)) {
      const tensor = header.tensors.get(name)!;
      expect(tensor.shape).toEqual(expected.shape);
      const data = bytes.subarray(tensor.byteOffset, tensor.byteOffset + tensor.byteLength);
      expect(createHash("sha256").update(data).digest("hex"), name).toBe(expected.sha256);
    }
    expect(header.sha256).toBe(createHash("sha256").update(bytes.subarray(0, header.dataOffset)).digest("hex"));
  });

  it.each(goldens.headers)(
    "accepts no header that the reference refuses: $what",
    async ({ what, header, dataBytes, accepted }) => {
      const result = read(rawSafetensors(header, dataBytes));
      if (accepted && !STRICTER.has(what)) {
        const { tensors } = await result;
        expect([...tensors.keys()].sort()).toEqual(
          Object.keys(JSON.parse(header))
            .filter((k) => k !== "__metadata__")
            .sort(),
        );
      } else {
        await expect(result).rejects.toThrow(CheckpointError);
        await expect(result).rejects.toThrow(/hostile\.safetensors/);
      }
    },
  );

  it.each([
    [
      "duplicate tensor",
      `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`,
      4,
      /"a" occurs twice/,
    ],
    [
      "the same key escaped",
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' +
        '"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      /"a" occurs twice/,
    ],
    ["negative shape", `{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8, /"w" has the number -2/],
    [
      "wrong size",
      `{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,8]}}`,
      8,
      /"w": 8 bytes of data, expected 12 for BF16 \[2, 3\]/,
    ],
    ["out of range", `{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, 8, /"w".*truncated/],
    [
      "overlap",
      `{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}}`,
      5,
      /"a" and "b" overlap/,
    ],
    [
      "hole",
      `{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}}`,
      7,
      /1 bytes before tensor "b"/,
    ],
    ["trailing bytes", `{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}`, 5, /2 bytes after the last tensor/],
    [
      "unknown dtype",
      `{"a":{"dtype":"Q4","shape":[3],"data_offsets":[0,3]}}`,
      3,
      /"a": dtype "Q4", expected one of BOOL/,
    ],
    [
      "unknown field",
      `{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3],"file":"/etc/passwd"}}`,
      3,
      /unknown field "file"/,
    ],
  ])("says what is wrong: %s", async (_, header, size, message) => {
    await expect(read(rawSafetensors(header, size))).rejects.toThrow(message);
  });

  it("refuses header lengths that are too small, too large or beyond the file, and files shorter than a length", async () => {
    for (const length of [0n, 1n, BigInt(MAX_HEADER_BYTES) + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setBigUint64(0, length, true);
      await expect(read(bytes)).rejects.toThrow(`header length ${length}`);
    }
    const beyond = new Uint8Array(16);
    new DataView(beyond.buffer).setBigUint64(0, 9n, true);
    await expect(read(beyond)).rejects.toThrow(/truncated: the header should end at byte 17, the file has 16/);
    for (const size of [0, 1, 7]) await expect(read(new Uint8Array(size))).rejects.toThrow(/truncated/);
  });

  it("refuses what is not UTF-8, and a byte order mark", async () => {
    const bytes = rawSafetensors(`{"?":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0);
    bytes[8 + 2] = 0xff;
    await expect(read(bytes)).rejects.toThrow(/header is not valid/);
    await expect(read(rawSafetensors("\ufeff{}", 0))).rejects.toThrow(/does not begin with \{/);
  });

  it("refuses what is not a regular file, without waiting for it", async () => {
    await expect(readSafetensorsHeader(folder())).rejects.toThrow(/not a regular file/);
    await expect(readSafetensorsHeader(path.join(folder(), "absent"))).rejects.toThrow(/absent: no such file/);
    if (process.platform === "linux")
      await expect(readSafetensorsHeader("/dev/zero")).rejects.toThrow(/not a regular file/);
  });

  it("reads the header alone: a sparse file of a terabyte opens at once", async () => {
    const size = 2 ** 40;
    const file = path.join(folder(), "sparse.safetensors");
    const head = rawSafetensors(`{"w":{"dtype":"F32","shape":[${size / 4}],"data_offsets":[0,${size}]}}`, 0);
    fs.writeFileSync(file, head);
    try {
      fs.truncateSync(file, head.length + size);
    } catch {
      return; // a file system without sparse files of this size
    }
    const { tensors } = await readSafetensorsHeader(file);
    expect(tensors.get("w")?.byteLength).toBe(size);
  });
});

/** Where we are stricter than the reference, and why. */
const STRICTER = new Map([["leading space", "the format's own text says that the header begins with {"]]);

describe("damage", () => {
  const sound = fs.readFileSync(fixture("mixed.safetensors"));
  const headerEnd = 8 + Number(new DataView(sound.buffer, sound.byteOffset).getBigUint64(0, true));

  /** Whatever was done to the file: an error that names it, or tensors that tile the data section. */
  async function checkOutcome(bytes: Uint8Array): Promise<void> {
    let header: Awaited<ReturnType<typeof readSafetensorsHeader>>;
    try {
      header = await read(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(CheckpointError);
      expect(String(error)).toContain("hostile.safetensors");
      expect(String(error).length).toBeLessThan(20_000);
      return;
    }
    let end = header.dataOffset;
    for (const tensor of header.tensors.values()) {
      expect(tensor.byteOffset).toBe(end);
      expect(tensor.shape.every((size) => Number.isSafeInteger(size) && size >= 0)).toBe(true);
      if (elementCount(tensor.shape) > 0 && tensor.dtype === "F32")
        expect(tensor.byteLength).toBe(4 * elementCount(tensor.shape));
      end += tensor.byteLength;
    }
    expect(end).toBe(bytes.length);
    const json = JSON.parse(new TextDecoder().decode(bytes.subarray(8, header.dataOffset)));
    delete json.__metadata__;
    expect([...header.tensors.keys()].sort()).toEqual(Object.keys(json).sort());
  }

  it("of any bytes of the header never gets further than one clear error", async () => {
    const edit = fc.record({ at: fc.nat(headerEnd - 1), remove: fc.nat(4), insert: fc.uint8Array({ maxLength: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.boolean(), async (edits, fixLength) => {
        let bytes = sound;
        for (const { at, remove, insert } of edits) {
          bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
        }
        // With the length adjusted the damage reaches the JSON more often.
        if (fixLength && bytes.length > 8) {
          bytes = Buffer.from(bytes);
          const length = Math.max(0, headerEnd - 8 + bytes.length - sound.length);
          new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, BigInt(length), true);
        }
        await checkOutcome(bytes);
      }),
      { numRuns: 1500 },
    );
  });

  it("of any field either shows as an error or leaves the content as it was", async () => {
    const text = sound.subarray(8, headerEnd).toString();
    const original = (await readSafetensorsHeader(fixture("mixed.safetensors"))).tensors;
    const hostile = fc.oneof(
      fc.constantFrom<unknown>(
        -1,
        0,
        1,
        0.5,
        1e308,
        2 ** 53,
        2 ** 53 - 1,
        null,
        true,
        "",
        "F32",
        "F64",
        "__proto__",
        [],
        [[]],
        {},
        [0],
        [1, 2, 3],
      ),
      fc.integer(),
      fc.array(fc.integer({ min: -3, max: 40 }), { maxLength: 4 }),
      fc.jsonValue(),
    );
    const names = Object.keys(goldens.mixed);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.constantFrom("dtype", "shape", "data_offsets"),
        hostile,
        async (name, field, value) => {
          const root = JSON.parse(text);
          root[name][field] = value;
          const same = JSON.stringify(value) === JSON.stringify(JSON.parse(text)[name][field]);
          const bytes = Buffer.concat([rawSafetensors(JSON.stringify(root), 0), sound.subarray(headerEnd)]);
          const outcome = await read(bytes).then(
            (header) => header.tensors,
            (error: unknown) => error,
          );
          if (outcome instanceof CheckpointError) return;
          expect(outcome).toBeInstanceOf(Map);
          const tensors = outcome as typeof original;
          for (const [key, tensor] of tensors) {
            const before = original.get(key)!;
            expect(tensor.byteLength).toBe(before.byteLength);
            if (key !== name || same)
              expect({ ...tensor, file: "", byteOffset: 0 }).toEqual({ ...before, file: "", byteOffset: 0 });
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("by cutting the file off anywhere is always noticed", async () => {
    for (let length = 0; length < sound.length; length += 13) {
      await expect(read(sound.subarray(0, length))).rejects.toThrow(CheckpointError);
    }
  });
});

describe("writing", () => {
  it("gives the bytes that the reference implementation gives", async () => {
    const file = path.join(folder(), "written.safetensors");
    await writeSafetensors(
      file,
      {
        zeta: { shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) },
        alpha: { shape: [1], data: Float32Array.of(1.5) },
        "a.double": { shape: [1], data: Float64Array.of(0.1) },
        bytes: { shape: [3], data: Uint8Array.of(1, 2, 3) },
        signed: { shape: [3], data: Int8Array.of(-1, 2, 3) },
        words: { shape: [2], data: Int16Array.of(7, -7) },
        ints: { shape: [1, 2], data: Int32Array.of(7, -7) },
        "10": { shape: [1], data: BigInt64Array.of(2n ** 40n) },
        "9": { shape: [], data: Float32Array.of(3) },
        é: { shape: [0], data: new Float32Array() },
      },
      { metadata: { "made by": 'a "writer"' } },
    );
    expect(fs.readFileSync(file).equals(fs.readFileSync(fixture("written.safetensors")))).toBe(true);
  });

  it("round-trips any tensors", async () => {
    const file = path.join(folder(), "any.safetensors");
    const tensor = fc.array(fc.nat(4), { maxLength: 3 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        data: fc.float32Array({ minLength: elementCount(shape), maxLength: elementCount(shape) }),
      }),
    );
    const name = fc.string({ unit: "binary" }).filter((text) => text !== "__metadata__");
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, tensor, { maxKeys: 6, noNullPrototype: true }), async (tensors) => {
        await writeSafetensors(file, tensors);
        const header = await readSafetensorsHeader(file);
        const bytes = fs.readFileSync(file);
        expect(header.dataOffset % 8).toBe(0);
        expect(header.tensors.size).toBe(Object.keys(tensors).length);
        for (const [key, { shape, data }] of Object.entries(tensors)) {
          const found = header.tensors.get(key)!;
          expect(found.shape).toEqual(shape);
          const raw = bytes.subarray(found.byteOffset, found.byteOffset + found.byteLength);
          expect(raw.equals(Buffer.from(data.buffer, data.byteOffset, data.byteLength))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("refuses data that does not fit its shape, impossible shapes and the reserved name", async () => {
    const file = path.join(folder(), "refused.safetensors");
    const one = (shape: number[], length: number, name = "w"): Record<string, TensorData> => ({
      [name]: { shape, data: new Float32Array(length) },
    });
    await expect(writeSafetensors(file, one([2, 2], 3))).rejects.toThrow(/"w": 3 elements, expected 4/);
    await expect(writeSafetensors(file, one([-1, -1], 1))).rejects.toThrow(/impossible shape \[-1, -1\]/);
    await expect(writeSafetensors(file, one([1], 1, "__metadata__"))).rejects.toThrow(/"__metadata__" is taken/);
    expect(fs.existsSync(file)).toBe(false);
  });

  it("leaves the old file whole when it fails or is aborted, and nothing beside it", async () => {
    const own = path.join(folder(), "atomic");
    fs.mkdirSync(own);
    const file = path.join(own, "table.safetensors");
    await writeSafetensors(file, { w: { shape: [2], data: Float32Array.of(1, 2) } });
    const before = fs.readFileSync(file);
    const aborted = AbortSignal.abort(new Error("enough"));
    await expect(
      writeSafetensors(file, { w: { shape: [1], data: Float32Array.of(9) } }, { signal: aborted }),
    ).rejects.toThrow("enough");
    const fail = writeAtomically(file, async (handle) => {
      await handle.write("half of");
      throw new Error("power cut");
    });
    await expect(fail).rejects.toThrow("power cut");
    expect(fs.readFileSync(file).equals(before)).toBe(true);
    expect(fs.readdirSync(own)).toEqual(["table.safetensors"]);
    await expect(writeSafetensors(path.join(own, "no", "such.safetensors"), {})).rejects.toThrow(
      /such\.safetensors: cannot be written/,
    );
  });
});
