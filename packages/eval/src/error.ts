// The one error type of this package: the caller's input or its use of the API is wrong.

/**
 * Thrown for every wrong input of this package; the message names the place, the value found, the value expected and
 * the next step.
 */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
}
