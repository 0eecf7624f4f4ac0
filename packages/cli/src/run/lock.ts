// One writer for a model directory: a lock file with the process that holds it, which a killed one cannot leave behind for long.
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { z } from "zod";
import { UsageError } from "../errors.js";
import { cannotWrite } from "./clock.js";

const holderSchema = z.object({ host: z.string(), process: z.int().positive(), since: z.string() });
type Holder = z.infer<typeof holderSchema>;

/**
 * Takes the directory for this process, and makes it where it is not there.
 * @returns what gives it back
 * @throws UsageError naming the process that has it: one that is not running any more loses it, of another machine's nothing is known.
 *   TrainingError where the directory cannot be written
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const file = path.join(directory, "lock.json");
  const mine: Holder = { host: os.hostname(), process: process.pid, since: new Date().toISOString() };
  for (let attempt = 0; ; attempt++) {
    try {
      await fs.mkdir(directory, { recursive: true });
      await fs.writeFile(file, JSON.stringify(mine), { flag: "wx" });
      return () => fs.rm(file, { force: true });
    } catch (error) {
      if (!isCode(error, "EEXIST") || !(await isFile(file))) throw cannotWrite(file, error);
    }
    const holder = await holderOf(file);
    if (holder && !isGone(holder)) {
      throw new UsageError(
        `${directory}: is being written by process ${holder.process} on ${holder.host} since ${holder.since}; wait for it, or choose another --out. If it is not running any more, remove ${file}`,
      );
    }
    if (attempt === 3)
      throw new UsageError(`${file}: cannot be taken; remove it if no other run writes to ${directory}`);
    await fs.rm(file, { force: true });
  }
}

/** `undefined` where the file is gone again, or was never written whole. */
async function holderOf(file: string): Promise<Holder | undefined> {
  const text = await fs.readFile(file, "utf8").catch(() => "");
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function isGone({ host, process: id }: Holder): boolean {
  if (host !== os.hostname()) return false;
  try {
    process.kill(id, 0);
    return id === process.pid; // this process does not hold it, so the number was another's before
  } catch (error) {
    return !isCode(error, "EPERM");
  }
}

const isCode = (error: unknown, code: string) => error instanceof Error && "code" in error && error.code === code;

const isFile = (name: string) =>
  fs.stat(name).then(
    (found) => found.isFile(),
    () => false,
  );
