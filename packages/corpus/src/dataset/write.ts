// Writing a dataset directory from three DuckDB tables, or from values in memory.
// Row order is fixed by ORDER BY, so that the files do not depend on the number of threads.
import fs from "node:fs";
import path from "node:path";
import { appendColumns } from "../duckdb/append.js";
import { Engine, literal } from "../duckdb/engine.js";
import { parquetOf } from "../duckdb/files.js";
import { CorpusError } from "../errors.js";
import { WRITER } from "../version.js";
import { COLD_ITEMS, HELD_OUT_INTERACTIONS, moveColdInteractions } from "./cold-items.js";
import type { Split } from "./dataset.js";
import { sha256File } from "./hash.js";
import { DATA_FILES, MANIFEST_FILE, type Manifest, manifestSchema } from "./manifest.js";
import { publishDirectory } from "./publish.js";

/**
 * The tables that `writeTables` exports; `out_interactions.position` orders the interactions of a user among equal
 * times.
 */
export const OUTPUT_TABLES = `
  CREATE TABLE out_users ("user" INTEGER NOT NULL, raw_id VARCHAR NOT NULL, "text" VARCHAR);
  CREATE TABLE out_items (item INTEGER NOT NULL, raw_id VARCHAR NOT NULL, title VARCHAR, "text" VARCHAR);
  CREATE TABLE out_interactions ("user" INTEGER NOT NULL, item INTEGER NOT NULL, split VARCHAR NOT NULL, rating DOUBLE,
    "timestamp" DOUBLE, "text" VARCHAR);`;

/** What the manifest says beyond what the tables themselves tell; `coldItems`: the items of the table `cold_items`. */
export type ManifestBase = Pick<Manifest, "provenance" | "preparation" | "records" | "coldItems">;

/**
 * What is exported; with cold items the interactions come from `HELD_OUT_INTERACTIONS`, and items have one more column.
 */
const sources = (cold: boolean) => ({
  "users.parquet": `SELECT "user", raw_id, "text" FROM out_users ORDER BY "user"`,
  "items.parquet": `SELECT item, raw_id, title, "text"${cold ? `, item IN (FROM ${COLD_ITEMS}) AS cold` : ""}
    FROM out_items ORDER BY item`,
  "interactions.parquet": `SELECT "user", item, split, rating, "timestamp", "text"
    FROM ${cold ? HELD_OUT_INTERACTIONS : "out_interactions"} ORDER BY "user", "timestamp" NULLS FIRST, item`,
});

