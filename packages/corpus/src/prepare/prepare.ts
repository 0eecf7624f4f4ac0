// Raw files → a split dataset directory: read, filter, describe, write.
import fs from "node:fs";
import path from "node:path";
import type { Manifest } from "../dataset/manifest.js";
import { publishDirectory } from "../dataset/publish.js";
import { OUTPUT_TABLES, writeTables } from "../dataset/write.js";
import { appendColumns } from "../duckdb/append.js";
import { Engine } from "../duckdb/engine.js";
import { CorpusError, CorpusUsageError } from "../errors.js";
import { checkFile } from "../readers/archive.js";
import { readMatrices } from "../readers/matrices.js";
import { RECORDS_TABLE } from "../readers/records.js";
import { WRITER } from "../version.js";
import { numberIds, readColumns, writeDecision } from "./columns.js";
import { decide } from "./decide.js";
import { describe, latestMetadata } from "./describe.js";
import { type PrepareOptions, type ResolvedOptions, resolveOptions } from "./options.js";
import { type Provenance, type ResolvedInputs, readInputs, resolveInputs } from "./read-inputs.js";

/**
 * Reads interactions, keeps the latest of each (user, item) pair, binarises by rating, reduces to the k-core, splits, and writes a dataset
 * directory: Parquet files and a manifest with counts, hashes, provenance and every parameter. The result is the same on every machine.
 *
 * @returns the manifest.
 * @throws CorpusError if the data cannot be used; CorpusUsageError if the options cannot. Nothing is left behind then.
 *
 * @example
 * const manifest = await prepare({ inputs: ["reviews_Beauty.json.gz"], meta: ["meta_Beauty.json.gz"], output: "beauty" });
 */
export async function prepare(userOptions: PrepareOptions): Promise<Manifest> {
  const resolved = resolveOptions(userOptions);
  const { signal, output, force = false, threads, memoryLimit } = userOptions;
  signal?.throwIfAborted();
  return publishDirectory(output, force, async (temporary) => {
    const spill = path.join(temporary, ".spill");
    fs.mkdirSync(spill);
    const engine = await Engine.open({
      temporaryDirectory: spill,
      ...(threads !== undefined && { threads }),
      ...(memoryLimit !== undefined && { memoryLimit }),
    });
    const interrupt = () => engine.interrupt();
    signal?.addEventListener("abort", interrupt);
    const { onEvent, stop } = reportProgress(engine, userOptions.onEvent);
    const options = { ...userOptions, ...(onEvent && { onEvent }) };
    try {
      const inputs = await resolveInputs(engine, options);
      const manifest =
        inputs.matrices === undefined
          ? await prepareRecords(engine, temporary, spill, inputs, options, resolved)
          : await prepareMatrices(engine, temporary, inputs.matrices, options, resolved);
      signal?.throwIfAborted();
      return manifest;
    } catch (error) {
      // DuckDB reports an interruption as an error of its own.
      signal?.throwIfAborted();
      throw error;
    } finally {
      stop();
      signal?.removeEventListener("abort", interrupt);
      engine.close();
      fs.rmSync(spill, { recursive: true, force: true });
    }
  });
}

/** Passes events on and adds DuckDB's own progress to the stages that are one long statement. */
function reportProgress(
  engine: Engine,
  onEvent: PrepareOptions["onEvent"],
): { onEvent: PrepareOptions["onEvent"]; stop: () => void } {
  if (!onEvent) return { onEvent, stop: () => {} };
  let timed = false;
  let highest = 0;
  const timer = setInterval(() => {
    const share = engine.progress;
    // A stage may be several statements, of which each begins at 0: what is shown only ever rises.
    if (!timed || share === undefined || share <= highest) return;
    highest = share;
    onEvent({ type: "progress", share });
  }, 100);
  return {
    onEvent: (event) => {
      if (event.type === "stage") {
        timed = event.stage === "read" || event.stage === "write";
        highest = 0;
      }
      onEvent(event);
    },
    stop: () => clearInterval(timer),
  };
}

