// The errors of recommendation: what was found, what was expected, what to do next, with the parts of it that a program
// needs.

/** A model, a request or a setting that cannot be used. */
export class RecommendError extends Error {
  override name = "RecommendError";
}

/** A user or an item that the model does not know. */
export class UnknownIdError extends RecommendError {
  override name = "UnknownIdError";

  /** What to do next: the nearest known ids, or how ids look. */
  readonly hint: string;

  /** @param nearest known ids that differ from `id` in a few characters, nearest first; often none */
  constructor(
    readonly kind: "user" | "item",
    readonly id: string,
    readonly nearest: readonly string[],
    known: readonly string[],
  ) {
    const guesses = nearest.map((one) => JSON.stringify(one)).join(", ");
    const example = known.length === 0 ? "" : `, such as ${JSON.stringify(known[0])}`;
    const hint =
      guesses === ""
        ? `the model knows ${known.length} ${kind}s by their ids in the input${example}.`
        : `did you mean ${guesses}?`;
    super(`unknown ${kind} ${JSON.stringify(id)}; ${hint}`);
    this.hint = hint;
  }
}

/** Why something is not available. */
export type Unavailable =
  /** The model has no content tables: it was trained without texts. */
  | "no-content-tables"
  /** The model directory holds no histories, and its dataset cannot be read. */
  | "no-histories"
  /** The model directory does not hold the words by which new items are embedded. */
  | "no-text-features";

/** The model lacks what the call needs; other calls work. */
export class NotAvailableError extends RecommendError {
  override name = "NotAvailableError";

  constructor(
    readonly code: Unavailable,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The dataset or backbone is missing, or is not the one that the model was trained with. */
export class WrongPartError extends RecommendError {
  override name = "WrongPartError";
  readonly #problem: string;
  readonly #missing: boolean;

  constructor(
    /** The option of `openRecommender` that sets the path of the right one. */
    readonly option: "data" | "backbone",
    problem: string,
    { missing, ...options }: ErrorOptions & { readonly missing: boolean },
  ) {
    super(advised(problem, missing, `the option ${option}`), options);
    this.#problem = problem;
    this.#missing = missing;
  }

  /** The message for callers whose option has another name, such as a flag. */
  messageFor(name: string): string {
    return advised(this.#problem, this.#missing, name);
  }
}

const advised = (problem: string, missing: boolean, name: string) =>
  missing ? `${problem} If it was moved, give its place as ${name}` : `${problem}; give that one as ${name}`;

/** The text of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
