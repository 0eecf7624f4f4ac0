// Vectors of items as files for other programs.
import fs from "node:fs/promises";
import { writeSafetensors } from "@cllm4rec/backbone";
import { convertJsonLines } from "@cllm4rec/corpus";
import { writeWhole } from "../files/whole-file.js";
import { formatOf, replaceBy } from "./out-file.js";

// Shape legend: R items, K width.

export const VECTOR_FORMATS = ["parquet", "csv", "npy", "jsonl", "safetensors"] as const;
export type VectorFormat = (typeof VECTOR_FORMATS)[number];

/** Items with their vectors. */
export interface ItemVectors {
  /** [R] */
  readonly items: readonly string[];
  /** [R] */
  readonly titles: readonly (string | undefined)[];
  /** K */
  readonly width: number;
  /** [R, K], row-major */
  readonly data: Float32Array;
}

/**
 * Writes vectors in the format of the file's name. Formats without room for ids get a second file, `FILE.ids.json`,
 * with the raw id of each row.
 * @throws UsageError for a name of another format; TrainingError naming the file that cannot be written
 */
export async function writeVectors(file: string, vectors: ItemVectors): Promise<void> {
  const format = formatOf(file, VECTOR_FORMATS);
  const { items, width, data } = vectors;
  if (format === "npy" || format === "safetensors") {
    await writeWhole(`${file}.ids.json`, `${JSON.stringify(items)}\n`);
    await replaceBy(file, (temporary) =>
      format === "npy"
        ? fs.writeFile(temporary, npy(data, [items.length, width]))
        : writeSafetensors(temporary, { items: { shape: [items.length, width], data } }),
    );
    return;
  }
  await replaceBy(file, async (temporary) => {
    if (format === "jsonl") return writeLines(temporary, vectors);
    const lines = `${temporary}.jsonl`;
    try {
      await writeLines(lines, vectors);
      const hasTitles = vectors.titles.some((title) => title !== undefined);
      const names = hasTitles ? "item, title" : "item";
      const columns = { item: "VARCHAR", title: "VARCHAR", vector: "FLOAT[]" };
      // A column for each number: what spreadsheets and pandas read without parsing.
      const numbers = Array.from({ length: width }, (_, k) => `vector[${k + 1}] AS v${k}`).join(", ");
      const select = format === "parquet" ? `${names}, vector` : `${names}, ${numbers}`;
      await convertJsonLines(lines, temporary, { format, columns, select });
    } finally {
      await fs.rm(lines, { force: true });
    }
  });
}

async function writeLines(file: string, { items, titles, width, data }: ItemVectors): Promise<void> {
  const handle = await fs.open(file, "w");
  try {
    for (const [row, item] of items.entries()) {
      const vector = Array.from(data.subarray(row * width, (row + 1) * width));
      const title = titles[row];
      await handle.write(`${JSON.stringify({ item, ...(title !== undefined && { title }), vector })}\n`);
    }
  } finally {
    await handle.close();
  }
}

/** The bytes of a NumPy file, version 1.0, of float32 in C order. */
function npy(data: Float32Array, shape: readonly [number, number]): Uint8Array {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const header = Buffer.from(`${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`, "latin1");
  const prefix = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([prefix, header, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
