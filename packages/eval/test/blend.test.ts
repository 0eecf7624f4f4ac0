// Blends: standard scores, compact weights, quick trials against the evaluator, and which weights are learned.
import {
  BlendTrials,
  EvaluationError,
  ease,
  evaluateScorer,
  type HistoryScorer,
  type ItemLists,
  itemLists,
  learnWeights,
  mixScores,
  selectionOf,
  sparseScorer,
  standardise,
  strongestWeights,
} from "@cllm4rec/eval";
import { describe, expect, it } from "vitest";

/** Numbers in [0, 1) from a linear congruential generator. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

const USERS = 150;
const ITEMS = 240;

/** Users who like a third of the items, and of each eight that they have; two of them are held out. */
function tastes(): { history: ItemLists; heldOut: ItemLists } {
  const random = generator(1);
  const third = ITEMS / 3;
  const rows = Array.from({ length: USERS }, (_, user) => {
    const liked = new Set<number>();
    while (liked.size < 8) liked.add((user % 3) * third + Math.floor(random() ** 2 * third));
    return [...liked];
  });
  return {
    history: itemLists(rows.map((row) => row.slice(2))),
    heldOut: itemLists(rows.map((row) => row.slice(0, 2))),
  };
}

const { history, heldOut } = tastes();
const row = (lists: ItemLists, user: number) => lists.indices.subarray(lists.indptr[user]!, lists.indptr[user + 1]!);

/** Scores [USERS, ITEMS] by a rule. */
const matrix = (score: (user: number, item: number) => number) =>
  Float32Array.from({ length: USERS * ITEMS }, (_, at) => score(Math.floor(at / ITEMS), at % ITEMS));

/** One knows the held-out items of even users, the other those of odd ones; the third says nothing but noise. */
function complementary(): Float32Array[] {
  const random = generator(7);
  const knows = (parity: number) =>
    standardise(
      matrix((user, item) => random() + (user % 2 === parity && row(heldOut, user).includes(item) ? 2 : 0)),
      ITEMS,
    );
  return [knows(0), knows(1), standardise(matrix(random), ITEMS)];
}

describe("standardise", () => {
  it("gives each row the mean 0 and the deviation 1, and rows of equal scores 0", () => {
    // z-scores of 1, 2, 3, 6: mean 3, variance 14/4.
    const found = standardise(Float32Array.of(1, 2, 3, 6, 0.1, 0.1, 0.1, 0.1), 4);
    const deviation = Math.sqrt(3.5);
    for (const [at, value] of [-2, -1, 0, 3].entries()) expect(found[at]).toBeCloseTo(value / deviation, 6);
    expect([...found.subarray(4)]).toEqual([0, 0, 0, 0]);
  });

  it("is unchanged by scale and offset", () => {
    const scores = Float32Array.of(-4, 1, 2.5, 7, 7);
    const moved = scores.map((score) => 8 * score - 3);
    const [one, other] = [standardise(scores, 5), standardise(moved, 5)];
    for (const [at, value] of one.entries()) expect(other[at]).toBeCloseTo(value, 5);
  });
});

describe("strongestWeights", () => {
  it("keeps the largest of each item in absolute value, of equal ones those of lower columns", () => {
    const weights = [
      [0, 0.5, -2, 0.5],
      [0.1, 0, 0, 0],
    ];
    const scorer = {
      name: "table",
      items: 4,
      addWeights(item: number, into: Float64Array) {
        for (const [j, weight] of (weights[item] ?? []).entries()) into[j]! += weight;
      },
      scores: () => new Float32Array(0),
    };
    const { indptr, indices, values } = strongestWeights(scorer, 2);
    expect([...indptr]).toEqual([0, 2, 3, 3, 3]);
    expect([...indices]).toEqual([1, 2, 0]);
    expect([...values]).toEqual([0.5, -2, Math.fround(0.1)]);
    expect(() => strongestWeights(scorer, 0)).toThrow(EvaluationError);
  });

  it("of all weights scores as the scorer itself", async () => {
    const scorer = await ease(history, { items: ITEMS, lambda: 5 });
    const all = sparseScorer(scorer.name, strongestWeights(scorer, ITEMS));
    const [expected, found] = [scorer.scores(history), all.scores(history)];
    for (const [at, value] of expected.entries()) expect(found[at]).toBeCloseTo(value, 6);
  });
});

