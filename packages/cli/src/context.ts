// What every command gets from outside, so that commands can be run in a test with other streams.

/** A stream to write to; `isTTY` says whether a person looks at it. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number | undefined };

/** How much is written to stderr: warnings and errors alone, progress and notices as well, or details as well. */
export type Verbosity = "quiet" | "normal" | "verbose";

export interface CliContext {
  /** Results only. */
  readonly stdout: Output;
  /** Progress, warnings and errors. */
  readonly stderr: Output;
  /** `normal` where absent; `main` takes it from the arguments. */
  readonly verbosity?: Verbosity;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  /**
   * Called by a command that serves until it is interrupted: SIGHUP then calls `reload` instead of interrupting, and
   * the exit code after an interruption is the command's own. Absent in tests.
   */
  readonly becomeService?: (reload: () => void) => void;
}
