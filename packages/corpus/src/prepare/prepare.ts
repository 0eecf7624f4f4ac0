// Raw files → a split dataset directory: read, filter, describe, write.
import fs from "node:fs";
import path from "node:path";
import type { Manifest } from "../dataset/manifest.js";
import { publishDirectory } from "../dataset/publish.js";
import { Engine } from "../duckdb/engine.js";
import { CorpusError } from "../errors.js";
import { RECORDS_TABLE } from "../readers/records.js";
import { numberIds, readColumns, writeDecision } from "./columns.js";
import { type Decision, decide } from "./decide.js";
import { finish } from "./finish.js";
import { type PrepareOptions, type ResolvedOptions, resolveOptions } from "./options.js";
import { prepareGiven } from "./prepare-given.js";
import { prepareMatrices } from "./prepare-matrices.js";
import { type ReadResult, type ResolvedInputs, readInputs, resolveInputs } from "./read-inputs.js";

/**
 * Reads interactions, keeps the latest of each (user, item) pair, binarises by rating, reduces to the k-core, splits,
 * and writes a dataset
 * directory: Parquet files and a manifest with counts, hashes, provenance and every parameter. The result is the same
 * on every machine.
 *
 * @returns the manifest.
 * @throws CorpusError if the data cannot be used; CorpusUsageError if the options cannot. Nothing is left behind then.
 *
 * @example
 * const manifest = await prepare({ inputs: ["reviews_Beauty.json.gz"], meta: ["meta_Beauty.json.gz"], output: "beauty"
 * });
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
        inputs.matrices !== undefined
          ? await prepareMatrices(engine, temporary, inputs.matrices, options, resolved)
          : await (inputs.parts ? prepareGiven : prepareRecords)(engine, temporary, spill, inputs, options, resolved);
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
  const { minRating, counts } = await filterAndSplit(engine, inputs, options, resolved, read);
  signal?.throwIfAborted();
  return finish(engine, directory, inputs, options, {
    provenance: read.provenance,
    seed: resolved.seed,
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
      ...counts,
      ...(read.mended > 0 && { mended: read.mended }),
    },
  });
}

/** Decides on the records and writes the decision down. The columns live in here only: writing needs their memory. */
async function filterAndSplit(
  engine: Engine,
  inputs: ResolvedInputs,
  options: PrepareOptions,
  resolved: ResolvedOptions,
  read: ReadResult,
): Promise<{
  readonly minRating: number | null;
  readonly counts: Pick<Decision, "duplicates" | "belowRating" | "withoutRating" | "outsideCore" | "kept">;
}> {
  const { signal, onEvent } = options;
  const sizes = await numberIds(engine);
  const threshold = resolved.minRating === undefined ? read.defaultRating : resolved.minRating;
  const { pairs, rated, alive, withRating, withTime } = await readColumns(engine, sizes.users, sizes.items, threshold);
  const minRating = effectiveThreshold(inputs, resolved, withRating, read.defaultRating);
  checkTimes(inputs, options, resolved, withTime, read.records - read.malformed);
  signal?.throwIfAborted();
  const decision = decide(pairs, minRating === null ? undefined : rated, alive, resolved.core, {
    ...resolved,
    method: resolved.split,
  });
  if (resolved.split === "cllm4rec" && decision.duplicates > 0) {
    onEvent?.({
      type: "warning",
      message:
        `${decision.duplicates} records repeat a (user, item) pair: the authors' code counts each of them, here ` +
        "the latest is kept, so that the split differs from theirs",
    });
  }
  if (decision.kept === 0) {
    const rated =
      minRating === null
        ? ""
        : ` ${decision.withoutRating} without a rating, ${decision.belowRating} not above the rating ${minRating},`;
    const advice = minRating === null ? "Lower `core`." : "Lower `core` or `minRating`.";
    throw new CorpusError(
      `nothing remains of ${read.records} records: ${read.malformed} malformed, ${decision.duplicates} ` +
        `duplicates,${rated} and the other ${decision.outsideCore} have no ${resolved.core}-core. ${advice}`,
      { options: ["core", "minRating"] },
    );
  }
  await writeDecision(engine, pairs, decision);
  const { duplicates, belowRating, withoutRating, outsideCore, kept } = decision;
  return { minRating, counts: { duplicates, belowRating, withoutRating, outsideCore, kept } };
}

/** The rating threshold that applies: the default of 3 only where there are ratings. */
function effectiveThreshold(
  { probes }: ResolvedInputs,
  { minRating }: ResolvedOptions,
  withRating: number,
  defaultRating: number,
): number | null {
  if (minRating === undefined) return withRating > 0 ? defaultRating : null;
  if (minRating !== null && withRating === 0) {
    throw new CorpusError(
      `${probes[0]?.source.path} has no ratings, so that none can be above ${minRating}. Leave \`minRating\` out, ` +
        "or name the rating column with `columns`.",
      { options: ["minRating", "columns"] },
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
      `${file} has no times to split by. Use \`split\` random or leave-one-out, or name the timestamp column with ` +
        "`columns`.",
      { options: ["split", "columns"] },
    );
  }
  if (split === "cllm4rec" && withTime < usable) {
    throw new CorpusError(
      `${file}: ${usable - withTime} of ${usable} records have no time, and the split cllm4rec sorts by time. ` +
        "Remove them, or use another `split`.",
      { options: ["split"] },
    );
  }
  const message =
    withTime === 0
      ? `${file} has no times: leave-one-out takes the order of the file`
      : `${usable - withTime} of ${usable} records have no time and count as earlier than the others`;
  onEvent?.({ type: "warning", message });
}
