// The check that two lists of per-user values can be compared pair by pair.
import { EvaluationError } from "../error.js";

/** Throws unless both lists have the same length, at least `least`, and hold finite numbers. */
export function checkPairs(a: ArrayLike<number>, b: ArrayLike<number>, least: number): void {
  if (a.length !== b.length) {
    throw new EvaluationError(
      `paired test: found ${a.length} and ${b.length} values, expected as many; compare runs over the same users.`,
    );
  }
  if (a.length < least) {
    throw new EvaluationError(`paired test: found ${a.length} pairs, expected at least ${least}.`);
  }
  for (let i = 0; i < a.length; i++) {
    if (!Number.isFinite(a[i]!) || !Number.isFinite(b[i]!)) {
      throw new EvaluationError(`paired test, pair ${i}: found ${a[i]} and ${b[i]}, expected finite numbers.`);
    }
  }
}
