// The files of a given split → a dataset directory; every interaction stays in its part.
import path from "node:path";
import type { Manifest } from "../dataset/manifest.js";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError } from "../errors.js";
import { RECORDS_TABLE } from "../readers/records.js";
import { numberIds, readColumns, writeDecision } from "./columns.js";
import { finish } from "./finish.js";
import { decideGiven, findOverlap } from "./given.js";
import { type PrepareOptions, type ResolvedOptions, warnOfIgnored } from "./options.js";
import { type ResolvedInputs, readInputs } from "./read-inputs.js";

/**
 * Keeps the parts as they are. Where there is no file for validation, the dataset's validation is empty, unless
 * `validationShare` asks for a share of each user's training interactions.
 * @throws CorpusError if a part is empty, or a (user, item) pair is in more than one.
 */
export async function prepareGiven(
  engine: Engine,
  directory: string,
  spill: string,
  inputs: ResolvedInputs,
  options: PrepareOptions,
  resolved: ResolvedOptions,
): Promise<Manifest> {
  const { signal, onEvent } = options;
  const files = inputs.probes.map(({ source }) => source.path);
  const folder = path.dirname(files[0]!);
  const withValidation = inputs.parts!.includes("validation");
  const draw =
    !withValidation && options.validationShare ? { share: options.validationShare, seed: resolved.seed } : undefined;
  const ignored = ["minRating", "core", "split", "testShare"] as const;
  warnOfIgnored(folder, options, draw ? ignored : [...ignored, "seed", "validationShare"]);

  await engine.run(RECORDS_TABLE);
  const read = await readInputs(engine, inputs, options, resolved.maxMalformed, spill);
  signal?.throwIfAborted();

  onEvent?.({ type: "stage", stage: "filter" });
  const sizes = await numberIds(engine);
  const { pairs, alive } = await readColumns(engine, sizes.users, sizes.items, null);
  signal?.throwIfAborted();
  for (const { part, start, end } of read.ranges) {
    if (alive.subarray(start, end).includes(1)) continue;
    throw new CorpusError(`${files[inputs.parts!.indexOf(part)]} has no interactions: the split has no ${part} part.`);
  }
  const overlap = findOverlap(pairs, alive, read.ranges);
  if (overlap) {
    const { user, item, parts } = overlap.first;
    const [one, other] = parts.map((part) => files[inputs.parts!.indexOf(part)]);
    throw new CorpusError(
      `${overlap.count} records of a held-out part repeat a pair of another: user ` +
        `${await rawId(engine, "user", user)} and item ${await rawId(engine, "item", item)} are both in ${one} and ` +
        `in ${other}. The parts of a split do not overlap: remove such pairs from one of them.`,
    );
  }
  if (!withValidation && draw === undefined) {
    onEvent?.({
      type: "warning",
      message:
        `${folder} has no file for validation, so that the dataset has none: settings and epochs cannot be chosen ` +
        "without looking at the test part. With `validationShare` a share of each user's training interactions " +
        "becomes validation",
      options: ["validationShare"],
    });
  }
  const decision = decideGiven(pairs, alive, read.ranges, draw);
  await writeDecision(engine, pairs, decision);
  const { duplicates, belowRating, withoutRating, outsideCore, kept } = decision;
  return finish(engine, directory, inputs, options, {
    provenance: read.provenance,
    seed: resolved.seed,
    preparation: {
      minRating: null,
      core: 0,
      split: "given",
      seed: draw?.seed ?? 0,
      validationShare: draw?.share ?? 0,
      testShare: 0,
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
      ...(read.mended > 0 && { mended: read.mended }),
    },
  });
}

async function rawId(engine: Engine, kind: "user" | "item", id: number): Promise<string> {
  const [row] = await engine.rows(`SELECT raw_id FROM ${kind}_ids WHERE id = ${id}`);
  return JSON.stringify(row?.raw_id);
}
