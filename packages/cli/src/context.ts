// What every command gets from outside, so that commands can be run in a test with other streams.

/** A stream to write to; `isTTY` says whether a person looks at it. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number | undefined };

export interface CliContext {
  /** Results only. */
  readonly stdout: Output;
  /** Progress, warnings and errors. */
  readonly stderr: Output;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  /**
   * Called by a command that serves until it is interrupted: SIGHUP then calls `reload` instead of interrupting, and
   * the exit code after an interruption is the command's own. Absent in tests.
   */
  readonly becomeService?: (reload: () => void) => void;
}
