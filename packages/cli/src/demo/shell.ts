// Commands of this program run inside another one, with what they print on stdout caught or passed on.
import path from "node:path";
import { Writable } from "node:stream";
import type { Command } from "commander";
import type { CliContext } from "../context.js";

/** Builds one of the commands. */
export type Build = (context: CliContext) => Command;

/** Runs a command as the command line does; what goes wrong is thrown. */
export async function runCommand(build: Build, args: readonly string[], context: CliContext): Promise<void> {
  const command = build(context).exitOverride();
  command.configureOutput({
    writeOut: (text) => context.stdout.write(text),
    writeErr: (text) => context.stderr.write(text),
  });
  await command.parseAsync(args, { from: "user" });
}

/** Runs a command with `--json` and returns the objects that it prints, one a line, as they are. */
export async function runForJson(build: Build, args: readonly string[], context: CliContext): Promise<unknown[]> {
  const pieces: string[] = [];
  await runCommand(build, [...args, "--json"], { ...context, stdout: writable((text) => pieces.push(text)) });
  const lines = pieces.join("").split("\n");
  return lines.filter((line) => line !== "").map((line): unknown => JSON.parse(line));
}

/** A stream that hands on what is written to it. */
export function writable(take: (text: string) => unknown): Writable {
  return new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      take(text);
      done();
    },
  });
}

/**
 * How the program is called: by its name, or as whoever started it says (a checkout of the repository calls it through
 * npm).
 */
const PROGRAM = process.env.CLLM4REC_PROGRAM ?? "cllm4rec";

/** A command as somebody would type it in the current folder. */
export function asTyped(name: string, args: readonly string[]): string {
  return [PROGRAM, name, ...args.map(shortened).map(quoted)].join(" ");
}

/** A path below the current folder is written from there. */
function shortened(argument: string): string {
  if (!path.isAbsolute(argument)) return argument;
  const relative = path.relative(process.cwd(), argument);
  return relative.startsWith("..") ? argument : relative;
}

const quoted = (argument: string) => (/^[\w@%+=:,./-]+$/.test(argument) ? argument : JSON.stringify(argument));
