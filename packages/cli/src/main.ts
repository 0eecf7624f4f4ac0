// One command line from arguments to exit code.

import type { CliContext } from "./context.js";
import { EXIT, explain, Interrupted } from "./errors.js";
import { bytes, seconds } from "./format.js";
import { createProgram } from "./program.js";
import { EscapedOutput } from "./terminal.js";
import { aboutThisProgram, verbosityOf } from "./verbosity.js";

/** Runs a command line. Never throws: an error ends in one message on stderr and its exit code. */
export async function main(argv: readonly string[], surroundings: CliContext): Promise<number> {
  const { stdout, stderr } = surroundings;
  const verbosity = verbosityOf(argv);
  const context = { ...surroundings, stdout: new EscapedOutput(stdout), stderr: new EscapedOutput(stderr), verbosity };
  const detail = (line: string) => verbosity === "verbose" && context.stderr.write(`${line}\n`);
  const started = performance.now();
  detail(aboutThisProgram());
  try {
    const program = await createProgram(context, argv);
    await program.parseAsync(argv, { from: "user" });
    const elapsed = seconds((performance.now() - started) / 1000);
    detail(`done in ${elapsed}, at most ${bytes(1024 * process.resourceUsage().maxRSS)} of memory`);
    return EXIT.done;
  } catch (error) {
    // Reports what could not be saved, also after an interruption.
    if (context.signal.aborted && !(error instanceof Error && error.name === "TrainingError")) {
      const said = error instanceof Interrupted ? error.message : "interrupted: nothing was written";
      context.stderr.write(`${said}\n`);
      return EXIT.interrupted;
    }
    const { code, message } = explain(error);
    if (message !== undefined) context.stderr.write(`error: ${message}\n`);
    const withStack = verbosity === "verbose" || process.env.CLLM4REC_DEBUG;
    if (message !== undefined && withStack && error instanceof Error) context.stderr.write(`${error.stack}\n`);
    return code;
  }
}
