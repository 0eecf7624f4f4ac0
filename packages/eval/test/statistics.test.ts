// Significance tests and intervals: SciPy's values, a twin of the bootstrap in Python, brute force over sign patterns,
// and bad input.
import {
  averageRuns,
  bootstrapInterval,
  bootstrapIntervals,
  compareRuns,
  confidenceIntervals,
  EvaluationError,
  type EvaluationResult,
  itemLists,
  pairedTTest,
  RankingEvaluator,
  wilcoxonSignedRank,
} from "@cllm4rec/eval";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalTwoSided, studentTwoSided } from "../src/statistics/distributions.js";
import { Xoshiro128 } from "../src/statistics/random.js";
import { bootstrap, statistics } from "./fixtures.js";

/** Relative error, with 0 only for equality. */
function relativeError(actual: number, expected: number): number {
  return actual === expected ? 0 : Math.abs(actual - expected) / Math.abs(expected);
}

describe("tail probabilities", () => {
  it.each(statistics.student)("Student's t with %f degrees at %f", (degrees, t, p) => {
    expect(relativeError(studentTwoSided(t, degrees), p)).toBeLessThan(1e-12);
    expect(studentTwoSided(-t, degrees)).toBe(studentTwoSided(t, degrees));
  });

  it.each(statistics.normal)("normal at %f", (z, p) => {
    expect(relativeError(normalTwoSided(z), p)).toBeLessThan(1e-12);
    expect(normalTwoSided(-z)).toBe(normalTwoSided(z));
  });

  it("has the limits", () => {
    expect(studentTwoSided(0, 5)).toBe(1);
    expect(studentTwoSided(Infinity, 5)).toBe(0);
    expect(studentTwoSided(Number.NaN, 5)).toBeNaN();
    expect(normalTwoSided(0)).toBe(1);
    expect(normalTwoSided(Infinity)).toBe(0);
    expect(normalTwoSided(Number.NaN)).toBeNaN();
  });

  it("falls steadily, also where one formula hands over to the other", () => {
    for (const degrees of [1, 2, 9, 40, 79, 80, 81, 22685]) {
      let last = 1;
      for (let t = 0.005; t < 6; t += 0.005) {
        const p = studentTwoSided(t, degrees);
        expect(p).toBeLessThan(last);
        last = p;
      }
    }
  });
});

describe.each(statistics.paired)("paired tests: $name", ({ a, b, t, wilcoxon }) => {
  it("t-test", () => {
    const result = pairedTTest(a, b);
    expect(relativeError(result.statistic, t.statistic)).toBeLessThan(1e-12);
    expect(result.degreesOfFreedom).toBe(t.df);
    expect(relativeError(result.pValue, t.p)).toBeLessThan(1e-10);
  });

  it("Wilcoxon, normal approximation with tie correction", () => {
    const result = wilcoxonSignedRank(a, b, { method: "normal" });
    expect(result.statistic).toBe(wilcoxon.statistic);
    expect(result.pairs).toBe(wilcoxon.pairs);
    expect(result.zeros).toBe(a.length - wilcoxon.pairs);
    expect(result.positiveRanks + result.negativeRanks).toBe((wilcoxon.pairs * (wilcoxon.pairs + 1)) / 2);
    expect(relativeError(result.pValue, wilcoxon.normalP)).toBeLessThan(1e-10);
  });

  it("Wilcoxon, exact up to 50 differences", () => {
    const result = wilcoxonSignedRank(a, b);
    expect(result.method).toBe(wilcoxon.pairs <= 50 ? "exact" : "normal");
    const expected = wilcoxon.exactP ?? wilcoxon.normalP;
    expect(relativeError(result.pValue, expected)).toBeLessThan(1e-10);
    if (wilcoxon.scipyExactP !== undefined)
      expect(relativeError(result.pValue, wilcoxon.scipyExactP)).toBeLessThan(1e-10);
  });
});

