// A child process that is killed in the middle of its work, for tests of what survives.
import { spawn } from "node:child_process";

/**
 * Runs a script that prints as its run begins, and `ended finished` once it is done; kills it with SIGKILL `delay` milliseconds after
 * its first output, where a delay is given. Says how long it ran from there. Rejects with its stderr where it ends in any other way.
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
