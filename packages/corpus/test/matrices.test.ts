// The authors' matrices: a given split kept as given; damaged and hostile .npz and .npy files.
import fs from "node:fs";
import path from "node:path";
import { type Csr, csrRow, Dataset } from "@cllm4rec/corpus";
import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CorpusError } from "../src/errors.js";
import { parseNpy } from "../src/readers/npy.js";
import { readCsrNpz } from "../src/readers/npz.js";
import { jsonLines, prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();

/** A .npy file of version 1.0. */
function npy(descr: string, shape: readonly number[], data: Uint8Array, fortran = "False"): Uint8Array {
  const dictionary =
    `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ` +
    `(${shape.map((size) => `${size},`).join(" ")}), }`;
  const header = `${dictionary.padEnd(118 - 1)}\n`;
  const prefix = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([prefix, Buffer.from(header, "latin1"), data]);
}

const bytesOf = (array: Int32Array | Float32Array | BigInt64Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const i4 = (...values: number[]) => npy("<i4", [values.length], bytesOf(Int32Array.from(values)));
const i8 = (...values: number[]) => npy("<i8", [values.length], bytesOf(BigInt64Array.from(values, BigInt)));
const f4 = (...values: number[]) => npy("<f4", [values.length], bytesOf(Float32Array.from(values)));

interface Members {
  [name: string]: Uint8Array;
}

/** A matrix of 3 users and 4 items, as save_npz would write it. */
function members(rows: readonly (readonly number[])[], items = 4): Members {
  const indptr = [0];
  for (const row of rows) indptr.push(indptr.at(-1)! + row.length);
  const indices = rows.flat();
  return {
    "indices.npy": i4(...indices),
    "indptr.npy": i4(...indptr),
    "format.npy": npy("|S3", [], Buffer.from("csr")),
    "shape.npy": i8(rows.length, items),
    "data.npy": f4(...indices.map(() => 1)),
  };
}

async function npz(name: string, content: Members): Promise<string> {
  const writer = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false });
  for (const [member, bytes] of Object.entries(content)) await writer.add(member, new Uint8ArrayReader(bytes));
  return folder.write(name, await writer.close());
}

async function matrices(name: string, train: Members, validation: Members, testPart: Members): Promise<string> {
  await npz(`${name}/train_matrix.npz`, train);
  await npz(`${name}/val_matrix.npz`, validation);
  await npz(`${name}/test_matrix.npz`, testPart);
  return path.join(folder.path, name);
}

const TRAIN = [[0, 3], [], [1]];
const VALIDATION = [[1], [], []];
const TEST = [[2], [], [0]];

describe("a folder of matrices", () => {
  test("its split and its indices are kept, users without interactions included; texts come by index", async () => {
    const input = await matrices("given", members(TRAIN), members(VALIDATION), members(TEST));
    const meta = folder.write(
      "item_text.jsonl",
      jsonLines([
        { item: 3, text: "three" },
        { item: 0, text: "zero" },
        { item: 9, text: "none" },
      ]),
    );
    const result = await prepared(folder, { inputs: [input], meta: [meta], core: 5, seed: 1 });
    expect(result.events[0]).toEqual({ type: "format", format: "matrices", detected: true });
    expect(result.events.find((event) => event.type === "warning")).toMatchObject({
      message: expect.stringMatching(/kept as given: minRating, core, seed, .* have no effect/),
    });
    expect(result.histories).toEqual({ 0: ["0", "3", "1", "2"], 1: [], 2: ["1", "0"] });
    expect(result.itemTexts).toEqual({ 0: "zero", 1: null, 2: null, 3: "three" });
    expect(result.manifest).toMatchObject({ users: 3, items: 4, train: 3, validation: 1, test: 2 });
    expect(result.manifest.preparation).toMatchObject({ split: "given", core: 0, minRating: null });
    expect(result.manifest.records).toMatchObject({
      records: 6,
      malformed: 0,
      duplicates: 0,
      metadata: 3,
      metadataUnused: 1,
    });
  });

  test("stored zeros and repeated entries are counted", async () => {
    const train = { ...members([[0, 0, 3], [], [1]]), "data.npy": f4(1, 1, 0, 1) };
    const { manifest } = await prepared(folder, {
      inputs: [await matrices("zeros", train, members(VALIDATION), members(TEST))],
    });
    expect(manifest.records).toMatchObject({ records: 7, malformed: 1, duplicates: 1, kept: 5 });
  });

  test("overlapping parts, differing shapes and missing files are refused", async () => {
    const overlap = await matrices("overlap", members(TRAIN), members([[3], [], []]), members(TEST));
    await expect(prepared(folder, { inputs: [overlap] })).rejects.toThrow(
      /user 0 and item 3 are both in train_matrix.npz and in val_matrix.npz/,
    );
    const shapes = await matrices("shapes", members(TRAIN), members(VALIDATION, 5), members(TEST));
    await expect(prepared(folder, { inputs: [shapes] })).rejects.toThrow(
      /val_matrix.npz is 3 × 5, but train_matrix.npz is 3 × 4/,
    );
    fs.rmSync(path.join(overlap, "test_matrix.npz"));
    await expect(prepared(folder, { inputs: [overlap] })).rejects.toThrow(/test_matrix.npz does not exist/);
  });
});

