#!/usr/bin/env node
// The executable: real streams and signals around main().
import { EXIT } from "./errors.js";
import { main } from "./main.js";

const { stdout, stderr } = process;

/** Ends with this where it is set, whatever the command itself ends with. */
let exitCode: number | undefined;

// A reader that stops early (`| head`) is no error of ours; results that are lost otherwise (a full disk) are.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE" || exitCode !== undefined) return;
  exitCode = EXIT.data;
  stderr.write(`error: standard output cannot be written (${error.message}); make room, or direct it elsewhere\n`);
  process.exitCode = exitCode;
});
// Where no message can be written, the exit code has to do.
stderr.on("error", () => undefined);

const interruption = new AbortController();
let isService = false;
const interrupted = (code: number) => () => {
  if (!isService) exitCode = code;
  interruption.abort();
};
// Once: a second signal ends the process at once.
process.once("SIGINT", interrupted(130));
process.once("SIGTERM", interrupted(143));
const hangup = interrupted(129);
process.once("SIGHUP", hangup);

const result = await main(process.argv.slice(2), {
  stdout,
  stderr,
  signal: interruption.signal,
  becomeService(reload) {
    isService = true;
    process.off("SIGHUP", hangup);
    process.on("SIGHUP", reload);
  },
});
process.exitCode = exitCode ?? result;
