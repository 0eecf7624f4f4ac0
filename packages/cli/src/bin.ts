#!/usr/bin/env node
// The executable: real streams and signals around main().
import { main } from "./main.js";

// A reader that stops early (`| head`) is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const interruption = new AbortController();
let exitCode: number | undefined;
for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const, ["SIGHUP", 129] as const]) {
  // Once: a second signal ends the process at once.
  process.once(signal, () => {
    exitCode = code;
    interruption.abort();
  });
}

const { stdout, stderr } = process;
const result = await main(process.argv.slice(2), { stdout, stderr, signal: interruption.signal });
process.exitCode = exitCode ?? result;
