// The authors' matrices → a dataset directory; their split and their indices are kept.
import path from "node:path";
import type { Manifest } from "../dataset/manifest.js";
import { OUTPUT_TABLES } from "../dataset/write.js";
import { appendColumns } from "../duckdb/append.js";
import type { Engine } from "../duckdb/engine.js";
import { CorpusUsageError } from "../errors.js";
import { checkFile } from "../readers/archive.js";
import { readMatrices } from "../readers/matrices.js";
import { finish } from "./finish.js";
import { type PrepareOptions, type ResolvedOptions, warnOfIgnored } from "./options.js";
import type { Provenance, ResolvedInputs } from "./read-inputs.js";

export async function prepareMatrices(
  engine: Engine,
  directory: string,
  folder: string,
  options: PrepareOptions,
  resolved: ResolvedOptions,
): Promise<Manifest> {
  const { onEvent, signal } = options;
  if (options.columns) throw new CorpusUsageError("a column mapping does not go with the format matrices");
  warnOfIgnored(folder, options, ["minRating", "core", "split", "seed", "validationShare", "testShare"]);
  onEvent?.({ type: "stage", stage: "read", file: folder });
  const { users, items, parts, files, zeros, duplicates } = await readMatrices(folder);
  const provenance: Provenance[] = [];
  for (const file of files) {
    const { bytes, sha256 } = await checkFile(file, "none", { signal });
    provenance.push({ name: path.basename(file), role: "input", bytes, sha256 });
  }
  await engine.run(`${OUTPUT_TABLES} DROP TABLE out_users; DROP TABLE out_items;
    CREATE TABLE kept_raw_user AS SELECT range::VARCHAR AS raw_id, range::INTEGER AS index FROM range(${users});
    CREATE TABLE kept_raw_item AS SELECT range::VARCHAR AS raw_id, range::INTEGER AS index FROM range(${items})`);
  let kept = 0;
  for (const split of ["train", "validation", "test"] as const) {
    const { indptr, indices } = parts[split];
    kept += indices.length;
    let user = 0;
    const types = ["integer", "integer", "varchar", "double", "double", "varchar"] as const;
    await appendColumns(engine, "out_interactions", types, indices.length, (k, column) => {
      if (column === 1) return indices[k]!;
      if (column === 2) return split;
      if (column > 2) return null;
      // Columns are asked for block by block in rising order, so that the row only ever advances.
      while (indptr[user + 1]! <= k) user++;
      return user;
    });
  }
  const inputs: ResolvedInputs = { format: "matrices", matrices: folder, probes: [], reader: undefined };
  return finish(engine, directory, inputs, options, {
    provenance,
    seed: resolved.seed,
    preparation: {
      minRating: null,
      core: 0,
      split: "given",
      seed: 0,
      validationShare: 0,
      testShare: 0,
      maxMalformed: resolved.maxMalformed,
    },
    records: {
      records: kept + zeros + duplicates,
      malformed: zeros,
      duplicates,
      belowRating: 0,
      withoutRating: 0,
      outsideCore: 0,
      kept,
    },
  });
}
