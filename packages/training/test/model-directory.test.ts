// What a model directory refuses: damaged bytes, NaN, ids that occur twice, histories that do not fit. And what it
// reads of old ones.
import fs from "node:fs";
import path from "node:path";
import { writeSafetensors } from "@cllm4rec/backbone";
import { type ModelDescription, readModel, type SavedModel, writeModel } from "@cllm4rec/training/model";
import { initialTables } from "@cllm4rec/training/stage";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "./helpers.js";

const sizes = { words: 13, users: 3, items: 2, width: 4 };
const description: ModelDescription = {
  format: "cllm4rec-model",
  version: 1,
  backbone: { id: "org/tiny", contentHash: "00ff" },
  sizes,
  stage: "finetune",
  settings: {},
};
const model: SavedModel = {
  description,
  tables: initialTables({ ...sizes, seed: 1, priorDeviation: 1, contentDeviation: 1 }),
  ids: { users: ["u0", "ü\n1", "u2"], items: ["B000", ""] },
  titles: ["A lamp", null],
  histories: {
    train: { rows: 3, columns: 2, indptr: Int32Array.of(0, 1, 2, 2), indices: Int32Array.of(1, 0) },
    test: { rows: 3, columns: 2, indptr: Int32Array.of(0, 1, 1, 1), indices: Int32Array.of(0) },
  },
};

const textFeatures: SavedModel["textFeatures"] = [
  {
    ...{ name: "titles", reads: "title", weight: 2, words: ["a", "lamp"], idf: Float64Array.of(1, 1.4) },
    features: {
      ...{ rows: 2, columns: 2, indptr: Int32Array.of(0, 2, 2) },
      ...{ indices: Int32Array.of(0, 1), values: Float32Array.of(0.6, 0.8) },
    },
  },
];

describe("model directory with everything that prediction needs", () => {
  it("is read back whole", async () => {
    const folder = temporaryFolder();
    await writeModel(folder, model);
    expect(await readModel(folder)).toEqual(model);
  });

  it("refuses a change of any single byte of any file that is read", async () => {
    const folder = temporaryFolder();
    await writeModel(folder, model);
    const names = fs.readdirSync(folder).filter((name) => name !== "config.json");
    expect(names.sort()).toEqual([
      "embeddings.safetensors",
      "histories.safetensors",
      "items.json",
      "titles.json",
      "users.json",
    ]);
    for (const name of names) {
      const file = path.join(folder, name);
      const bytes = fs.readFileSync(file);
      for (let at = 0; at < bytes.length; at++) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1;
        fs.writeFileSync(file, damaged);
        await expect(readModel(folder), `${name}, byte ${at}`).rejects.toThrow(name);
      }
      fs.writeFileSync(file, bytes);
    }
    expect(await readModel(folder)).toEqual(model);
  });

  it("holds the words of the items' texts, and refuses them where they changed or do not fit", async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, "text-features.safetensors");
    const textMap = { rows: 2, data: new Float32Array(8) };
    const whole: SavedModel = { ...model, tables: { ...model.tables, textMap }, textFeatures };
    await writeModel(folder, whole);
    expect(await readModel(folder)).toEqual(whole);
    const written = fs.statSync(file).mtimeMs;
    await writeModel(folder, whole);
    expect(fs.statSync(file).mtimeMs).toBe(written);
    const bytes = fs.readFileSync(file);
    for (let at = 0; at < bytes.length; at += 13) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      fs.writeFileSync(file, damaged);
      await expect(readModel(folder), `byte ${at}`).rejects.toThrow("text-features.safetensors");
    }
    const wider = { ...whole, tables: { ...model.tables, textMap: { rows: 3, data: new Float32Array(12) } } };
    await expect(writeModel(folder, wider)).rejects.toThrow("found 2 words, expected 3, the features of the text map");
    const [block] = textFeatures!;
    const fewer = { ...whole, textFeatures: [{ ...block!, words: ["a"] }] };
    await expect(writeModel(folder, fewer)).rejects.toThrow(
      'block "titles": found 1 words, 2 frequencies and 2 columns',
    );
  });

  it("misses a file that it was written with, and ignores one that an earlier model left", async () => {
    const folder = temporaryFolder();
    await writeModel(folder, model);
    const { titles: _, histories: __, ...less } = model;
    await writeModel(folder, less);
    expect(await readModel(folder)).toEqual(less);
    fs.rmSync(path.join(folder, "items.json"));
    await expect(readModel(folder)).rejects.toThrow(/items\.json: no such file, and the model was written with it/);
  });

  it("reads a model of the first version, without checksums", async () => {
    const folder = temporaryFolder();
    const { collaborative } = model.tables;
    const tensors = {
      "collaborative.user": { shape: [3, 4], data: collaborative.users.data },
      "collaborative.item": { shape: [2, 4], data: collaborative.items.data },
    };
    const metadata = { description: JSON.stringify(description) };
    await writeSafetensors(path.join(folder, "embeddings.safetensors"), tensors, { metadata });
    fs.writeFileSync(path.join(folder, "users.json"), JSON.stringify(model.ids!.users));
    fs.writeFileSync(path.join(folder, "items.json"), JSON.stringify(model.ids!.items));
    expect(await readModel(folder)).toEqual({ description, tables: { collaborative }, ids: model.ids });
    fs.writeFileSync(path.join(folder, "users.json"), '["a","b","a"]');
    await expect(readModel(folder)).rejects.toThrow(/users\.json: user id "a" occurs twice, in rows 0 and 2/);
    collaborativeWithNaN().users.data.forEach((value, at) => {
      tensors["collaborative.user"].data[at] = value;
    });
    fs.writeFileSync(path.join(folder, "users.json"), JSON.stringify(model.ids!.users));
    await writeSafetensors(path.join(folder, "embeddings.safetensors"), tensors, { metadata });
    await expect(readModel(folder)).rejects.toThrow(/tensor collaborative\.user, row 2 \("u2"\): found NaN/);
  });
});

