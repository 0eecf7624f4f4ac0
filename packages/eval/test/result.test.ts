// The JSON and text forms of a result.
import { confidenceIntervals, formatResult, fromJson, itemLists, RankingEvaluator, toJson } from "@cllm4rec/eval";
import { expect, it } from "vitest";

const evaluator = new RankingEvaluator({ items: 3, metrics: ["recall@1", "ndcg@2", "coverage@1"] });
evaluator.addScores({
  scores: Float32Array.of(3, 2, 1, 3, 1, 2, 1, 2, 3, 3, 2, 1),
  heldOut: itemLists([[0], [2], [1], []]),
});
const result = evaluator.result();

it("has the JSON form that scripts rely on", () => {
  expect(JSON.parse(JSON.stringify(toJson(result)))).toEqual({
    users: 3,
    usersWithoutHeldOut: 1,
    metrics: { "recall@1": 1 / 3, "ndcg@2": (1 + 2 / Math.log2(3)) / 3, "coverage@1": 2 / 3 },
  });
});

it("adds intervals on request", () => {
  const intervals = confidenceIntervals(result, { resamples: 50 });
  const { low, high } = intervals["ndcg@2"]!;
  expect(toJson(result, { intervals }).intervals).toMatchObject({ "ndcg@2": [low, high] });
});

it("comes back whole from JSON with per-user values", () => {
  expect(fromJson(JSON.parse(JSON.stringify(toJson(result, { perUser: true }))))).toEqual(result);
});

it.each<[string, unknown, RegExp]>([
  ["no object", [], /expected an object with counts/],
  ["a negative count", { ...toJson(result), users: -1 }, /expected an object with counts/],
  ["no per-user values", toJson(result), /found no `perUser` values/],
  [
    "too few ids",
    { ...toJson(result), perUser: { users: [1], values: {} } },
    /perUser.users: expected 3 finite numbers/,
  ],
  [
    "null among values",
    { ...toJson(result), perUser: { users: [0, 1, 2], values: { a: [1, null, 2] } } },
    /perUser.values.a: expected 3/,
  ],
  ["a metric that is no number", { ...toJson(result, { perUser: true }), metrics: { a: "1" } }, /metrics.a: found "1"/],
])("refuses JSON with %s", (_, json, message) => {
  expect(() => fromJson(json)).toThrowError(message);
});

it("prints a plain table", () => {
  expect(formatResult(result)).toBe(
    "users: 3 (1 without held-out items left out)\nrecall@1    0.3333\nndcg@2      0.7540\ncoverage@1  0.6667",
  );
  expect(formatResult(result, { digits: 2, intervals: { "ndcg@2": { mean: 0.75, low: 0.5, high: 1 } } })).toContain(
    "ndcg@2      0.75  [0.50, 1.00]",
  );
});
