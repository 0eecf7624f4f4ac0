// The paired t-test between two lists of per-user values.

import { studentTwoSided } from "./distributions.js";
import { checkPairs } from "./pairs.js";

/** What the paired t-test found. */
export interface TTestResult {
  /** t = mean(a − b) / (standard deviation / √n). */
  readonly statistic: number;
  /** n − 1. */
  readonly degreesOfFreedom: number;
  /** Two-sided. */
  readonly pValue: number;
}

/**
 * Paired t-test of "the mean of a − b is 0", two-sided. Where every difference is the same there is no spread to
 * compare with: all 0 gives
 * t = 0 and p = 1, all equal to another number gives t = ±Infinity and p = 0.
 *
 * @param a [n] per-user values of one run; @param b [n] of the other, the users in the same order.
 * @throws {EvaluationError} for lengths that differ, fewer than two users, or values that are not finite.
 */
export function pairedTTest(a: ArrayLike<number>, b: ArrayLike<number>): TTestResult {
  checkPairs(a, b, 2);
  const n = a.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += a[i]! - b[i]!;
  const mean = sum / n;
  let squares = 0;
  let residual = 0;
  for (let i = 0; i < n; i++) {
    const deviation = a[i]! - b[i]! - mean;
    squares += deviation * deviation;
    residual += deviation;
  }
  // The second term takes back the rounding of the mean.
  const variance = (squares - (residual * residual) / n) / (n - 1);
  const statistic = mean === 0 ? 0 : mean / Math.sqrt(variance / n);
  return { statistic, degreesOfFreedom: n - 1, pValue: studentTwoSided(statistic, n - 1) };
}
