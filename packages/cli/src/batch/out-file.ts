// Tables that a command writes: the format follows from the name, and the file appears whole or not at all.
import fs from "node:fs/promises";
import path from "node:path";
import { UsageError } from "../errors.js";
import { cannotWrite } from "../files/whole-file.js";

/** The format of an output file by its ending. @throws UsageError for another one */
export function formatOf<F extends string>(file: string, formats: readonly F[]): F {
  const ending = path.extname(file).slice(1).toLowerCase();
  const found = formats.find((format) => format === ending);
  if (found) return found;
  throw new UsageError(`--out ${file}: expected a name that ends in ${formats.map((name) => `.${name}`).join(", ")}`);
}

/**
 * Gives `write` a name beside the file; what it wrote there then takes the file's place.
 * @throws what `write` throws; TrainingError where the file cannot be put into its place
 */
export async function replaceBy(file: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await fs.mkdir(path.dirname(path.resolve(file)), { recursive: true });
    await write(temporary);
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error instanceof Error && "syscall" in error ? cannotWrite(file, error) : error;
  }
}
