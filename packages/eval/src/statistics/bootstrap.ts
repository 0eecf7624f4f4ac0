// Percentile bootstrap over users: confidence intervals for the means of per-user values.
// Shapes: n users, R resamples.
import { EvaluationError } from "../error.js";
import { Xoshiro128 } from "./random.js";

/** A mean with its confidence interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** How to resample. */
export interface BootstrapOptions {
  /** R, default 2,000. */
  readonly resamples?: number;
  /** Share of resampled means inside the interval, default 0.95. */
  readonly confidence?: number;
  /** Default 0. The same seed gives the same intervals, bit for bit, on every machine. */
  readonly seed?: number;
}

/**
 * Percentile bootstrap intervals (Efron & Tibshirani 1993, ch. 13) for the means of several per-user values at once:
 * every resample draws n users with replacement and is shared by all metrics. Quantiles interpolate linearly between
 * order statistics (type 7, NumPy's default).
 * Cost: R·n draws and R·n multiplications per metric.
 *
 * @param values per metric, [n] values, the users in the same order.
 * @throws {EvaluationError} for no users, lengths that differ, values that are not finite, and options out of range.
 */
export function bootstrapIntervals(
  values: Readonly<Record<string, ArrayLike<number>>>,
  { resamples = 2000, confidence = 0.95, seed = 0 }: BootstrapOptions = {},
): Record<string, Interval> {
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw new EvaluationError(`resamples: found ${resamples}, expected an integer of at least 1.`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new EvaluationError(`confidence: found ${confidence}, expected a number between 0 and 1, such as 0.95.`);
  }
  const random = Xoshiro128.fromSeed(seed);
  const names = Object.keys(values);
  const users = names.length > 0 ? values[names[0]!]!.length : 0;
  const columns = names.map((name) => checkedValues(values[name]!, name, users));
  const means = names.map(() => new Float64Array(resamples));
  const counts = new Int32Array(users);
  for (let r = 0; r < resamples && users > 0; r++) {
    counts.fill(0);
    random.countDraws(counts, users);
    for (let m = 0; m < columns.length; m++) means[m]![r] = weightedSum(counts, columns[m]!) / users;
  }
  const tail = (1 - confidence) / 2;
  const intervals: Record<string, Interval> = {};
  names.forEach((name, m) => {
    const sorted = means[m]!.sort();
    let sum = 0;
    for (const value of columns[m]!) sum += value;
    intervals[name] = { mean: sum / users, low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
  });
  return intervals;
}

/** {@link bootstrapIntervals} for one list of per-user values [n]. */
export function bootstrapInterval(values: ArrayLike<number>, options?: BootstrapOptions): Interval {
  return bootstrapIntervals({ values }, options).values!;
}

function checkedValues(values: ArrayLike<number>, name: string, users: number): Float64Array {
  if (values.length === 0 || values.length !== users) {
    throw new EvaluationError(
      `${name}: found ${values.length} values, expected ${users || "at least 1"} (one per user).`,
    );
  }
  for (let u = 0; u < users; u++) {
    if (!Number.isFinite(values[u]!)) {
      throw new EvaluationError(`${name}, position ${u}: found ${values[u]}, expected a finite number.`);
    }
  }
  return Float64Array.from(values);
}

function weightedSum(counts: Int32Array, values: Float64Array): number {
  let sum = 0;
  for (let u = 0; u < values.length; u++) sum += counts[u]! * values[u]!;
  return sum;
}

function quantile(sorted: Float64Array, q: number): number {
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}
