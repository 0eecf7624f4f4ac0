// One command line from arguments to exit code.

import type { CliContext } from "./context.js";
import { EXIT, explain, Interrupted } from "./errors.js";
import { createProgram } from "./program.js";
import { EscapedOutput } from "./terminal.js";

/** Runs a command line. Never throws: an error ends in one message on stderr and its exit code. */
export async function main(argv: readonly string[], surroundings: CliContext): Promise<number> {
  const { stdout, stderr } = surroundings;
  const context = { ...surroundings, stdout: new EscapedOutput(stdout), stderr: new EscapedOutput(stderr) };
  try {
    const program = await createProgram(context, argv);
    await program.parseAsync(argv, { from: "user" });
    return EXIT.done;
  } catch (error) {
    // What could not be saved is said, also where it was interrupted.
    if (context.signal.aborted && !(error instanceof Error && error.name === "TrainingError")) {
      const said = error instanceof Interrupted ? error.message : "interrupted: nothing was written";
      context.stderr.write(`${said}\n`);
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