describe("paired tests", () => {
  const values = fc.array(fc.tuple(fc.nat({ max: 6 }), fc.nat({ max: 6 })), { minLength: 1, maxLength: 11 });

  it("Wilcoxon's exact p equals the count over all sign patterns", () => {
    fc.assert(
      fc.property(values, (pairs) => {
        const d = pairs.map(([x, y]) => x - y).filter((x) => x !== 0);
        // Mid-rank of |d|: how many are smaller, plus half of the others that are equal, plus one half.
        const ranks = d.map((x) => {
          const smaller = d.filter((y) => Math.abs(y) < Math.abs(x)).length;
          const equal = d.filter((y) => Math.abs(y) === Math.abs(x)).length;
          return smaller + (equal + 1) / 2;
        });
        const total = ranks.reduce((x, y) => x + y, 0);
        const positive = ranks.filter((_, i) => d[i]! > 0).reduce((x, y) => x + y, 0);
        const observed = Math.min(positive, total - positive);
        let asExtreme = 0;
        for (let pattern = 0; pattern < 2 ** d.length; pattern++) {
          const w = ranks.filter((_, i) => (pattern >> i) & 1).reduce((x, y) => x + y, 0);
          if (w <= observed) asExtreme++;
        }
        const result = wilcoxonSignedRank(
          pairs.map(([x]) => x),
          pairs.map(([, y]) => y),
        );
        expect(result.statistic).toBe(observed);
        expect(result.pValue).toBeCloseTo(Math.min(1, (2 * asExtreme) / 2 ** d.length), 13);
      }),
      { numRuns: 300 },
    );
  });

  it("swapping the runs changes the sign and nothing else", () => {
    fc.assert(
      fc.property(values, (pairs) => {
        fc.pre(pairs.length >= 2);
        const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
        const [ab, ba] = [pairedTTest(a, b), pairedTTest(b, a)];
        expect(ab.statistic + ba.statistic || 0).toSatisfy((sum: number) => sum === 0 || Number.isNaN(sum));
        expect(ab.pValue).toBe(ba.pValue);
        const [wab, wba] = [wilcoxonSignedRank(a, b), wilcoxonSignedRank(b, a)];
        expect(wab).toEqual({ ...wba, positiveRanks: wba.negativeRanks, negativeRanks: wba.positiveRanks });
      }),
    );
  });

  it("the exact and the normal p agree at 50 differences", () => {
    const a = Array.from({ length: 50 }, (_, i) => Math.sin(i) + 0.2);
    const b = a.map(() => 0);
    const exact = wilcoxonSignedRank(a, b, { method: "exact" });
    const normal = wilcoxonSignedRank(a, b, { method: "normal" });
    expect(exact.pValue).not.toBe(normal.pValue);
    expect(relativeError(normal.pValue, exact.pValue)).toBeLessThan(0.05);
  });

  it("identical runs and constant differences have defined answers", () => {
    const a = [0.25, 0.5, 1];
    expect(pairedTTest(a, a)).toEqual({ statistic: 0, degreesOfFreedom: 2, pValue: 1 });
    expect(wilcoxonSignedRank(a, a)).toMatchObject({ statistic: 0, pairs: 0, zeros: 3, pValue: 1 });
    expect(pairedTTest([1.25, 1.5, 2], a)).toEqual({ statistic: Infinity, degreesOfFreedom: 2, pValue: 0 });
  });

  it.each<[string, () => unknown, RegExp]>([
    ["different lengths", () => pairedTTest([1, 2], [1]), /found 2 and 1 values/],
    ["a single pair", () => pairedTTest([1], [1]), /found 1 pairs, expected at least 2/],
    ["no pairs", () => wilcoxonSignedRank([], []), /found 0 pairs/],
    ["not a number", () => wilcoxonSignedRank([1, Number.NaN], [1, 2]), /pair 1: found NaN and 2/],
    [
      "exact beyond exact arithmetic",
      () =>
        wilcoxonSignedRank(
          Array.from({ length: 53 }, (_, i) => i + 1),
          new Float64Array(53),
          { method: "exact" },
        ),
      /found 53 differences, expected at most 52/,
    ],
  ])("refuses %s", (_, act, message) => {
    expect(act).toThrowError(EvaluationError);
    expect(act).toThrowError(message);
  });
});

