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

/**
 * Runs a script in a folder until it has been killed so many times at random moments, then to its end.
 * @param run the script in the folder, killed after a delay where one is given
 * @param options.span about how long it runs, in milliseconds
 * @param options.restart empties the folder: called where a run ended before it had been killed three times
 * @param options.afterKill looks at what a kill left behind
 * @returns the delays in milliseconds, for messages
 */
export async function killRepeatedly(
  run: (delay?: number) => ReturnType<typeof runUntilKilled>,
  options: { readonly kills: number; readonly span: number; restart(): void; afterKill?(): Promise<unknown> },
): Promise<readonly number[]> {
  let { span } = options;
  let delays: number[] = [];
  for (let ended = false; !ended && delays.length < options.kills; ) {
    delays.push(Math.round(Math.random() * span * 0.4));
    ended = (await run(delays.at(-1))).end === "ended";
    await options.afterKill?.();
    // Too quick to be killed twice: once more from the start, with earlier kills.
    if (ended && delays.length < 3) {
      options.restart();
      [ended, span, delays] = [false, span / 2, []];
    }
  }
  if ((await run()).end !== "ended") throw new Error(`killed after ${delays.join(", ")} ms, and does not end`);
  return delays;
}