describe("readCsrNpz", () => {
  test("64-bit indices are read", async () => {
    const file = await npz("wide.npz", { ...members(TRAIN), "indices.npy": i8(0, 3, 1), "indptr.npy": i8(0, 2, 2, 3) });
    const csr: Csr = await readCsrNpz(file);
    expect([0, 1, 2].map((row) => [...csrRow(csr, row)])).toEqual(TRAIN);
  });

  const good = members(TRAIN);
  const hostile: [string, Members, RegExp][] = [
    [
      "a missing member",
      Object.fromEntries(Object.entries(good).filter(([name]) => name !== "data.npy")),
      /data\.npy is missing/,
    ],
    ["another format", { ...good, "format.npy": npy("|S3", [], Buffer.from("csc")) }, /its format is "csc"/],
    ["a column out of range", { ...good, "indices.npy": i4(0, 4, 1) }, /row 0 names column 4 of 4/],
    ["a negative column", { ...good, "indices.npy": i4(0, -1, 1) }, /column -1/],
    ["a falling indptr", { ...good, "indptr.npy": i4(0, 3, 2, 3) }, /indptr falls at row 1/],
    ["an indptr beyond the data", { ...good, "indptr.npy": i4(0, 2, 2, 9) }, /from 0 to 9/],
    ["an indptr of another length", { ...good, "indptr.npy": i4(0, 3) }, /indptr has 2 entries, 4 are expected/],
    ["a huge shape", { ...good, "shape.npy": i8(2 ** 40, 4) }, /two sizes below 2\^31/],
    ["three dimensions", { ...good, "shape.npy": i8(3, 4, 1) }, /two sizes/],
    ["floating indices", { ...good, "indices.npy": f4(0, 3, 1) }, /indices is of type <f4/],
    ["fewer values", { ...good, "data.npy": f4(1, 1) }, /3 indices for 2 values/],
    ["wide indices out of range", { ...good, "indices.npy": i8(0, 2 ** 40, 1) }, /indices holds 1099511627776/],
    ["a pickle", { ...good, "data.npy": npy("|O", [3], Buffer.from("xxx")) }, /type "\|O" is not supported/],
    ["no .npy at all", { ...good, "data.npy": Buffer.from("hello") }, /data\.npy: it is not a \.npy file/],
  ];
  test.each(hostile)("%s is refused", async (_, content, message) => {
    const error: unknown = await readCsrNpz(await npz("hostile.npz", content)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(CorpusError);
    expect(String(error)).toMatch(message);
    expect(String(error)).toContain("hostile.npz");
    expect(String(error)).not.toContain("\n");
  });

  test("a cut or altered archive is refused, never misread", async () => {
    const whole = fs.readFileSync(await npz("whole.npz", good));
    const expected = await readCsrNpz(path.join(folder.path, "whole.npz"));
    for (let cut = 0; cut < whole.length; cut += 37) {
      await expect(readCsrNpz(folder.write("cut.npz", whole.subarray(0, cut)))).rejects.toThrow(CorpusError);
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (position, flip) => {
        const altered = Buffer.from(whole);
        altered[position]! ^= flip;
        const outcome = await readCsrNpz(folder.write("altered.npz", altered)).catch((error: unknown) => error);
        // A byte that means nothing (a date, a reserved field) may differ; the matrix may not.
        if (outcome instanceof CorpusError) return;
        expect(outcome).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe("parseNpy", () => {
  const header = (text: string, declared = text.length) =>
    Buffer.concat([
      Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, declared & 255, declared >> 8]),
      Buffer.from(text, "latin1"),
    ]);
  test.each([
    [
      header("{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,), }"),
      /takes .* bytes, 0 are there/,
    ],
    [header("{'descr': '<i4', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647), }"), /bytes/],
    [header("{'descr': '<i4', 'fortran_order': False, 'shape': (-1,), }"), /not understood/],
    [header("{'descr': '<i4'}"), /not understood/],
    [header("{}", 60_000), /header of 60000 bytes does not fit/],
    [header("{'descr': '<i4', 'fortran_order': True, 'shape': (1, 1), }"), /Fortran order/],
    [header("{'descr': '>i4', 'fortran_order': False, 'shape': (0,), }"), /not supported/],
    [header("{'descr': '<f2', 'fortran_order': False, 'shape': (0,), }"), /not supported/],
    [Buffer.from([0x93, ...Buffer.from("NUMPY"), 9, 0, 0, 0]), /version 9/],
    [Buffer.alloc(3), /wrong first bytes/],
  ])("%# is refused", (bytes, message) => {
    expect(() => parseNpy(bytes)).toThrow(message);
  });

  test("arbitrary bytes never crash it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        const bytes = Buffer.concat([Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0]), tail]);
        try {
          parseNpy(bytes);
        } catch (error) {
          if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test("a dataset of matrices opens like any other", async () => {
  const input = await matrices("open", members(TRAIN), members(VALIDATION), members(TEST));
  await prepared(folder, { inputs: [input] });
  const output = fs
    .readdirSync(folder.path)
    .filter((name) => name.startsWith("out-"))
    .at(-1)!;
  const dataset = await Dataset.open(path.join(folder.path, output));
  expect([...(await dataset.interactions("train")).indptr]).toEqual([0, 2, 2, 3]);
  dataset.close();
});
