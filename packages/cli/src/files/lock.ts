// One writer for a model directory: lock.json names the process that holds it, and a killed process does not keep it.
//
// Two steps make it exclusive, stale lock or not. Announce, then look: a contender first writes a claim, a file of its
// own beside the lock, and goes further only once a listing taken after that shows no other running contender. Of two
// claims one was written second, and its listing shows the first; so two contenders are never further at once. Only
// then is the lock read, and taken by renaming the claim over it, which is one step and leaves no moment with an empty
// or half-written lock.
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { removeLeftovers } from "@cllm4rec/backbone";
import { z } from "zod";
import { UsageError } from "../errors.js";
import { cannotWrite } from "./whole-file.js";

const holderSchema = z.object({
  host: z.string(),
  process: z.int().positive(),
  since: z.string(),
  /** Of this taking; no two have the same. */
  id: z.string().optional(),
  /** Tells the process from a later one with the same number; absent where the system does not say. */
  start: z.object({ boot: z.string(), namespace: z.string(), ticks: z.string() }).optional(),
});
type Holder = z.infer<typeof holderSchema>;

const LOCK = "lock.json";
const CLAIM = /^lock\.json\.[0-9a-f]{16}\.claim$/;
/**
 * Taking a lock is a matter of milliseconds; a contender that takes longer is stopped, or on another
 * machine.
 */
const PATIENCE = 10_000;

/**
 * Takes the directory for this process, and makes it where it is not there. What killed processes left half-written is
 * removed.
 * @returns what gives it back
 * @throws UsageError naming the process that has it: one that is not running any more loses it, of another machine's
 *   nothing is known. TrainingError where the directory cannot be written
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const lock = path.join(directory, LOCK);
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const id = randomBytes(8).toString("hex");
    const mine = await thisProcess(id);
    const claim = `${lock}.${id}.claim`;
    await writeClaim(claim, mine).catch((error: unknown) => Promise.reject(cannotWrite(lock, error)));
    try {
      const rival = await waitForOthers(directory, path.basename(claim), deadline);
      if (rival === undefined) {
        await refuseHeld(directory, lock);
        await fs.rename(claim, lock).catch((error: unknown) => Promise.reject(cannotWrite(lock, error)));
        await removeRemains(directory);
        return async () => {
          // A person may have removed the lock by hand, and another run taken it since.
          const holder = await holderOf(lock);
          if (typeof holder === "object" && holder.id === id) await fs.rm(lock, { force: true });
        };
      }
      if (performance.now() > deadline) {
        throw new UsageError(
          `${path.join(directory, rival)}: another run has been about to take ${directory} for ${PATIENCE / 1000} ` +
            "s; remove this file if no other run writes there",
        );
      }
    } finally {
      await fs.rm(claim, { force: true });
    }
    await delay(1 + 20 * Math.random());
  }
}

/** Appears whole or not at all, so that nobody takes an unfinished one for a dead process's. */
async function writeClaim(claim: string, holder: Holder): Promise<void> {
  await fs.mkdir(path.dirname(claim), { recursive: true });
  const draft = `${claim}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`;
  try {
    await fs.writeFile(draft, JSON.stringify(holder), { flag: "wx", flush: true });
    await fs.rename(draft, claim);
  } catch (error) {
    await fs.rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

/**
 * Returns once no other contender is running. Claims of dead ones are removed, which is safe because no name is used
 * twice.
 * @returns the file of a contender that goes first, or that waits longer than anyone should: then this one withdraws
 */
async function waitForOthers(directory: string, mine: string, deadline: number): Promise<string | undefined> {
  for (;;) {
    const others: string[] = [];
    for (const name of await fs.readdir(directory)) {
      if (!CLAIM.test(name) || name === mine) continue;
      const file = path.join(directory, name);
      const holder = await holderOf(file);
      if (holder === "absent") continue;
      if (holder !== "unreadable" && (await isGone(holder))) await fs.rm(file, { force: true });
      else others.push(name);
    }
    const [first] = others.sort();
    if (first === undefined) return undefined;
    // The least name stays, so that of several contenders exactly one gets through.
    if (first < mine || performance.now() > deadline) return first;
    await delay(1 + 4 * Math.random());
  }
}

/** @throws UsageError where a running process has the lock, or where nobody can say who has it */
async function refuseHeld(directory: string, lock: string): Promise<void> {
  const holder = await holderOf(lock);
  if (holder === "absent") return;
  if (holder === "unreadable") {
    throw new UsageError(
      `${lock}: does not say which process holds it, so it is left alone; remove it if no other run writes to ` +
        `${directory}`,
    );
  }
  if (await isGone(holder)) return;
  throw new UsageError(
    `${directory}: is being written by process ${holder.process} on ${holder.host} since ${holder.since}; wait ` +
      `for it, or choose another --out. If it is not running any more, remove ${lock}`,
  );
}

/** Temporary files of killed runs: nobody else writes here now. */
async function removeRemains(directory: string): Promise<void> {
  for (const folder of [directory, path.join(directory, "training-state")]) await removeLeftovers(folder);
}

async function holderOf(file: string): Promise<Holder | "absent" | "unreadable"> {
  try {
    return holderSchema.parse(JSON.parse(await fs.readFile(file, "utf8")));
  } catch (error) {
    return isCode(error, "ENOENT") ? "absent" : "unreadable";
  }
}

async function thisProcess(id: string): Promise<Holder> {
  const found = await lookUp(process.pid);
  const since = new Date().toISOString();
  return { host: os.hostname(), process: process.pid, since, id, ...(found && { start: found.start }) };
}

/** Whether the process has ended. Of another machine's, or another container's, nothing is known: `false`. */
async function isGone({ host, process: number, since, start }: Holder): Promise<boolean> {
  if (host !== os.hostname()) return false;
  const here = start && (await lookUp(process.pid))?.start;
  if (here && here.boot !== start.boot) return true;
  if (here && here.namespace !== start.namespace) return false;
  try {
    process.kill(number, 0);
  } catch (error) {
    if (!isCode(error, "EPERM")) return true;
  }
  const found = await lookUp(number);
  // A zombie writes nothing any more; it waits for its parent to ask how it ended.
  if (found?.state === "Z" || found?.state === "X") return true;
  if (start && found) return start.ticks !== found.start.ticks;
  // Without start times: a lock from before this process began was an earlier process's with the same number.
  return number === process.pid && Date.parse(since) < Date.now() - 1000 * process.uptime() - 1000;
}

/**
 * What Linux says of a process: its state, and its start in ticks since the boot (proc(5), fields 3 and 22 of stat).
 */
async function lookUp(
  number: number,
): Promise<{ readonly state: string; readonly start: NonNullable<Holder["start"]> } | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const [boot, stat, namespace] = await Promise.all([
      fs.readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      fs.readFile(`/proc/${number}/stat`, "utf8"),
      fs.readlink("/proc/self/ns/pid"),
    ]);
    // The command's name, in parentheses, may hold anything; field 3 follows the last of them.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, ticks] = [fields[0], fields[19]];
    return state && ticks ? { state, start: { boot: boot.trim(), namespace, ticks } } : undefined;
  } catch {
    return undefined;
  }
}

const isCode = (error: unknown, code: string) => error instanceof Error && "code" in error && error.code === code;
