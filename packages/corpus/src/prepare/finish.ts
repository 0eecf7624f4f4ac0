// The end of every preparation: texts, then the tables and the manifest.
import type { Manifest } from "../dataset/manifest.js";
import { writeTables } from "../dataset/write.js";
import type { Engine } from "../duckdb/engine.js";
import { WRITER } from "../version.js";
import { describe, latestMetadata } from "./describe.js";
import { holdOutItems } from "./hold-out-items.js";
import type { PrepareOptions } from "./options.js";
import type { Provenance, ResolvedInputs } from "./read-inputs.js";

/** Texts, then the directory. Needs `kept_raw_user`, `kept_raw_item` and `out_interactions`. */
export async function finish(
  engine: Engine,
  directory: string,
  { format, reader }: ResolvedInputs,
  options: PrepareOptions,
  base: {
    readonly provenance: readonly Provenance[];
    readonly preparation: Manifest["preparation"];
    /** Of the draw of cold items. */
    readonly seed: number;
    readonly records: Omit<Manifest["records"], "metadata" | "metadataMalformed" | "metadataUnused">;
  },
): Promise<Manifest> {
  const { provenance, ...metadataCounts } = await describe(engine, reader, options, base.preparation.maxMalformed);
  options.signal?.throwIfAborted();
  options.onEvent?.({ type: "stage", stage: "write" });
  await engine.run(`
    CREATE TABLE out_users AS SELECT kept.index AS "user", raw_id, described."text" AS "text"
      FROM kept_raw_user kept LEFT JOIN ${latestMetadata("user")} m ON m.index = kept.index;
    CREATE TABLE out_items AS SELECT kept.index AS item, raw_id, described.title AS title, described."text" AS "text"
      FROM kept_raw_item kept LEFT JOIN ${latestMetadata("item")} m ON m.index = kept.index`);
  const coldItems =
    options.holdOutItems === undefined
      ? undefined
      : await holdOutItems(engine, options.holdOutItems, base.seed, options.onEvent);
  options.signal?.throwIfAborted();
  const manifest = await writeTables(engine, directory, {
    provenance: {
      reader: format,
      inputs: [...base.provenance, ...provenance],
      ...(options.columns && { columns: { ...options.columns } }),
      writer: WRITER,
    },
    preparation: base.preparation,
    ...(coldItems && { coldItems }),
    records: { ...base.records, ...metadataCounts },
  });
  warnOfRepeatedReviews(manifest, options);
  return manifest;
}

/** What a model learns of these reviews in training, it need not predict. */
function warnOfRepeatedReviews({ statistics }: Manifest, { onEvent }: PrepareOptions): void {
  const { heldOutReviews = 0, heldOutReviewsInTraining: repeated = 0, heldOutReviewsOfSameUser: own = 0 } = statistics;
  if (repeated === 0) return;
  const share = +((100 * repeated) / heldOutReviews).toFixed(1);
  onEvent?.({
    type: "warning",
    message:
      `${repeated} of ${heldOutReviews} held-out reviews (${share}%) are in training word for word, ${own} of ` +
      "them by the same user: a model that reads training reviews has read these",
  });
}
