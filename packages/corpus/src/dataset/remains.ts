// What a killed process left beside a dataset: a half-written folder, or the dataset that was about to be replaced.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const HOST = os.hostname().replaceAll(/[^\w]/g, "_");

/** In the names of temporary folders: the machine and the process they belong to. */
export const OWNER = `${HOST}-${process.pid}`;

/**
 * Removes what processes of this machine that are not running any more left beside `directory`. A dataset that was set
 * aside to be replaced comes back where nothing has taken its place.
 */
export function removeRemains(directory: string, parent: string, base: string): void {
  for (const name of fs.readdirSync(parent)) {
    if (!name.startsWith(`.${base}.`)) continue;
    const [, kind, host, owner] = /^(partial|replaced)-(\w+)-(\d+)(?:-\w{6})?$/.exec(name.slice(base.length + 2)) ?? [];
    if (host !== HOST || isRunning(Number(owner))) continue;
    const remains = path.join(parent, name);
    if (kind === "replaced" && !fs.existsSync(directory)) fs.renameSync(remains, directory);
    else fs.rmSync(remains, { recursive: true, force: true });
  }
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