async function prepareRecords(
  engine: Engine,
  directory: string,
  spill: string,
  inputs: ResolvedInputs,
  options: PrepareOptions,
  resolved: ResolvedOptions,
): Promise<Manifest> {
  const { signal, onEvent } = options;
  await engine.run(RECORDS_TABLE);
  const read = await readInputs(engine, inputs, options, resolved.maxMalformed, spill);
  signal?.throwIfAborted();

  onEvent?.({ type: "stage", stage: "filter" });
  const sizes = await numberIds(engine);
  const threshold = resolved.minRating === undefined ? 3 : resolved.minRating;
  const { pairs, rated, alive, withRating, withTime } = await readColumns(engine, sizes.users, sizes.items, threshold);
  const minRating = effectiveThreshold(inputs, resolved, withRating);
  checkTimes(inputs, options, resolved, withTime, read.records - read.malformed);
  signal?.throwIfAborted();
  const decision = decide(pairs, minRating === null ? undefined : rated, alive, resolved.core, {
    ...resolved,
    method: resolved.split,
  });
  if (resolved.split === "cllm4rec" && decision.duplicates > 0) {
    onEvent?.({
      type: "warning",
      message: `${decision.duplicates} records repeat a (user, item) pair: the authors' code counts each of them, here the latest stands, so that the split is not theirs`,
    });
  }
  if (decision.kept === 0) {
    const pairsLeft = decision.outsideCore;
    throw new CorpusError(
      `nothing remains of ${read.records} records: ${read.malformed} malformed, ${decision.duplicates} duplicates, ${decision.withoutRating} without and ${decision.belowRating} not above the rating of ${minRating}, and the other ${pairsLeft} have no ${resolved.core}-core. Lower --core or --min-rating.`,
    );
  }
  await writeDecision(engine, pairs, decision);
  for (const kind of ["user", "item"]) {
    await engine.run(`CREATE TABLE kept_raw_${kind} AS
      SELECT ids.raw_id, kept.index FROM kept_${kind} kept JOIN ${kind}_ids ids ON ids.id = kept.former`);
  }
  const { duplicates, belowRating, withoutRating, outsideCore, kept } = decision;
  return finish(engine, directory, inputs, options, {
    provenance: read.provenance,
    preparation: {
      minRating,
      core: resolved.core,
      split: resolved.split,
      seed: resolved.seed,
      validationShare: resolved.validationShare,
      testShare: resolved.testShare,
      maxMalformed: resolved.maxMalformed,
    },
    records: {
      records: read.records,
      malformed: read.malformed,
      duplicates,
      belowRating,
      withoutRating,
      outsideCore,
      kept,
    },
  });
}

/** The rating threshold that applies: the default of 3 only where there are ratings. */
function effectiveThreshold(
  { probes }: ResolvedInputs,
  { minRating }: ResolvedOptions,
  withRating: number,
): number | null {
  if (minRating === undefined) return withRating > 0 ? 3 : null;
  if (minRating !== null && withRating === 0) {
    throw new CorpusError(
      `${probes[0]?.source.path} has no ratings, so that none can be above ${minRating}. Leave --min-rating out, or name the rating column.`,
    );
  }
  return minRating;
}

function checkTimes(
  { probes }: ResolvedInputs,
  { onEvent }: PrepareOptions,
  { split }: ResolvedOptions,
  withTime: number,
  usable: number,
): void {
  if (split === "random" || withTime === usable) return;
  const file = probes[0]?.source.path;
  if (withTime === 0 && (split === "time" || split === "cllm4rec")) {
    throw new CorpusError(
      `${file} has no times to split by. Use the split random or leave-one-out, or name the timestamp column.`,
    );
  }
  if (split === "cllm4rec" && withTime < usable) {
    throw new CorpusError(
      `${file}: ${usable - withTime} of ${usable} records have no time, and the split cllm4rec sorts by time. Remove them, or use another split.`,
    );
  }
  const message =
    withTime === 0
      ? `${file} has no times: leave-one-out takes the order of the file`
      : `${usable - withTime} of ${usable} records have no time and count as earlier than the others`;
  onEvent?.({ type: "warning", message });
}

async function prepareMatrices(
  engine: Engine,
  directory: string,
  folder: string,
  options: PrepareOptions,
  resolved: ResolvedOptions,
): Promise<Manifest> {
  const { onEvent, signal } = options;
  if (options.columns) throw new CorpusUsageError("a column mapping does not go with the format matrices");
  const given = (["minRating", "core", "split", "seed", "validationShare", "testShare"] as const).filter(
    (name) => options[name] !== undefined,
  );
  if (given.length > 0) {
    onEvent?.({
      type: "warning",
      message: `the split of ${folder} is kept as given: ${given.join(", ")} ${given.length > 1 ? "have" : "has"} no effect`,
    });
  }
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

/** Texts, then the directory. Needs `kept_raw_user`, `kept_raw_item` and `out_interactions`. */
async function finish(
  engine: Engine,
  directory: string,
  { format, reader }: ResolvedInputs,
  options: PrepareOptions,
  base: {
    readonly provenance: readonly Provenance[];
    readonly preparation: Manifest["preparation"];
    readonly records: Omit<Manifest["records"], "metadata" | "metadataMalformed" | "metadataUnused">;
  },
): Promise<Manifest> {
  const { provenance, ...metadataCounts } = await describe(engine, reader, options, base.preparation.maxMalformed);
  options.signal?.throwIfAborted();
  options.onEvent?.({ type: "stage", stage: "write" });
  await engine.run(`
    CREATE TABLE out_users AS SELECT kept.index AS "user", raw_id, said."text" AS "text"
      FROM kept_raw_user kept LEFT JOIN ${latestMetadata("user")} m ON m.index = kept.index;
    CREATE TABLE out_items AS SELECT kept.index AS item, raw_id, said.title AS title, said."text" AS "text"
      FROM kept_raw_item kept LEFT JOIN ${latestMetadata("item")} m ON m.index = kept.index`);
  return writeTables(engine, directory, {
    provenance: {
      reader: format,
      inputs: [...base.provenance, ...provenance],
      ...(options.columns && { columns: { ...options.columns } }),
      writer: WRITER,
    },
    preparation: base.preparation,
    records: { ...base.records, ...metadataCounts },
  });
}
