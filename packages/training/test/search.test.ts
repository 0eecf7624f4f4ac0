// The search for settings: candidates by seed, successive halving, and a search that is killed and resumed.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { sampleCandidates, searchBudgets, successiveHalving, type Trial, trialFile } from "@cllm4rec/training/search";
import { expect, test } from "vitest";

const space = {
  rate: { low: 1e-4, high: 1e-1, scale: "log" },
  dropout: { values: [0, 0.2, 0.4] },
  share: { low: 0.1, high: 0.9 },
  batch: { low: 16, high: 256, integer: true },
} as const;

test("candidates: the first changes nothing, the same seed gives the same, a longer list begins with the shorter", () => {
  const nine = sampleCandidates(space, { seed: 3, count: 9 });
  expect(nine[0]).toEqual({ number: 0, settings: {} });
  expect(sampleCandidates(space, { seed: 3, count: 40 }).slice(0, 9)).toEqual(nine);
  expect(sampleCandidates(space, { seed: 4, count: 9 })).not.toEqual(nine);
  expect(nine.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("candidates lie in their ranges, spread as the scale says, each once", () => {
  const [, ...drawn] = sampleCandidates(space, { seed: 0, count: 600 });
  const settings = drawn.map((candidate) => candidate.settings as Record<keyof typeof space, number>);
  for (const { rate, dropout, share, batch } of settings) {
    expect(rate >= 1e-4 && rate <= 1e-1 && share >= 0.1 && share <= 0.9).toBe(true);
    expect([0, 0.2, 0.4]).toContain(dropout);
    expect(Number.isInteger(batch) && batch >= 16 && batch <= 256).toBe(true);
  }
  // Of a log scale over three decades, a third lies in each.
  const lowest = settings.filter(({ rate }) => rate < 1e-3).length / settings.length;
  expect(Math.abs(lowest - 1 / 3)).toBeLessThan(0.06);
  const small = { a: { values: [1, 2] }, b: { low: 0, high: 2, integer: true } } as const;
  const all = sampleCandidates(small, { seed: 0, count: 50 });
  expect(all).toHaveLength(7);
  expect(new Set(all.map((candidate) => JSON.stringify(candidate.settings))).size).toBe(7);
});

test.each([
  [{ a: { values: [] } }, "a: found no values, expected at least one"],
  [{ a: { low: 2, high: 1 } }, "a: found the range [2, 1], expected two numbers, the lower one first"],
  [{ a: { low: 0, high: 1, scale: "log" } }, 'a: found the range [0, 1], expected numbers above 0 for the scale "log"'],
  [{ a: { low: 0.5, high: 1, integer: true } }, "a: found the range [0.5, 1], expected integers"],
] as const)("refuses the space %j", (bad, message) => {
  expect(() => sampleCandidates(bad, { seed: 0, count: 2 })).toThrow(message);
});

test("budgets", () => {
  expect(searchBudgets({ largest: 27, reduction: 3, rungs: 3 })).toEqual([3, 9, 27]);
  expect(searchBudgets({ largest: 100, reduction: 3, rungs: 3 })).toEqual([12, 34, 100]);
  expect(searchBudgets({ largest: 2, reduction: 3, rungs: 3 })).toEqual([1, 2]);
});

/** Scores that grow with the budget, towards a height that only the largest shows. */
const scoreOf = (candidate: number, budget: number) =>
  ((candidate * 7) % 9) * budget + (candidate === 4 ? budget ** 2 : 0);
const candidates = sampleCandidates(space, { seed: 1, count: 9 });
const halving = { candidates, budgets: [1, 3, 9], reduction: 3 };

test("the best third of each rung is trained further, and the highest score wins", async () => {
  const evaluated: string[] = [];
  const { trials, best, complete } = await successiveHalving({
    ...halving,
    evaluate: async ({ number }, budget) => {
      evaluated.push(`${number}@${budget}`);
      return { score: scoreOf(number, budget) };
    },
  });
  const first = candidates.map(({ number }) => `${number}@1`);
  // At 1: candidate 5 → 8, 1 → 7, 6 → 6. At 3: 24, 21, 18.
  expect(evaluated).toEqual([...first, "1@3", "5@3", "6@3", "5@9"]);
  expect(trials).toHaveLength(13);
  expect([complete, best]).toEqual([true, { ...candidates[5], number: undefined, candidate: 5, budget: 9, score: 72 }]);
});

test("a candidate that cannot be trained is out; where none can, there is no best", async () => {
  const failing = (bad: (n: number) => boolean) =>
    successiveHalving({
      ...halving,
      evaluate: async ({ number }, budget) =>
        bad(number) ? { score: null, details: { error: "not finite" } } : { score: scoreOf(number, budget) },
    });
  const one = await failing((number) => number === 5);
  expect([one.best?.candidate, one.trials.filter(({ candidate }) => candidate === 5)]).toEqual([
    1,
    [expect.objectContaining({ budget: 1, score: null, details: { error: "not finite" } })],
  ]);
  const none = await failing(() => true);
  expect([none.best, none.trials.length, none.complete]).toEqual([undefined, 9, true]);
});

test("stopped anywhere and resumed from its file, it makes the same trials", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "search-"));
  const search = { seed: 1, budgets: halving.budgets };
  const run = async (file: string, stopAfter: number) => {
    const store = trialFile(file, search);
    let left = stopAfter;
    return successiveHalving({
      ...halving,
      trials: await store.load(),
      evaluate: async ({ number }, budget) => (left-- > 0 ? { score: scoreOf(number, budget) } : undefined),
      onTrial: (_, trials) => store.save(trials),
    });
  };
  const whole = await run(path.join(folder, "whole.json"), 13);
  for (const stop of [0, 1, 9, 12]) {
    const file = path.join(folder, `${stop}.json`);
    const begun = await run(file, stop);
    expect([begun.complete, begun.trials]).toEqual([false, whole.trials.slice(0, stop)]);
    expect(await run(file, 13)).toEqual(whole);
  }
  const other = trialFile(path.join(folder, "whole.json"), { ...search, seed: 2 });
  await expect(other.load()).rejects.toThrow("the search was begun with seed 1, now it is 2; give the same to resume");
  fs.writeFileSync(path.join(folder, "damaged.json"), "{");
  await expect(trialFile(path.join(folder, "damaged.json"), search).load()).rejects.toThrow("is no record of a search");
  fs.rmSync(folder, { recursive: true });
});

test("the best of a search that was cut short has the highest score so far", async () => {
  const trials: Trial[] = [];
  const { best, complete } = await successiveHalving({
    ...halving,
    evaluate: async ({ number }, budget) => (trials.length < 4 ? { score: scoreOf(number, budget) } : undefined),
    onTrial: (trial) => trials.push(trial),
  });
  expect([complete, best?.candidate]).toEqual([false, 1]);
});