/** Exports the tables into `directory` and writes the manifest last. */
export async function writeTables(engine: Engine, directory: string, base: ManifestBase): Promise<Manifest> {
  const exported = sources(base.coldItems !== undefined);
  for (const name of DATA_FILES) {
    await engine.run(
      `COPY (${exported[name]}) TO ${literal(path.join(directory, name))} (FORMAT parquet, COMPRESSION zstd, ` +
        "COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 30720)",
    );
  }
  // Counted in what was written, which costs no second pass over the tables.
  const written = (name: (typeof DATA_FILES)[number]) => parquetOf(path.join(directory, name));
  const counts = await engine.counts(`SELECT
    (SELECT count(*) FROM ${written("users.parquet")}) AS users, (SELECT count(*) FROM ${written("items.parquet")}) AS
      items,
    (SELECT count("text") FROM ${written("users.parquet")}) AS userTexts,
    (SELECT count("text") FROM ${written("items.parquet")}) AS itemTexts,
    count(*) FILTER (split = 'train') AS train, count(*) FILTER (split = 'validation') AS validation,
    count(*) FILTER (split = 'test') AS test, count(*) FILTER (split = 'cold-test') AS coldTest,
    count("text") FILTER (split = 'train') AS trainReviews
    FROM ${written("interactions.parquet")}`);
  const {
    users = 0,
    items = 0,
    train = 0,
    validation = 0,
    test = 0,
    coldTest = 0,
    trainReviews = 0,
    itemTexts = 0,
    userTexts = 0,
  } = counts;
  const interactions = train + validation + test + coldTest;
  const repeated = await countRepeatedReviews(engine, written("interactions.parquet"), trainReviews);
  const manifest = manifestSchema.parse({
    format: "cllm4rec-dataset",
    version: 1,
    users,
    items,
    interactions,
    train,
    validation,
    test,
    ...(base.coldItems && { coldTest }),
    files: Object.fromEntries(
      await Promise.all(
        DATA_FILES.map(async (name) => {
          const file = path.join(directory, name);
          return [name, { bytes: fs.statSync(file).size, sha256: await sha256File(file) }] as const;
        }),
      ),
    ),
    ...base,
    statistics: {
      interactions,
      users,
      items,
      sparsity: users > 0 && items > 0 ? 1 - interactions / users / items : 0,
      features: trainReviews + itemTexts + userTexts,
      trainReviews,
      itemTexts,
      userTexts,
      ...repeated,
      meanInteractionsPerUser: users > 0 ? interactions / users : 0,
      meanInteractionsPerItem: items > 0 ? interactions / items : 0,
    },
  });
  fs.writeFileSync(path.join(directory, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/**
 * Held-out reviews that are in training word for word: a model that reads training reviews has read them. Compared by
 * 64-bit hash and length, so that the memory needed does not grow with the texts.
 */
async function countRepeatedReviews(
  engine: Engine,
  interactions: string,
  trainReviews: number,
): Promise<Pick<Manifest["statistics"], "heldOutReviews" | "heldOutReviewsInTraining" | "heldOutReviewsOfSameUser">> {
  if (trainReviews === 0) return {};
  const {
    heldOut = 0,
    repeated = 0,
    own = 0,
  } = await engine.counts(`
    WITH reviews AS MATERIALIZED (
      SELECT "user" AS u, split = 'train' AS train, hash("text") AS h, strlen("text") AS n FROM ${interactions} WHERE
        "text" IS NOT NULL
    )
    SELECT count(*) AS heldOut,
      count(*) FILTER ((h, n) IN (SELECT (h, n) FROM reviews WHERE train)) AS repeated,
      count(*) FILTER ((u, h, n) IN (SELECT (u, h, n) FROM reviews WHERE train)) AS own
    FROM reviews WHERE NOT train`);
  return { heldOutReviews: heldOut, heldOutReviewsInTraining: repeated, heldOutReviewsOfSameUser: own };
}

export interface DatasetContent {
  /** User `u` is the u-th entry. */
  readonly users: readonly { readonly rawId: string; readonly text?: string | null }[];
  /**
   * Item `j` is the j-th entry. Interactions with `cold` ones are of the part `cold-test`, whatever they are given as.
   */
  readonly items: readonly {
    readonly rawId: string;
    readonly title?: string | null;
    readonly text?: string | null;
    readonly cold?: boolean;
  }[];
  /**
   * Each (user, item) pair at most once; `timestamp` in seconds since 1970 where known; `text` is the user's review of
   * the item.
   */
  readonly interactions: readonly {
    readonly user: number;
    readonly item: number;
    readonly split: Split;
    readonly rating?: number | null;
    readonly timestamp?: number | null;
    readonly text?: string | null;
  }[];
  /** Recorded in the manifest's provenance; default "memory". */
  readonly source?: string;
}

/**
 * Writes a dataset directory from values in memory, split as given: for generated data and for readers of one's own.
 * @throws CorpusError on an index out of range or a (user, item) pair that comes twice.
 * @throws CorpusUsageError if `directory` is not empty (and not a dataset that `force` allows to replace).
 */
export async function writeDataset(
  directory: string,
  { users, items, interactions, source = "memory" }: DatasetContent,
  { force = false }: { readonly force?: boolean } = {},
): Promise<Manifest> {
  const seen = new Set<number>();
  interactions.forEach(({ user, item }, index) => {
    if (
      !Number.isInteger(user) ||
      user < 0 ||
      user >= users.length ||
      !Number.isInteger(item) ||
      item < 0 ||
      item >= items.length
    ) {
      throw new CorpusError(
        `interaction ${index} names user ${user} and item ${item}, but there are ${users.length} users and ` +
          `${items.length} items`,
      );
    }
    const pair = user * items.length + item;
    if (seen.has(pair)) throw new CorpusError(`interaction ${index} repeats the pair of user ${user} and item ${item}`);
    seen.add(pair);
  });
  return publishDirectory(directory, force, async (temporary) => {
    const engine = await Engine.open();
    try {
      await engine.run(OUTPUT_TABLES);
      await appendColumns(engine, "out_users", ["integer", "varchar", "varchar"], users.length, (i, column) => {
        const { rawId, text = null } = users[i]!;
        return column === 0 ? i : column === 1 ? rawId : text;
      });
      await appendColumns(
        engine,
        "out_items",
        ["integer", "varchar", "varchar", "varchar"],
        items.length,
        (i, column) => {
          const { rawId, title = null, text = null } = items[i]!;
          return column === 0 ? i : column === 1 ? rawId : column === 2 ? title : text;
        },
      );
      const types = ["integer", "integer", "varchar", "double", "double", "varchar"] as const;
      await appendColumns(engine, "out_interactions", types, interactions.length, (i, column) => {
        const { user, item, split, rating = null, timestamp = null, text = null } = interactions[i]!;
        return [user, item, split, rating, timestamp, text][column]!;
      });
      const n = interactions.length;
      const cold = items.flatMap((item, index) => (item.cold === true ? [index] : []));
      const coldItems = cold.length > 0 ? await moveColdInteractions(engine, cold) : undefined;
      return await writeTables(engine, temporary, {
        provenance: { reader: source, inputs: [], writer: WRITER },
        preparation: {
          minRating: null,
          core: 0,
          split: "given",
          seed: 0,
          validationShare: 0,
          testShare: 0,
          maxMalformed: 0,
        },
        ...(coldItems && { coldItems }),
        records: {
          records: n,
          malformed: 0,
          duplicates: 0,
          belowRating: 0,
          withoutRating: 0,
          outsideCore: 0,
          kept: n,
          metadata: users.length + items.length,
          metadataMalformed: 0,
          metadataUnused: 0,
        },
      });
    } finally {
      engine.close();
    }
  });
}
