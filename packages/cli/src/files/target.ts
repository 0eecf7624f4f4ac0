// --out: nothing that this program did not write is overwritten.
import fs from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { reasonOf, UsageError } from "../errors.js";

/** What a run may leave behind that was killed before it wrote run.json. */
const BEGUN = /^(lock\.json(\..*)?|token-cache|run\.json\..*\.tmp)$/;
const runSchema = z.object({ format: z.literal("cllm4rec-run") });

/**
 * For a training run: a new or empty folder, or one with a run in it.
 * @throws UsageError naming the folder and something that is in it
 */
export async function refuseForeignFolder(directory: string): Promise<void> {
  const names = await namesIn(directory);
  if (names.every((name) => BEGUN.test(name)) || (await holdsRun(directory))) return;
  throw occupied(directory, names, "no run of cllm4rec");
}

/** For a new model. @throws UsageError naming the folder and something that is in it, whatever it is */
export async function refuseOccupiedFolder(directory: string): Promise<void> {
  const names = await namesIn(directory);
  if (names.length > 0) throw occupied(directory, names, "other files");
}

async function holdsRun(directory: string): Promise<boolean> {
  try {
    const text = await fs.readFile(path.join(directory, "run.json"), "utf8");
    return runSchema.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await fs.readdir(directory);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return [];
    if (code === "ENOTDIR") throw new UsageError(`${directory}: is a file; name a new folder as --out`);
    throw new UsageError(`${directory}: cannot be read (${reasonOf(error)}); name another folder as --out`);
  }
}

function occupied(directory: string, names: readonly string[], holds: string): UsageError {
  const [first = ""] = [...names].sort();
  const others = names.length > 1 ? ` and ${names.length - 1} more` : "";
  return new UsageError(
    `${directory}: is not empty and holds ${holds} (${JSON.stringify(first)}${others}); name a new folder as --out`,
  );
}
