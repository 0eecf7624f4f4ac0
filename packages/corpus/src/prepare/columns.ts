// The way between DuckDB's tables and the flat columns that the preparation works on.
import { appendColumns } from "../duckdb/append.js";
import type { Engine } from "../duckdb/engine.js";
import { PROBLEM } from "../readers/records.js";
import { type Decision, RATED } from "./decide.js";
import type { Pairs } from "./pairs.js";

/**
 * Numbers raw ids from 0 in an order that no machine or thread changes: by value if all are non-negative integers, else
 * by their bytes. Leaves the tables `user_ids` and `item_ids` (raw_id, id).
 */
export async function numberIds(engine: Engine): Promise<{ users: number; items: number }> {
  const sizes: number[] = [];
  for (const column of ["user", "item"]) {
    await engine.run(
      `CREATE TEMP TABLE distinct_ids AS SELECT DISTINCT "${column}" AS raw_id FROM records WHERE problem = ` +
        `${PROBLEM.none}`,
    );
    const { numeric, n } = await engine.counts(
      "SELECT count(*) AS n, coalesce(bool_and(regexp_full_match(raw_id, '0|[1-9][0-9]{0,17}')), FALSE)::INTEGER " +
        "AS numeric FROM distinct_ids",
    );
    const order = numeric === 1 ? "raw_id::BIGINT" : "raw_id";
    await engine.run(
      `CREATE TABLE ${column}_ids AS SELECT raw_id, (row_number() OVER (ORDER BY ${order}) - 1)::INTEGER AS id FROM
        distinct_ids;
       DROP TABLE distinct_ids`,
    );
    sizes.push(n ?? 0);
  }
  return { users: sizes[0]!, items: sizes[1]! };
}

/**
 * The records as columns; positions are row numbers of `records`, and `alive` is 0 at those that are no interactions.
 */
export async function readColumns(
  engine: Engine,
  users: number,
  items: number,
  minRating: number | null | undefined,
): Promise<{ pairs: Pairs; rated: Uint8Array; alive: Uint8Array; withRating: number; withTime: number }> {
  const { n = 0 } = await engine.counts("SELECT count(*) AS n FROM records");
  if (n > 2 ** 31 - 2) throw new RangeError(`${n} records: at most 2^31 - 2 are supported`);
  const user = new Int32Array(n);
  const item = new Int32Array(n);
  const timestamp = new Float64Array(n).fill(Number.NaN);
  const rated = new Uint8Array(n);
  const alive = new Uint8Array(n);
  let withRating = 0;
  let withTime = 0;
  const threshold = minRating ?? Number.NEGATIVE_INFINITY;
  const sql = `SELECT r.rowid::INTEGER, u.id, i.id, r."timestamp", r.rating FROM records r
    JOIN user_ids u ON r."user" = u.raw_id JOIN item_ids i ON r.item = i.raw_id WHERE r.problem = ${PROBLEM.none}`;
  for await (const chunk of engine.chunks(sql)) {
    const [positions, userIds, itemIds, times, ratings] = [0, 1, 2, 3, 4].map((column) =>
      chunk.getColumnVector(column),
    );
    for (let k = 0; k < chunk.rowCount; k++) {
      const p = Number(positions!.getItem(k));
      user[p] = Number(userIds!.getItem(k));
      item[p] = Number(itemIds!.getItem(k));
      alive[p] = 1;
      const time = times!.getItem(k);
      if (time !== null) {
        timestamp[p] = Number(time);
        withTime++;
      }
      const rating = ratings!.getItem(k);
      if (rating === null) rated[p] = RATED.unknown;
      else {
        rated[p] = Number(rating) > threshold ? RATED.above : RATED.below;
        withRating++;
      }
    }
  }
  // The ids replace them from here on, which frees their memory.
  await engine.run(`ALTER TABLE records DROP COLUMN "user"; ALTER TABLE records DROP COLUMN item`);
  return { pairs: { users, items, user, item, timestamp }, rated, alive, withRating, withTime };
}

/**
 * Makes `out_interactions` (a view) and the tables `kept_raw_user` and `kept_raw_item` (raw_id, index) of what was
 * decided.
 */
export async function writeDecision(engine: Engine, pairs: Pairs, decision: Decision): Promise<void> {
  await engine.run(`CREATE TABLE decisions (part UTINYINT NOT NULL, "user" INTEGER NOT NULL, item INTEGER NOT NULL);
    CREATE TABLE kept_user (index INTEGER NOT NULL, former INTEGER NOT NULL);
    CREATE TABLE kept_item (index INTEGER NOT NULL, former INTEGER NOT NULL)`);
  const { part, formerUser, formerItem } = decision;
  const columns = [part, pairs.user, pairs.item];
  await appendColumns(
    engine,
    "decisions",
    ["utinyint", "integer", "integer"],
    part.length,
    (row, column) => columns[column]![row]!,
  );
  for (const [table, former] of [["kept_user", formerUser] as const, ["kept_item", formerItem] as const]) {
    await appendColumns(engine, table, ["integer", "integer"], former.length, (row, column) =>
      column === 0 ? row : former[row]!,
    );
  }
  // Row k of `decisions` is about row k of `records`: both were filled in this order and never changed.
  await engine.run(`CREATE VIEW out_interactions AS
    SELECT d."user", d.item, ['train', 'validation', 'test'][d.part] AS split, r.rating, r."timestamp", r."text"
    FROM records r POSITIONAL JOIN decisions d WHERE d.part > 0`);
  for (const kind of ["user", "item"]) {
    await engine.run(`CREATE TABLE kept_raw_${kind} AS
      SELECT ids.raw_id, kept.index FROM kept_${kind} kept JOIN ${kind}_ids ids ON ids.id = kept.former`);
  }
}
