// From an error to one message and an exit code.
import { CorpusError, CorpusUsageError } from "@cllm4rec/corpus";
import { CommanderError } from "commander";

/** What the process ends with; 128 + signal number after an interruption. */
export const EXIT = { done: 0, data: 1, usage: 2, interrupted: 130 } as const;

/** A command line that cannot work, found by a command itself. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The exit code of an error, and what to say about it; no message where commander has said it already. */
export function explain(error: unknown): { code: number; message?: string } {
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? EXIT.done : EXIT.usage };
  if (error instanceof CorpusUsageError || error instanceof UsageError)
    return { code: EXIT.usage, message: error.message };
  if (error instanceof CorpusError) return { code: EXIT.data, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: EXIT.data, message: message.split("\n")[0] ?? message };
}
