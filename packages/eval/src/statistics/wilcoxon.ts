// The Wilcoxon signed-rank test between two lists of per-user values: exact for few users, normal approximation for
// many.
import { EvaluationError } from "../error.js";
import { normalTwoSided } from "./distributions.js";
import { checkPairs } from "./pairs.js";

/** Up to this many differences the p-value is exact by default. */
const EXACT_LIMIT = 50;
/** 2ⁿ sign patterns are counted in doubles, exact while sums stay below 2⁵³. */
const EXACT_MAXIMUM = 52;

/** How the p-value is computed; `auto` is exact for at most 50 differences that are not zero. */
export type WilcoxonMethod = "auto" | "exact" | "normal";

/** What the Wilcoxon signed-rank test found. */
export interface WilcoxonResult {
  /** min(W⁺, W⁻): the smaller sum of ranks. */
  readonly statistic: number;
  /** Sum of the ranks of |a − b| where a > b. */
  readonly positiveRanks: number;
  /** Sum of the ranks of |a − b| where a < b. */
  readonly negativeRanks: number;
  /** Differences that are not zero; the zero ones are left out (Wilcoxon's own rule). */
  readonly pairs: number;
  readonly zeros: number;
  /** Two-sided; 1 where every difference is zero. */
  readonly pValue: number;
  readonly method: "exact" | "normal";
}

/**
 * Wilcoxon signed-rank test of "a − b is distributed symmetrically about 0", two-sided. Zero differences are left out;
 * equal |a − b| share their mean rank. Exact: the distribution of W over all 2ⁿ sign patterns, given the ranks as they
 * are, ties included. Normal: with the tie correction of the variance, n(n+1)(2n+1)/24 − Σ(t³ − t)/48, and without
 * continuity correction (SciPy's default).
 *
 * @param a [n] per-user values of one run; @param b [n] of the other, the users in the same order.
 * @throws {EvaluationError} for lengths that differ, no users, values that are not finite, or `exact` with more than 52
 *   differences.
 */
export function wilcoxonSignedRank(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { method = "auto" }: { readonly method?: WilcoxonMethod } = {},
): WilcoxonResult {
  checkPairs(a, b, 1);
  const differences = Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!).filter((d) => d !== 0);
  const n = differences.length;
  if (method === "exact" && n > EXACT_MAXIMUM) {
    throw new EvaluationError(
      `Wilcoxon: found ${n} differences, expected at most ${EXACT_MAXIMUM} for an exact p-value; use "normal".`,
    );
  }
  const used = method === "auto" ? (n <= EXACT_LIMIT ? "exact" : "normal") : method;
  const { doubledRanks, tieTerm } = signedRanks(differences);
  let positive = 0;
  let negative = 0;
  for (const rank of doubledRanks) {
    if (rank > 0) positive += rank / 2;
    else negative -= rank / 2;
  }
  const statistic = Math.min(positive, negative);
  let pValue = 1;
  if (n > 0) {
    const variance = (n * (n + 1) * (2 * n + 1)) / 24 - tieTerm / 48;
    pValue =
      used === "exact"
        ? exactTwoSided(doubledRanks, 2 * statistic)
        : normalTwoSided((statistic - (n * (n + 1)) / 4) / Math.sqrt(variance));
  }
  return {
    statistic,
    positiveRanks: positive,
    negativeRanks: negative,
    pairs: n,
    zeros: a.length - n,
    pValue,
    method: used,
  };
}

/**
 * Twice the mid-ranks of |d|, with the sign of d (doubled, so that ties stay integers), and Σ(t³ − t) over groups of t
 * ties.
 */
function signedRanks(differences: Float64Array): { doubledRanks: Float64Array; tieTerm: number } {
  const n = differences.length;
  // Sorting a key per magnitude beside a sign would need an order array; sorting magnitudes alone and looking ranks up
  // does not.
  const magnitudes = differences.map(Math.abs).sort();
  const doubled = new Map<number, number>();
  let tieTerm = 0;
  for (let start = 0; start < n; ) {
    let end = start + 1;
    while (end < n && magnitudes[end] === magnitudes[start]) end++;
    const ties = end - start;
    doubled.set(magnitudes[start]!, start + 1 + end);
    tieTerm += ties ** 3 - ties;
    start = end;
  }
  return { doubledRanks: differences.map((d) => Math.sign(d) * doubled.get(Math.abs(d))!), tieTerm };
}

/** min(1, 2·P(W ≤ w)) over all sign patterns; `doubledRanks` and `doubledStatistic` are twice the ranks and w. */
function exactTwoSided(doubledRanks: Float64Array, doubledStatistic: number): number {
  // patterns[s]: how many sign patterns of the ranks so far have positive ranks that add up to s/2; larger sums than w
  // are not needed.
  const patterns = new Float64Array(doubledStatistic + 1);
  patterns[0] = 1;
  for (const signed of doubledRanks) {
    const rank = Math.abs(signed);
    for (let sum = doubledStatistic; sum >= rank; sum--) patterns[sum]! += patterns[sum - rank]!;
  }
  let below = 0;
  for (const count of patterns) below += count;
  return Math.min(1, (2 * below) / 2 ** doubledRanks.length);
}
