// One model from several that started alike: the mean of their tables (Wortsman et al. 2022, uniform soup).
import type { EmbeddingTable, SoftTables } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import type { TokenTables } from "./tables.js";

// Shape legend: R rows of a table, K width.

/**
 * The mean of every embedding over models, in double precision. It means something where all of them began with the
 * same embeddings, so that row for row they still lie in one region; see {@link meanCosine}.
 * @throws TrainingError for no models, tables of different sizes, or content tables in some of them only
 */
export function meanTables(models: readonly TokenTables[]): TokenTables {
  const [first] = models;
  if (!first) throw new TrainingError("models: found none, expected at least one");
  const sideOf = (name: "collaborative" | "content"): SoftTables | undefined => {
    const sides = models.flatMap(({ [name]: side }) => side ?? []);
    if (sides.length === 0) return undefined;
    if (sides.length < models.length)
      throw new TrainingError(
        `found ${name} tables in ${sides.length} of ${models.length} models, expected all or none`,
      );
    const gains = sides.flatMap(({ skipGain }) => (skipGain ? { rows: 1, data: skipGain } : []));
    if (gains.length > 0 && gains.length < models.length)
      throw new TrainingError(`found a skip path in ${gains.length} of ${models.length} models, expected all or none`);
    return {
      users: mean(sides.map(({ users }) => users)),
      items: mean(sides.map(({ items }) => items)),
      ...(gains.length > 0 && { skipGain: mean(gains).data }),
    };
  };
  const content = sideOf("content");
  const maps = models.flatMap(({ textMap }) => textMap ?? []);
  if (maps.length > 0 && maps.length < models.length)
    throw new TrainingError(`found a text map in ${maps.length} of ${models.length} models, expected all or none`);
  return {
    collaborative: sideOf("collaborative")!,
    ...(content && { content }),
    ...(maps.length > 0 && { textMap: mean(maps) }),
  };
}

function mean(tables: readonly EmbeddingTable[]): EmbeddingTable {
  const [{ rows, data }] = tables as readonly [EmbeddingTable, ...EmbeddingTable[]];
  const other = tables.find((table) => table.rows !== rows || table.data.length !== data.length);
  if (other) {
    throw new TrainingError(
      `found tables of ${rows} rows (${data.length} numbers) and ${other.rows} rows (${other.data.length} ` +
        "numbers), expected equal ones",
    );
  }
  return { rows, data: data.map((_, at) => tables.reduce((sum, table) => sum + table.data[at]!, 0) / tables.length) };
}

/**
 * The cosine of the angle between the rows [R, K] of two tables that have the same index, averaged over the rows that
 * are not zero in
 * either: near 1 for models that started alike and differ in the seed of their training, near 0 for unrelated ones.
 * @returns 0 where there are no such rows
 */
export function meanCosine(a: EmbeddingTable, b: EmbeddingTable): number {
  if (a.rows !== b.rows || a.data.length !== b.data.length)
    throw new TrainingError(`found tables of ${a.rows} and ${b.rows} rows, expected equal ones`);
  const width = a.data.length / a.rows;
  let [sum, rows] = [0, 0];
  for (let row = 0; row < a.rows; row++) {
    let [product, squareA, squareB] = [0, 0, 0];
    for (let at = row * width; at < (row + 1) * width; at++) {
      product += a.data[at]! * b.data[at]!;
      squareA += a.data[at]! ** 2;
      squareB += b.data[at]! ** 2;
    }
    if (squareA === 0 || squareB === 0) continue;
    sum += product / Math.sqrt(squareA * squareB);
    rows++;
  }
  return rows === 0 ? 0 : sum / rows;
}
