// File names in SQL: DuckDB takes them for patterns and URLs, and reads columns out of folder names; here a name is one
// file.
import path from "node:path";
import { CorpusError } from "../errors.js";
import { literal } from "./engine.js";

/**
 * The SQL literal of one file. DuckDB takes file names for glob patterns: `data[1].csv` would read `data1.csv`, and
 * `r*.csv` all matches. A bracket of one character matches that character alone. The path is absolute, since a leading
 * `~` or `http:` means something too.
 * @throws CorpusError for a name that no pattern can express: on systems where a backslash is part of a name, beside a
 *   glob character.
 */
export function fileLiteral(file: string): string {
  const absolute = path.resolve(file);
  if (!/[[*?]/.test(absolute)) return literal(absolute);
  if (path.sep === "/" && absolute.includes("\\")) {
    throw new CorpusError(
      `${file}: a path with a backslash and one of the characters [ * ? cannot be read. Rename the file or its folder.`,
    );
  }
  return literal(absolute.replace(/[[*?]/g, "[$&]"));
}

/** A table function over one Parquet file. */
export function parquetOf(file: string): string {
  return `read_parquet(${fileLiteral(file)}, hive_partitioning = false)`;
}