describe("BlendTrials", () => {
  const scores = complementary();
  const weights = [0.5, 0.3, 0.2];
  const mixed: HistoryScorer = { name: "blend", items: ITEMS, scores: () => mixScores(scores, weights) };

  it("measures what the evaluator measures, with all items as candidates to the last bit", async () => {
    const trials = new BlendTrials({ items: ITEMS, members: 3 });
    trials.add({ scores, heldOut, masked: history });
    const { metrics } = await evaluateScorer(mixed, { history, heldOut, block: USERS });
    const found = trials.evaluate(weights);
    expect(Object.keys(found)).toEqual(Object.keys(metrics));
    for (const [name, value] of Object.entries(found)) expect(value).toBeCloseTo(metrics[name]!, 12);
  });

  it("with fewer candidates ranks no held-out item lower", () => {
    const trials = new BlendTrials({ items: ITEMS, members: 3, candidates: 100 });
    trials.add({ scores, heldOut, masked: history });
    const all = new BlendTrials({ items: ITEMS, members: 3 });
    all.add({ scores, heldOut, masked: history });
    const [few, every] = [trials.evaluate(weights), all.evaluate(weights)];
    // The lists of recall@20 are made of items that some member ranks among its best hundred.
    expect(few["recall@20"]).toBe(every["recall@20"]);
    for (const [name, value] of Object.entries(every)) expect(few[name]).toBeGreaterThanOrEqual(value);
  });

  it("refuses scores that do not fit, and nobody to rank for", () => {
    const trials = new BlendTrials({ items: ITEMS, members: 2 });
    expect(() => trials.add({ scores, heldOut, masked: history })).toThrow(/expected 2 of 36000/);
    expect(() => trials.evaluate([1, 0])).toThrow(/found no user with held-out items/);
  });
});

describe("learnWeights", () => {
  const collected = (scores: readonly Float32Array[]) => {
    const trials = new BlendTrials({ items: ITEMS, members: scores.length });
    trials.add({ scores, heldOut, masked: history });
    return trials;
  };

  it("weighs members that know different things, and drops noise", async () => {
    const trials = collected(complementary());
    const { members, metrics } = await learnWeights(trials);
    const [even, odd, noise] = members;
    expect(noise).toMatchObject({ weight: 0, contribution: 0 });
    expect(even!.weight + odd!.weight).toBeCloseTo(1, 12);
    // Both are needed: better than the best alone, and worse without either.
    const best = Math.max(...members.map(({ alone }) => selectionOf(alone)));
    expect(selectionOf(metrics)).toBeGreaterThan(best + 0.1);
    for (const [m, { contribution }] of [even!, odd!].entries()) {
      const without = selectionOf(members[1 - m]!.alone);
      expect(contribution).toBeCloseTo(selectionOf(metrics) - without, 12);
    }
    expect(trials.evaluate(members.map(({ weight }) => weight))).toEqual(metrics);
    expect(await learnWeights(trials)).toEqual({ members, metrics, trials: expect.any(Number) });
  });

  it("of copies of a member keeps one", async () => {
    const [one] = complementary() as [Float32Array];
    const { members } = await learnWeights(collected([one, one]));
    expect(members.map(({ weight }) => weight).sort()).toEqual([0, 1]);
  });

  it("ends with the signal's reason", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(learnWeights(collected(complementary()), { signal })).rejects.toThrow("enough");
  });
});
