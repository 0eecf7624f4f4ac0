// The errors that this package throws at its users: one class, so that a caller can tell bad data from a bug.
// Messages name the file, the line or record, the value found, the value expected and the next thing to do.

/**
 * Input that cannot be used: a damaged or missing file, a wrong column, a malformed record, a dataset that does not
 * match its manifest.
 */
export class CorpusError extends Error {
  override name = "CorpusError";
  /**
   * Options of `prepare` that the message suggests. Each occurs in the message between backticks, so that a command
   * line can put its flag there.
   */
  readonly options: readonly string[];

  constructor(
    message: string,
    { options = [], ...rest }: ErrorOptions & { readonly options?: readonly string[] } = {},
  ) {
    super(message, rest);
    this.options = options;
  }
}

/**
 * A call or command line that could never work, whatever the data: an unknown format, contradicting options, a
 * parameter out of range.
 */
export class CorpusUsageError extends CorpusError {
  override name = "CorpusUsageError";
}

/** The message of an error, for use in a sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
