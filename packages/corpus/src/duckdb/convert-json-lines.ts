// JSON lines to a Parquet or CSV file, by DuckDB: how tables that were computed row by row leave this library.
import { CorpusError, reasonOf } from "../errors.js";
import { Engine, identifier, literal } from "./engine.js";
import { fileLiteral } from "./files.js";

/** What {@link convertJsonLines} reads and writes. */
export interface ConvertJsonLinesOptions {
  readonly format: "parquet" | "csv";
  /** The keys of each line with their DuckDB types, such as `{ item: "VARCHAR", vector: "FLOAT[]" }`. */
  readonly columns: Readonly<Record<string, string>>;
  /** SQL of the columns of the table, over those of `columns`; default: all of them. */
  readonly select?: string;
}

/**
 * Writes the rows of a file of JSON lines as a table, in their order. `target` is written directly: give a temporary
 * name and rename it.
 * @throws CorpusError naming the file that cannot be read or written
 */
export async function convertJsonLines(
  source: string,
  target: string,
  { format, columns, select = "*" }: ConvertJsonLinesOptions,
): Promise<void> {
  const types = Object.entries(columns).map(([name, type]) => `${identifier(name)}: ${literal(type)}`);
  const lines = `read_json(${fileLiteral(source)}, format = 'newline_delimited', columns = {${types.join(", ")}})`;
  const options = format === "parquet" ? "FORMAT parquet, COMPRESSION zstd" : "FORMAT csv, HEADER true";
  const engine = await Engine.open();
  try {
    await engine.run(`COPY (SELECT ${select} FROM ${lines}) TO ${literal(target)} (${options})`);
  } catch (error) {
    throw new CorpusError(`${target}: cannot be written as ${format}: ${reasonOf(error)}`, { cause: error });
  } finally {
    engine.close();
  }
}
