// The steps of `prepare` in plain DuckDB SQL, as one would write them by hand: what the library's own work is measured
// against. Left out in favour of the SQL: malformed records and their places, hashes of the files, and draws that do
// not depend on the machine.
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

const PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 30720)";

/**
 * One record a pair, ratings above 3, 5-core, random split, dense indices, sorted Parquet files.
 * @param {string} input @param {string} output an empty folder
 * @returns {Promise<number>} the interactions that remain
 */
export async function prepareInSql(input, output) {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const run = (/** @type {string} */ sql) => connection.run(sql);
  const count = async (/** @type {string} */ table) =>
    Number((await connection.runAndReadAll(`SELECT count(*) FROM ${table}`)).getRows()[0]?.[0]);
  const file = (/** @type {string} */ name) => path.join(output, name);

  const from = input.endsWith(".csv")
    ? `read_csv('${input}', header = true, all_varchar = true)`
    : `read_parquet('${input}')`;
  await run(
    'CREATE TABLE records AS SELECT "user", item, rating::DOUBLE AS rating, "timestamp"::DOUBLE AS "timestamp" ' +
      `FROM ${from}`,
  );
  for (const kind of ["user", "item"]) {
    await run(`CREATE TABLE ${kind}_ids AS SELECT raw_id, (row_number() OVER (ORDER BY raw_id) - 1)::INTEGER AS id
      FROM (SELECT DISTINCT "${kind}" AS raw_id FROM records)`);
  }
  await run(`CREATE TABLE pairs AS SELECT u.id AS u, i.id AS i, rating, "timestamp"
    FROM records r JOIN user_ids u ON r."user" = u.raw_id JOIN item_ids i ON r.item = i.raw_id; DROP TABLE records`);
  await run(`CREATE TABLE latest AS SELECT u, i, arg_max(rating, "timestamp") AS rating, max("timestamp") AS "timestamp"
    FROM pairs GROUP BY u, i; DROP TABLE pairs`);
  await run("CREATE TABLE core_0 AS FROM latest WHERE rating > 3; DROP TABLE latest");
  let round = 0;
  for (let before = -1, left = await count("core_0"); left !== before; round++) {
    await run(`CREATE TABLE core_${round + 1} AS SELECT * FROM core_${round}
      WHERE u IN (SELECT u FROM core_${round} GROUP BY u HAVING count(*) >= 5)
        AND i IN (SELECT i FROM core_${round} GROUP BY i HAVING count(*) >= 5);
      DROP TABLE core_${round}`);
    before = left;
    left = await count(`core_${round + 1}`);
  }
  for (const kind of ["user", "item"]) {
    await run(`CREATE TABLE kept_${kind} AS SELECT raw_id, (row_number() OVER (ORDER BY id) - 1)::INTEGER AS index, id
      FROM ${kind}_ids WHERE id IN (SELECT ${kind[0]} FROM core_${round})`);
  }
  await run(`CREATE TABLE parts AS SELECT u, i, rating, "timestamp",
      CASE WHEN rank <= held THEN 'test' WHEN rank <= 2 * held THEN 'validation' ELSE 'train' END AS split
    FROM (SELECT *, row_number() OVER (PARTITION BY u ORDER BY hash(u, i, 0)) AS rank,
      greatest(1, count(*) OVER (PARTITION BY u) // 10) AS held FROM core_${round});
    DROP TABLE core_${round}`);
  await run(`COPY (SELECT u.index AS "user", i.index AS item, split, rating, "timestamp", NULL::VARCHAR AS "text"
      FROM parts JOIN kept_user u ON u = u.id JOIN kept_item i ON i = i.id ORDER BY 1, 5 NULLS FIRST, 2)
    TO '${file("interactions.parquet")}' ${PARQUET}`);
  for (const kind of ["user", "item"]) {
    await run(
      `COPY (SELECT index, raw_id, NULL::VARCHAR AS "text" FROM kept_${kind} ORDER BY index) TO ` +
        `'${file(`${kind}s.parquet`)}' ${PARQUET}`,
    );
  }
  const interactions = await count("parts");
  connection.closeSync();
  instance.closeSync();
  return interactions;
}

/**
 * Seeded interactions with skewed users and items and 14-character ids, as data.parquet and data.csv.
 * @param {string} folder @param {number} rows
 */
export async function writeInteractions(folder, rows) {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const random = (/** @type {number} */ k) => `((hash(range * 4 + ${k}) >> 11)::DOUBLE / 9007199254740992.0)`;
  const data = `SELECT
      'A' || lpad((10000000000000 + floor(pow(${random(0)}, 1.5) * ${rows / 10})::BIGINT * 7919)::VARCHAR, 14, '0')
        AS "user",
      'B' || (1000000000 + floor(pow(${random(1)}, 2) * ${rows / 33})::BIGINT)::VARCHAR AS item,
      (1 + floor(pow(${random(2)}, 0.4) * 5))::DOUBLE AS rating,
      1300000000 + floor(${random(3)} * 1e8)::BIGINT AS "timestamp"
    FROM range(${rows})`;
  await connection.run(`COPY (${data}) TO '${path.join(folder, "data.parquet")}' (FORMAT parquet)`);
  await connection.run(`COPY (${data}) TO '${path.join(folder, "data.csv")}' (HEADER)`);
  connection.closeSync();
  instance.closeSync();
}
