// A child process that is killed in the middle of its work, for tests of what survives.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect } from "vitest";

/**
 * Runs a script that prints as its run begins, and `ended finished` once it is done; kills it with SIGKILL `delay`
 * milliseconds after its first output, where a delay is given. Says how long it ran from there. Rejects with its stderr
 * where it ends in any other way.
 */
export function runUntilKilled(
  script: string,
  args: readonly string[],
  delay?: number,
): Promise<{ end: "killed" | "ended"; milliseconds: number }> {
  const running = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  let began = 0;
  return new Promise((resolve, reject) => {
    running.stderr.on("data", (data) => {
      errors += data;
    });
    running.stdout.on("data", (data) => {
      if (output === "") began = performance.now();
      if (output === "" && delay !== undefined) setTimeout(() => running.kill("SIGKILL"), delay);
      output += data;
    });
    running.on("close", (code, signal) => {
      const milliseconds = performance.now() - began;
      if (output.includes("ended finished")) resolve({ end: "ended", milliseconds });
      else if (signal === "SIGKILL") resolve({ end: "killed", milliseconds });
      else reject(new Error(`child ended with ${code ?? signal}: ${errors}`));
    });
  });
}

/** Whose bytes are compared, and how often the one run is killed. */
export interface KillOptions {
  /** For the run that nobody kills, and for the one that is killed; both are the script's first argument in turn. */
  readonly folders: readonly [whole: string, broken: string];
  /** The script's further arguments. */
  readonly args: readonly string[];
  readonly kills: number;
  /** The latest kill, as a share of how long a whole run takes. */
  readonly latest: number;
  /** What has to be the same, by names inside the folders. */
  readonly files: readonly string[];
  /** Looks at what a kill left behind. */
  afterKill(): Promise<unknown>;
}

/**
 * A script that is killed at random moments, again and again, and then left alone ends with the same files as one that
 * nobody killed.
 */
export async function expectSameAfterKills(script: string, options: KillOptions): Promise<void> {
  const { folders, args, kills, latest, files, afterKill } = options;
  const [whole, broken] = folders;
  const run = (folder: string, delay?: number) => runUntilKilled(script, [folder, ...args], delay);
  let { milliseconds: span } = await run(whole);
  let delays: number[] = [];
  for (let ended = false; !ended && delays.length < kills; ) {
    delays.push(Math.round(Math.random() * span * latest));
    ended = (await run(broken, delays.at(-1))).end === "ended";
    await afterKill();
    // Too quick to be killed twice: once more from the start, with earlier kills.
    if (ended && delays.length < 3) {
      fs.rmSync(broken, { recursive: true });
      [ended, span, delays] = [false, span / 2, []];
    }
  }
  expect((await run(broken)).end).toBe("ended");
  for (const file of files) {
    const same = fs.readFileSync(path.join(broken, file)).equals(fs.readFileSync(path.join(whole, file)));
    expect(same, `${file}, killed after ${delays.join(", ")} ms`).toBe(true);
  }
}
