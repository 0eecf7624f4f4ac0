// --quiet and --verbose, which every command has.
import os from "node:os";
import { Option } from "commander";
import packageJson from "../package.json" with { type: "json" };
import type { Verbosity } from "./context.js";

/** What a command line asks for. It is known before a command is loaded, and commander refuses both at once. */
export function verbosityOf(argv: readonly string[]): Verbosity {
  if (argv.includes("--quiet")) return "quiet";
  return argv.includes("--verbose") ? "verbose" : "normal";
}

/** The two options, for every command. */
export const verbosityOptions = () => [
  new Option("--quiet", "only warnings and errors, no progress and no notices").conflicts("verbose"),
  new Option("--verbose", "details as well: versions, time and memory, checkpoints, the stack of an error"),
];

/** One line that a report of a problem should begin with. */
export function aboutThisProgram(): string {
  const { platform, arch, version } = process;
  const memory = (os.totalmem() / 2 ** 30).toFixed(0);
  const cores = os.availableParallelism();
  return `cllm4rec ${packageJson.version}, Node ${version}, ${platform} ${arch}, ${cores} cores, ${memory} GiB`;
}
