// One process at a time installs and builds: commands started side by side in an unbuilt checkout wait for the first.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Whether the process that wrote the lock still runs. */
function isAlive(/** @type {number} */ pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/** Takes the lock, or returns the id of the process that holds it. A lock whose owner died is removed. */
function take(/** @type {string} */ file) {
  // The id is in the file from the moment the file exists under its name: a link, unlike open-then-write, does both at
  // once.
  const mine = `${file}.${process.pid}`;
  fs.writeFileSync(mine, String(process.pid));
  try {
    fs.linkSync(mine, file);
    return undefined;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
  } finally {
    fs.rmSync(mine);
  }
  try {
    const owner = Number(fs.readFileSync(file, "utf8"));
    if (isAlive(owner)) return owner;
    fs.rmSync(file, { force: true });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
  }
  return 0;
}

/**
 * Runs `work` while holding the lock `file`; waits, with one line on stderr, as long as another process holds it.
 *
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, work) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  let reported = false;
  for (let owner = take(file); owner !== undefined; owner = take(file)) {
    if (owner > 0 && !reported) {
      console.error(`Waiting for process ${owner}, which is installing or building here …`);
      reported = true;
    }
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    fs.rmSync(file, { force: true });
  }
}
