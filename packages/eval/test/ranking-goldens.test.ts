// Every ranking metric against RecBole and the authors' formulas, user by user, from scores and from ranked lists.
import { type MetricName, RankingEvaluator } from "@cllm4rec/eval";
import { expectClose } from "@cllm4rec/testing";
import { describe, expect, it } from "vitest";
import { ranking as golden } from "./fixtures.js";

const csr = ({ indptr, indices }: { indptr: number[]; indices: number[] }) => ({
  indptr: Int32Array.from(indptr),
  indices: Int32Array.from(indices),
});
const heldOut = csr(golden.heldOut);
const masked = csr(golden.masked);
/** `oracle:metric@K` → `metric@K`. */
const metricOf = (key: string): MetricName => key.slice(key.indexOf(":") + 1) as MetricName;
const keys = [...Object.keys(golden.perUser), ...Object.keys(golden.overall)];
const metrics = [...new Set(keys.map(metricOf))];

const options = { items: golden.items, metrics, training: golden.training };
const fromScores = new RankingEvaluator(options);
fromScores.addScores({ scores: Float32Array.from(golden.scores), heldOut, masked });
const fromLists = new RankingEvaluator(options);
fromLists.addRankings({ rankings: csr(golden.rankings), heldOut, masked });

describe.each([
  ["from scores", fromScores.result()],
  ["from ranked lists", fromLists.result()],
])("goldens %s", (_, result) => {
  it("covers every metric family the oracles have", () => {
    expect([...new Set(metrics.map((name) => name.split("@")[0]))].sort()).toEqual(
      ["coverage", "gini", "hit", "map", "mrr", "ndcg", "novelty", "precision", "recall", "recall-all"].sort(),
    );
  });

  it("evaluates the users with held-out items and counts the others", () => {
    expect(Array.from(result.perUser.users)).toEqual(golden.evaluated);
    expect(result.users).toBe(22);
    expect(result.usersWithoutHeldOut).toBe(2);
  });

  it.each(Object.keys(golden.perUser))("%s, every user", (key) => {
    const values = result.perUser.values[metricOf(key)]!;
    expectClose(values, golden.perUser[key]!, { rtol: 1e-13, atol: 1e-15, label: key });
    const mean = golden.perUser[key]!.reduce((sum, value) => sum + value, 0) / result.users;
    expect(result.metrics[metricOf(key)]).toBeCloseTo(mean, 13);
  });

  it.each(Object.keys(golden.overall))("%s", (key) => {
    expect(result.metrics[metricOf(key)]).toBeCloseTo(golden.overall[key]!, 13);
    expect(result.perUser.values).not.toHaveProperty([metricOf(key)]);
  });
});

it("keeps the two recalls apart", () => {
  const { metrics: values } = fromScores.result();
  expect(values["recall@5"]).toBeGreaterThan(values["recall-all@5"]! + 0.05);
});
