// Ids that were read from floats: a table library writes whole numbers as 7.0 where some of a column are missing.
import type { Engine } from "../duckdb/engine.js";
import { PROBLEM } from "../readers/records.js";
import type { PrepareOptions } from "./options.js";

const WHOLE_FLOAT = "(0|[1-9][0-9]*)([.]0+)?";

/**
 * Takes the fraction off the ids of users or of items where every one is a whole number and some are written as floats,
 * so that "7.0" and "7" are one id, and metadata finds it.
 */
export async function unifyIds(engine: Engine, onEvent: PrepareOptions["onEvent"]): Promise<void> {
  for (const column of ["user", "item"]) {
    // A float column is one throughout: a glance at the first records spares the others a look at every id.
    const { suspected = 0 } = await engine.counts(
      `SELECT count(*) AS suspected FROM (SELECT "${column}" AS id FROM records WHERE problem = ${PROBLEM.none} LIMIT
        2048)
       WHERE regexp_full_match(id, '[0-9]+[.]0+')`,
    );
    if (suspected === 0) continue;
    const { whole = 0 } = await engine.counts(
      `SELECT bool_and(regexp_full_match("${column}", '${WHOLE_FLOAT}'))::INTEGER AS whole FROM records WHERE ` +
        `problem = ${PROBLEM.none}`,
    );
    if (whole === 0) continue;
    await engine.run(
      `UPDATE records SET "${column}" = regexp_replace("${column}", '[.]0+$', '') WHERE problem = ${PROBLEM.none}`,
    );
    onEvent?.({ type: "warning", message: `the ${column} ids are whole numbers written as floats: 7.0 is read as 7` });
  }
}

/** An id without the fraction of a whole number, or undefined where it has none. */
export function withoutFraction(id: string): string | undefined {
  return /^(0|[1-9]\d*)\.0+$/.test(id) ? id.slice(0, id.indexOf(".")) : undefined;
}
