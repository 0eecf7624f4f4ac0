// One command line from arguments to exit code.

import type { CliContext } from "./context.js";
import { EXIT, explain } from "./errors.js";
import { createProgram } from "./program.js";

/** Runs a command line. Never throws: an error ends in one message on stderr and its exit code. */
export async function main(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    await createProgram(context).parseAsync(argv, { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (context.signal.aborted) {
      context.stderr.write("interrupted: nothing was written\n");
      return EXIT.interrupted;
    }
    const { code, message } = explain(error);
    if (message !== undefined) context.stderr.write(`error: ${message}\n`);
    if (message !== undefined && process.env.CLLM4REC_DEBUG && error instanceof Error) {
      context.stderr.write(`${error.stack}\n`);
    }
    return code;
  }
}
