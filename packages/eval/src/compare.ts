// Two runs over the same users, metric by metric: difference with interval, paired t-test and Wilcoxon signed-rank test.
import { EvaluationError } from "./error.js";
import type { EvaluationResult } from "./result.js";
import { type BootstrapOptions, bootstrapIntervals, type Interval } from "./statistics/bootstrap.js";
import { pairedTTest, type TTestResult } from "./statistics/paired-t-test.js";
import { type WilcoxonResult, wilcoxonSignedRank } from "./statistics/wilcoxon.js";

/** How a candidate compares with a baseline in one metric. */
export interface MetricComparison {
  readonly candidate: number;
  readonly baseline: number;
  /** candidate − baseline, with the bootstrap interval of that mean difference. */
  readonly difference: Interval;
  readonly tTest: TTestResult;
  readonly wilcoxon: WilcoxonResult;
}

/** {@link bootstrapIntervals} of every metric of a result that has per-user values. */
export function confidenceIntervals(result: EvaluationResult, options?: BootstrapOptions): Record<string, Interval> {
  return bootstrapIntervals(result.perUser.values, options);
}

/**
 * Compares two runs in every metric that both have per-user values for. The p-values are not corrected for the number of metrics.
 *
 * @throws {EvaluationError} unless both runs hold the same users in the same order, at least two, and share a metric.
 */
export function compareRuns(
  candidate: EvaluationResult,
  baseline: EvaluationResult,
  options?: BootstrapOptions,
): Record<string, MetricComparison> {
  const ours = candidate.perUser.users;
  const theirs = baseline.perUser.users;
  const next = "evaluate both runs on the same split, in the same user order.";
  if (ours.length !== theirs.length) {
    throw new EvaluationError(
      `compareRuns: found ${ours.length} and ${theirs.length} users, expected the same; ${next}`,
    );
  }
  const different = ours.findIndex((user, i) => user !== theirs[i]);
  if (different >= 0) {
    throw new EvaluationError(
      `compareRuns, position ${different}: found user ${ours[different]} and user ${theirs[different]}, expected the same; ${next}`,
    );
  }
  const names = Object.keys(candidate.perUser.values).filter((name) => name in baseline.perUser.values);
  if (names.length === 0) {
    throw new EvaluationError("compareRuns: found no metric with per-user values in both runs, expected at least one.");
  }
  const pairs = names.map((name) => ({
    name,
    a: candidate.perUser.values[name]!,
    b: baseline.perUser.values[name]!,
  }));
  const differences = bootstrapIntervals(
    Object.fromEntries(pairs.map(({ name, a, b }) => [name, a.map((value, i) => value - b[i]!)])),
    options,
  );
  return Object.fromEntries(
    pairs.map(({ name, a, b }) => [
      name,
      {
        candidate: candidate.metrics[name]!,
        baseline: baseline.metrics[name]!,
        difference: differences[name]!,
        tTest: pairedTTest(a, b),
        wilcoxon: wilcoxonSignedRank(a, b),
      },
    ]),
  );
}
