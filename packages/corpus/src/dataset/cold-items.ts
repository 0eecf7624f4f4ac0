// Cold items: their interactions become a part of their own, so that nothing that is fitted or chosen has seen one of
// them.
import { appendColumns } from "../duckdb/append.js";
import type { Engine } from "../duckdb/engine.js";
import type { Manifest } from "./manifest.js";

/** The table of cold items, and the view of the interactions after they were moved. */
export const COLD_ITEMS = "cold_items";
export const HELD_OUT_INTERACTIONS = "held_out_interactions";

/** SQL: whether an item of `out_items` has a title or text with anything in it. */
export const HAS_TEXT = `(regexp_matches(title, '\\S') OR regexp_matches("text", '\\S'))`;

/**
 * Makes {@link COLD_ITEMS} and {@link HELD_OUT_INTERACTIONS} of `out_items` and `out_interactions`. Every interaction
 * with a cold item is of the part `cold-test`. A user all of whose training items are cold keeps something to be known
 * by: validation interactions with other items become training, or test interactions where there are none.
 * @param cold indices of items
 */
export async function moveColdInteractions(
  engine: Engine,
  cold: readonly number[],
): Promise<NonNullable<Manifest["coldItems"]>> {
  await engine.run(`CREATE TABLE ${COLD_ITEMS} (item INTEGER NOT NULL)`);
  await appendColumns(engine, COLD_ITEMS, ["integer"], cold.length, (row) => cold[row]!);
  const isCold = `item IN (FROM ${COLD_ITEMS})`;
  await engine.run(`
    CREATE TABLE users_moved AS
      SELECT "user", CASE WHEN bool_or(split = 'validation') FILTER (NOT ${isCold})
        THEN 'validation' ELSE 'test' END AS taken
      FROM out_interactions GROUP BY "user"
      HAVING bool_or(split = 'train') AND bool_or(NOT ${isCold}) AND NOT bool_or(split = 'train' AND NOT ${isCold});
    CREATE VIEW ${HELD_OUT_INTERACTIONS} AS
      SELECT i."user", i.item, rating, "timestamp", "text",
        CASE WHEN i.${isCold} THEN 'cold-test' WHEN i.split = m.taken THEN 'train' ELSE i.split END AS split
      FROM out_interactions i LEFT JOIN users_moved m ON m."user" = i."user"`);
  const counts = await engine.counts(`SELECT
    (SELECT count(*) FROM out_items WHERE ${HAS_TEXT}) AS itemsWithText,
    (SELECT count(*) FROM users_moved) AS usersMoved,
    (SELECT count(*) FROM out_users) -
      (SELECT count(DISTINCT "user") FROM ${HELD_OUT_INTERACTIONS} WHERE split = 'train') AS usersWithoutTraining`);
  const { itemsWithText = 0, usersMoved = 0, usersWithoutTraining = 0 } = counts;
  return { items: cold.length, itemsWithText, usersMoved, usersWithoutTraining };
}