describe("bootstrap", () => {
  it("draws the published sequence of xoshiro128**", () => {
    const random = new Xoshiro128([1, 2, 3, 4]);
    expect(bootstrap.xoshiro1234.map(() => random.next())).toEqual(bootstrap.xoshiro1234);
    expect(bootstrap.xoshiro1234.slice(0, 5)).toEqual([11520, 0, 5927040, 70819200, 2031721883]);
  });

  it.each(bootstrap.seeds)("equals its Python twin bit for bit, seed $seed", ({ low, high, ...options }) => {
    const interval = bootstrapInterval(bootstrap.values, options);
    expect(interval.low).toBe(low);
    expect(interval.high).toBe(high);
  });

  it("agrees with SciPy's percentile bootstrap within resampling noise", () => {
    const { low, high, mean } = bootstrapInterval(bootstrap.values, { resamples: 20_000, seed: 5 });
    const [scipyLow, scipyHigh] = bootstrap.scipy;
    const width = scipyHigh - scipyLow;
    expect(Math.abs(low - scipyLow)).toBeLessThan(0.04 * width);
    expect(Math.abs(high - scipyHigh)).toBeLessThan(0.04 * width);
    expect(mean).toBeCloseTo(bootstrap.values.reduce((x, y) => x + y) / bootstrap.values.length, 15);
  });

  it("shares each resample between metrics, so joint and single intervals are equal", () => {
    const doubled = bootstrap.values.map((value) => 2 * value);
    const joint = bootstrapIntervals({ plain: bootstrap.values, doubled }, { seed: 9, resamples: 200 });
    expect(joint.plain).toEqual(bootstrapInterval(bootstrap.values, { seed: 9, resamples: 200 }));
    expect(joint.doubled!.low).toBeCloseTo(2 * joint.plain!.low, 14);
  });

  it("depends on the seed and narrows with lower confidence", () => {
    const at = (seed: number, confidence = 0.95) =>
      bootstrapInterval(bootstrap.values, { seed, confidence, resamples: 500 });
    expect(at(1)).toEqual(at(1));
    expect(at(1)).not.toEqual(at(2));
    expect(at(1, 0.5).low).toBeGreaterThan(at(1).low);
    expect(at(1, 0.5).high).toBeLessThan(at(1).high);
  });

  it("repeats draws past the last whole multiple instead of losing them", () => {
    // Of 2³² values, 954,414 lie past the last multiple of 1,000,003: about 44 of 200,000 draws.
    const counts = new Int32Array(1_000_003);
    Xoshiro128.fromSeed(1).countDraws(counts, 200_000);
    expect(counts.reduce((x, y) => x + y)).toBe(200_000);
  });

  it("draws uniformly", () => {
    const counts = new Int32Array(10);
    Xoshiro128.fromSeed(11).countDraws(counts, 100_000);
    expect(counts.reduce((x, y) => x + y)).toBe(100_000);
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(27.9); // 0.999 quantile of χ² with 9 degrees of freedom
  });

  it.each<[string, () => unknown, RegExp]>([
    ["no users", () => bootstrapInterval([]), /found 0 values, expected at least 1/],
    ["lengths that differ", () => bootstrapIntervals({ a: [1, 2], b: [1] }), /b: found 1 values, expected 2/],
    ["not a number", () => bootstrapInterval([1, Number.NaN]), /position 1: found NaN/],
    ["no resamples", () => bootstrapInterval([1], { resamples: 0 }), /resamples: found 0/],
    ["confidence of 95", () => bootstrapInterval([1], { confidence: 95 }), /confidence: found 95/],
    ["a negative seed", () => bootstrapInterval([1], { seed: -1 }), /seed: found -1/],
  ])("refuses %s", (_, act, message) => {
    expect(act).toThrowError(EvaluationError);
    expect(act).toThrowError(message);
  });
});

