// Two runs over the same users, metric by metric: difference with interval, paired t-test and Wilcoxon signed-rank
// test.
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
 * Runs of one method that differ in the seed, as one result: every user's values are averaged over the runs, so that a
 * comparison is about the method and not about one seed of it. Metrics that not all of them have are left out.
 *
 * @throws {EvaluationError} for no runs, or unless all hold the same users in the same order.
 */
export function averageRuns(runs: readonly EvaluationResult[]): EvaluationResult {
  const [first, ...others] = runs;
  if (!first) throw new EvaluationError("averageRuns: found no runs, expected at least one.");
  for (const other of others) checkSameUsers("averageRuns", first, other);
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const shared = (of: (run: EvaluationResult) => object) =>
    Object.keys(of(first)).filter((name) => others.every((run) => name in of(run)));
  return {
    users: first.users,
    usersWithoutHeldOut: first.usersWithoutHeldOut,
    metrics: Object.fromEntries(
      shared(({ metrics }) => metrics).map((name) => [name, mean(runs.map(({ metrics }) => metrics[name]!))]),
    ),
    perUser: {
      users: first.perUser.users,
      values: Object.fromEntries(
        shared(({ perUser }) => perUser.values).map((name) => [
          name,
          first.perUser.values[name]!.map((_, i) => mean(runs.map(({ perUser }) => perUser.values[name]![i]!))),
        ]),
      ),
    },
  };
}

function checkSameUsers(caller: string, one: EvaluationResult, other: EvaluationResult): void {
  const [ours, theirs] = [one.perUser.users, other.perUser.users];
  const next = "evaluate both runs on the same split, in the same user order.";
  if (ours.length !== theirs.length) {
    throw new EvaluationError(`${caller}: found ${ours.length} and ${theirs.length} users, expected the same; ${next}`);
  }
  const different = ours.findIndex((user, i) => user !== theirs[i]);
  if (different >= 0) {
    throw new EvaluationError(
      `${caller}, position ${different}: found user ${ours[different]} and user ${theirs[different]}, expected ` +
        `the same; ${next}`,
    );
  }
}

/**
 * Compares two runs in every metric that both have per-user values for. The p-values are not corrected for the number
 * of metrics.
 *
 * @throws {EvaluationError} unless both runs hold the same users in the same order, at least two, and share a metric.
 */
export function compareRuns(
  candidate: EvaluationResult,
  baseline: EvaluationResult,
  options?: BootstrapOptions,
): Record<string, MetricComparison> {
  checkSameUsers("compareRuns", candidate, baseline);
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