function collaborativeWithNaN() {
  const { collaborative } = initialTables({ ...sizes, seed: 1, priorDeviation: 1 });
  collaborative.users.data[9] = Number.NaN;
  return collaborative;
}

describe("writeModel writes nothing", () => {
  const csr = (indptr: number[], indices: number[]) => ({
    rows: 3,
    columns: 2,
    indptr: Int32Array.from(indptr),
    indices: Int32Array.from(indices),
  });
  it.each<[string, Partial<SavedModel>, RegExp]>([
    [
      "of a table with NaN",
      { tables: { collaborative: collaborativeWithNaN() } },
      /collaborative\.user, row 2 \("u2"\)/,
    ],
    [
      "where an item id occurs twice",
      { ids: { users: ["a", "b", "c"], items: ["x", "x"] } },
      /item id "x" occurs twice/,
    ],
    ["for titles of other items", { titles: ["one"] }, /titles of 1 items, expected 2/],
    [
      "for an unknown item",
      { histories: { train: csr([0, 1, 1, 1], [2]) } },
      /train: user 0 has item 2, expected 0 … 1/,
    ],
    ["for offsets that fall", { histories: { train: csr([0, 2, 1, 2], [0, 1]) } }, /train\.indptr falls after user 1/],
    ["for offsets of other users", { histories: { test: csr([0, 1], [1]) } }, /test\.indptr: expected 4 offsets/],
    [
      "for an item of two splits",
      { histories: { train: csr([0, 0, 1, 1], [1]), test: csr([0, 0, 1, 1], [1]) } },
      /test: user 1 has item 1 twice/,
    ],
  ])("%s", async (_, change, message) => {
    const folder = path.join(temporaryFolder(), "model");
    await expect(writeModel(folder, { ...model, ...change })).rejects.toThrow(message);
    expect(fs.existsSync(folder)).toBe(false);
  });
});