describe("comparing runs", () => {
  /** A run over 200 users and 50 items whose held-out item gets a bonus. */
  function run(bonus: number, users?: number[]): EvaluationResult {
    const items = 50;
    const scores = Float32Array.from(
      { length: 200 * items },
      (_, i) => Math.sin(i * 12.9898) + (i % items === 7 ? bonus : 0),
    );
    const evaluator = new RankingEvaluator({ items, metrics: ["recall@10", "ndcg@10", "coverage@10"] });
    evaluator.addScores({
      scores,
      heldOut: itemLists(Array.from({ length: 200 }, () => [7])),
      ...(users && { users }),
    });
    return evaluator.result();
  }

  it("gives difference, interval and both tests per metric with per-user values", () => {
    const [candidate, baseline] = [run(0.8), run(0)];
    const comparison = compareRuns(candidate, baseline, { seed: 3, resamples: 500 });
    expect(Object.keys(comparison)).toEqual(["recall@10", "ndcg@10"]);
    const { difference, tTest, wilcoxon, ...means } = comparison["ndcg@10"]!;
    const [a, b] = [candidate.perUser.values["ndcg@10"]!, baseline.perUser.values["ndcg@10"]!];
    expect(means).toEqual({ candidate: candidate.metrics["ndcg@10"], baseline: baseline.metrics["ndcg@10"] });
    expect(difference.mean).toBeCloseTo(means.candidate - means.baseline, 14);
    expect(difference.low).toBeGreaterThan(0);
    expect(tTest).toEqual(pairedTTest(a, b));
    expect(wilcoxon).toEqual(wilcoxonSignedRank(a, b));
    expect(tTest.pValue).toBeLessThan(0.01);
  });

  it("gives every per-user metric its interval around the mean", () => {
    const result = run(0.8);
    const intervals = confidenceIntervals(result, { resamples: 300 });
    expect(Object.keys(intervals)).toEqual(["recall@10", "ndcg@10"]);
    for (const [name, { mean, low, high }] of Object.entries(intervals)) {
      expect(mean).toBeCloseTo(result.metrics[name]!, 14);
      expect(low).toBeLessThan(mean);
      expect(high).toBeGreaterThan(mean);
    }
  });

  it("averages runs user by user, so that their mean is the mean of the means", () => {
    const runs = [run(0.2), run(0.8), run(1.1)];
    const average = averageRuns(runs);
    for (const name of ["recall@10", "ndcg@10", "coverage@10"]) {
      expect(average.metrics[name]).toBeCloseTo(runs.reduce((sum, { metrics }) => sum + metrics[name]!, 0) / 3, 14);
    }
    average.perUser.values["ndcg@10"]!.forEach((value, user) => {
      const theirs = runs.map(({ perUser }) => perUser.values["ndcg@10"]![user]!);
      expect(value).toBeCloseTo((theirs[0]! + theirs[1]! + theirs[2]!) / 3, 14);
    });
    const [one] = runs;
    expect(averageRuns([one!])).toEqual(one);
    expect(compareRuns(average, one!)["ndcg@10"]!.difference.mean).toBeCloseTo(
      average.metrics["ndcg@10"]! - one!.metrics["ndcg@10"]!,
      14,
    );
    expect(() => averageRuns([])).toThrowError(/found no runs/);
  });

  it("refuses runs over other users", () => {
    const shifted = Array.from({ length: 200 }, (_, i) => (i < 150 ? i : i + 1));
    expect(() => averageRuns([run(1), run(0, shifted)])).toThrowError(/averageRuns, position 150/);
    expect(() => compareRuns(run(1), run(0, shifted))).toThrowError(/position 150: found user 150 and user 151/);
    const { perUser, ...rest } = run(1);
    const shorter = { ...rest, perUser: { ...perUser, users: perUser.users.slice(1) } };
    expect(() => compareRuns(run(1), shorter)).toThrowError(/found 200 and 199 users/);
    expect(() => compareRuns(run(1), { ...run(0), perUser: { users: perUser.users, values: {} } })).toThrowError(
      /no metric/,
    );
  });
});
