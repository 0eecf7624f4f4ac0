// From an error to one message and an exit code. Errors of other packages are recognised by name, so that nothing heavy
// is loaded for it.
import { CommanderError } from "commander";

/** What the process ends with; 128 + signal number after an interruption. */
export const EXIT = { done: 0, data: 1, usage: 2, interrupted: 130 } as const;

/** A command line that cannot work, found by a command itself. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A command that the user interrupted ended in good order; the message says what is kept. */
export class Interrupted extends Error {
  override name = "Interrupted";
}

/** The text of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const POSITIONS = /^(.+): maxPositions is (.+)$/;
const USAGE = new Set(["UsageError", "CorpusUsageError"]);

/** The exit code of an error, and what to say about it; no message if commander has printed it already. */
export function explain(error: unknown): { code: number; message?: string } {
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? EXIT.done : EXIT.usage };
  const message = withFlags(reasonOf(error), optionsOf(error));
  if (error instanceof Error && USAGE.has(error.name)) return { code: EXIT.usage, message };
  if (error instanceof Error && error.name === "CorpusError") return { code: EXIT.data, message };
  const [line = message] = message.split("\n");
  // The library's setting has another name here; the command line is at fault, not the checkpoint.
  const [, file, rest] = POSITIONS.exec(line) ?? [];
  if (rest !== undefined) return { code: EXIT.usage, message: `--max-length is ${rest} in ${file}` };
  return { code: EXIT.data, message: line };
}

/** Options of the library that have another name on the command line. */
const FLAGS: Readonly<Record<string, string>> = { inputs: "input", output: "out" };

/** A message of the library with flags in place of its options, which it names between backticks. */
export function withFlags(message: string, options: readonly string[] = []): string {
  return options.reduce((text, name) => {
    const flag = FLAGS[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return text.replaceAll(`\`${name}\`: `, `--${flag} `).replaceAll(`\`${name}\``, `--${flag}`);
  }, message);
}

/** The options that an error of the library names. */
function optionsOf(error: unknown): string[] {
  const options = error instanceof Error && "options" in error ? error.options : undefined;
  return Array.isArray(options) ? options.filter((name) => typeof name === "string") : [];
}
