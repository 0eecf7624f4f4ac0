// Files of JSON lines that a person gives to a command, and standard input in place of a file.
import fs from "node:fs";
import readline from "node:readline/promises";
import { reasonOf, UsageError } from "../errors.js";

/**
 * The values of a file of JSON lines; `-` is standard input. Empty lines are left out.
 * @param check turns a value into what the caller needs, or throws what is wrong with it
 * @throws UsageError naming file and line
 */
export async function readJsonLines<T>(file: string, check: (value: unknown) => T): Promise<T[]> {
  const name = file === "-" ? "standard input" : file;
  const input = file === "-" ? process.stdin : fs.createReadStream(file, "utf8");
  const values: T[] = [];
  let line = 0;
  try {
    for await (const text of readline.createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (text.trim() === "") continue;
      try {
        values.push(check(JSON.parse(text)));
      } catch (error) {
        throw new UsageError(`${name}:${line}: ${reasonOf(error)}`);
      }
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name}: cannot be read: ${reasonOf(error)}`);
  }
  return values;
}
