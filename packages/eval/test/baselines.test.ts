// Most popular, item KNN and EASE: against NumPy, against twins from the definitions, and as input of the ranking
// evaluator.
import {
  type EaseOptions,
  EvaluationError,
  ease,
  easeMemory,
  evaluateScorer,
  type HistoryScorer,
  type ItemLists,
  itemKnn,
  itemLists,
  mostPopular,
  RankingEvaluator,
  type SparseRows,
  tuneEase,
} from "@cllm4rec/eval";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { invertSymmetric, type Multiply } from "../src/baselines/symmetric-inverse.js";
import { baselines } from "./fixtures.js";

const rowsOf = (scores: Float32Array, items: number): number[][] =>
  Array.from({ length: scores.length / items }, (_, b) => Array.from(scores.subarray(b * items, (b + 1) * items)));

function expectScores(scorer: HistoryScorer, histories: ItemLists, expected: readonly (readonly number[])[]): void {
  const found = rowsOf(scorer.scores(histories), scorer.items);
  expect(found).toHaveLength(expected.length);
  found.forEach((row, b) => {
    row.forEach((score, item) => {
      expect(Math.abs(score - expected[b]![item]!), `user ${b}, item ${item}`).toBeLessThan(2e-6);
    });
  });
}

const multiply: Multiply = (a, b, m, k, n) => {
  const product = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) product[i * n + j]! += a[i * k + p]! * b[p * n + j]!;
  }
  return product;
};

/** Histories over `items` items; the first user has one, so that there is always something to fit. */
const matrices = fc
  .integer({ min: 2, max: 9 })
  .chain((items) =>
    fc
      .tuple(
        fc.uniqueArray(fc.nat(items - 1), { minLength: 1 }),
        fc.array(fc.uniqueArray(fc.nat(items - 1)), { maxLength: 12 }),
      )
      .map(([first, rest]) => ({ items, histories: [first, ...rest] })),
  );

describe("goldens from NumPy", () => {
  const { items } = baselines;
  const training = itemLists(baselines.training);

  it.each(baselines.knn)(
    "item KNN, $neighbours neighbours, shrinkage $shrinkage",
    ({ neighbours, shrinkage, scores }) => {
      expectScores(
        itemKnn(training, { items, shrinkage, ...(neighbours !== null && { neighbours }) }),
        training,
        scores,
      );
    },
  );

  it.each(baselines.ease)(
    "EASE, λ $lambda, by itself and with somebody else's products",
    async ({ lambda, scores }) => {
      expectScores(await ease(training, { items, lambda }), training, scores);
      expectScores(await ease(training, { items, lambda, multiply }), training, scores);
    },
  );

  it.each(baselines.easeWithText)(
    "EASE with side information, λ $lambda, dropout $dropout, weights $weights",
    async ({ lambda, dropout, weights, scores }) => {
      const sideInformation = weights.map((weight, b) => ({
        name: `block ${b}`,
        weight,
        features: sparse(baselines.features[b]!),
      }));
      expectScores(await ease(training, { items, lambda, dropout, sideInformation }), training, scores);
    },
  );
});

function sparse(rows: readonly (readonly number[])[]): SparseRows {
  const entries = rows.map((row) => row.flatMap((value, column) => (value === 0 ? [] : [{ column, value }])));
  const indptr = new Int32Array(rows.length + 1);
  entries.forEach((row, r) => {
    indptr[r + 1] = indptr[r]! + row.length;
  });
  return {
    rows: rows.length,
    columns: rows[0]!.length,
    indptr,
    indices: Int32Array.from(entries.flat(), ({ column }) => column),
    values: Float32Array.from(entries.flat(), ({ value }) => value),
  };
}

describe("tuneEase", () => {
  /** Two tastes of ten items each; users have four items of their taste, one of them held out. */
  const users = Array.from({ length: 60 }, (_, u) =>
    Array.from({ length: 4 }, (_, k) => (u % 2) * 10 + ((u * 3 + k * (1 + (u % 3))) % 10)),
  ).map((items) => [...new Set(items)]);
  const training = itemLists(users.map((items) => items.slice(1)));
  const heldOut = itemLists(users.map((items) => items.slice(0, 1)));
  const items = 20;
  const features = sparse(Array.from({ length: items }, (_, j) => [j < 10 ? 1 : 0, j < 10 ? 0 : 1]));
  const options = { items, heldOut, sideInformation: [{ name: "taste", weight: 1, features }] };

  it("returns the best of its fits, each scored as a fit of its own would be", async () => {
    const { trials, best, scorer } = await tuneEase(training, { ...options, trials: 12 });
    expect(trials.length).toBeGreaterThan(2);
    expect(new Set(trials.map(({ lambda, weights }) => `${lambda} ${weights}`)).size).toBe(trials.length);
    for (const { lambda, weights, selection } of trials) {
      const sideInformation = [{ ...options.sideInformation[0]!, weight: weights[0]! }];
      const alone = await ease(training, { items, lambda, sideInformation });
      const { metrics } = await evaluateScorer(alone, { history: training, heldOut });
      expect(selection).toBe(metrics["recall@20"]! + metrics["recall@40"]! + metrics["ndcg@100"]!);
    }
    expect(best.selection).toBe(Math.max(...trials.map(({ selection }) => selection)));
    expect(scorer.name).toBe(`EASE with text (λ ${best.lambda}, taste ${best.weights[0]})`);
    const { metrics } = await evaluateScorer(scorer, { history: training, heldOut });
    expect(metrics["recall@20"]! + metrics["recall@40"]! + metrics["ndcg@100"]!).toBe(best.selection);
  });

  it("stops after the trials it is given, and leaves λ alone where asked", async () => {
    const seen: number[] = [];
    const { trials } = await tuneEase(training, { ...options, trials: 3, onTrial: (_, done) => seen.push(done) });
    expect(trials).toHaveLength(3);
    expect(seen).toEqual([1, 2, 3]);
    const fixed = await tuneEase(training, { ...options, lambda: 7, tuneLambda: false });
    expect(new Set(fixed.trials.map(({ lambda }) => lambda))).toEqual(new Set([7]));
    await expect(tuneEase(training, { ...options, trials: 0 })).rejects.toThrow("trials: found 0");
  });
});

describe("twins from the definitions", () => {
  it("most popular: everyone gets the counts", () => {
    fc.assert(
      fc.property(matrices, ({ items, histories }) => {
        const counts = Array.from({ length: items }, (_, item) => histories.filter((row) => row.includes(item)).length);
        const scorer = mostPopular(itemLists(histories), { items });
        expect(rowsOf(scorer.scores(itemLists([[], [0]])), items)).toEqual([counts, counts]);
      }),
    );
  });

  it("item KNN: sums of cosines over the history, of each item's nearest only", () => {
    const settings = fc.record({ k: fc.integer({ min: 1, max: 9 }), shrinkage: fc.constantFrom(0, 1, 10) });
    fc.assert(
      fc.property(matrices, settings, ({ items, histories }, { k, shrinkage }) => {
        const owners = (item: number) => histories.flatMap((row, user) => (row.includes(item) ? [user] : []));
        const similarity = (i: number, j: number) => {
          const [a, b] = [owners(i), owners(j)];
          const both = a.filter((user) => b.includes(user)).length;
          return i === j || both === 0 ? 0 : both / (Math.sqrt(a.length * b.length) + shrinkage);
        };
        const nearest = (i: number) =>
          Array.from({ length: items }, (_, j) => j)
            .filter((j) => similarity(i, j) > 0)
            .sort((a, b) => similarity(i, b) - similarity(i, a) || a - b)
            .slice(0, k);
        const expected = histories.map((history) => {
          const scores = new Array<number>(items).fill(0);
          for (const i of history) for (const j of nearest(i)) scores[j]! += similarity(i, j);
          return scores;
        });
        const training = itemLists(histories);
        expectScores(itemKnn(training, { items, neighbours: k, shrinkage }), training, expected);
      }),
    );
  });

  it("EASE: each item's ridge regression on all the others", async () => {
    await fc.assert(
      fc.asyncProperty(matrices, fc.constantFrom(0.3, 2, 50), async ({ items, histories }, lambda) => {
        const has = (user: number, item: number) => (histories[user]!.includes(item) ? 1 : 0);
        const shared = (i: number, j: number) => histories.reduce((sum, _, u) => sum + has(u, i) * has(u, j), 0);
        const weights = Array.from({ length: items }, (_, target) => {
          const others = Array.from({ length: items }, (_, i) => i).filter((i) => i !== target);
          const normal = others.map((i) => others.map((j) => shared(i, j) + (i === j ? lambda : 0)));
          const solution = solve(
            normal,
            others.map((i) => shared(i, target)),
          );
          return Array.from({ length: items }, (_, i) => (i === target ? 0 : solution[others.indexOf(i)]!));
        });
        const expected = histories.map((history) =>
          weights.map((column) => history.reduce((sum, item) => sum + column[item]!, 0)),
        );
        const training = itemLists(histories);
        expectScores(await ease(training, { items, lambda }), training, expected);
      }),
    );
  });
});

/** Gaussian elimination with pivoting. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  rows.forEach((_, k) => {
    const best = rows.slice(k).reduce((at, row, i) => (Math.abs(row[k]!) > Math.abs(rows[at]![k]!) ? k + i : at), k);
    [rows[k], rows[best]] = [rows[best]!, rows[k]!];
    rows.forEach((row, i) => {
      if (i === k) return;
      const share = row[k]! / rows[k]![k]!;
      row.forEach((value, j) => {
        row[j] = value - share * rows[k]![j]!;
      });
    });
  });
  return rows.map((row, i) => row[row.length - 1]! / row[i]!);
}

describe("the blocked inverse", () => {
  /** Σ over 8 random vectors of their outer products, plus the identity: positive definite. */
  function matrix(n: number): Float64Array {
    let state = n;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return state / 2 ** 31;
    };
    const factors = Array.from({ length: 8 }, () => Float64Array.from({ length: n }, random));
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        a[i * n + j] = factors.reduce((sum, v) => sum + v[i]! * v[j]!, i === j ? 1 : 0);
      }
    }
    return a;
  }

  // Smaller than a block, exactly a block, a block and a bit, several blocks; stripes narrower and wider than blocks.
  it.each<[number, Multiply | undefined, { block: number; stripe: number } | undefined, number]>([
    [1, undefined, undefined, 1e-10],
    [95, undefined, undefined, 1e-10],
    [96, undefined, undefined, 1e-10],
    [97, undefined, undefined, 1e-10],
    [293, undefined, undefined, 1e-10],
    [100, undefined, { block: 17, stripe: 5 }, 1e-10],
    [100, multiply, { block: 17, stripe: 40 }, 1e-4],
    [100, multiply, { block: 30, stripe: 7 }, 1e-4],
    [520, multiply, undefined, 1e-4],
  ])("of order %i gives the identity", async (n, product, widths, tolerance) => {
    const a = matrix(n);
    const inverse = a.slice();
    // Only the upper triangle may be read.
    for (let i = 0; i < n; i++) inverse.fill(Number.NaN, i * n, i * n + i);
    const seen: number[] = [];
    const options = { ...(product && { multiply: product }), onProgress: (share: number) => seen.push(share) };
    await invertSymmetric(inverse, n, options, widths);
    expect(seen[seen.length - 1]).toBe(1);
    // A·A⁻¹, every 7th column and the last; a column costs n².
    for (let j = n - 1; j >= 0; j -= 7) {
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += a[i * n + k]! * inverse[k * n + j]!;
        if (!(Math.abs(sum - (i === j ? 1 : 0)) < tolerance)) expect.fail(`(A·A⁻¹)[${i}, ${j}] = ${sum}`);
        if (inverse[i * n + j] !== inverse[j * n + i]) expect.fail(`[${i}, ${j}] is not symmetric`);
      }
    }
  });

  it("refuses what is not positive definite, and a product of the wrong size", async () => {
    await expect(invertSymmetric(Float64Array.of(1, 2, 2, 1), 2)).rejects.toThrow(
      /inverse, row 1: found the pivot -3, expected one above 0/,
    );
    await expect(invertSymmetric(matrix(3), 3, { multiply: () => new Float32Array(4) })).rejects.toThrow(
      /multiply: found 4 values, expected 9 for \[3, 3\] · \[3, 3\]/,
    );
  });

  it("ends when it is told to", async () => {
    const stop = new AbortController();
    const work = invertSymmetric(matrix(293), 293, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(work).rejects.toThrow(/abort/i);
  });
});

describe("evaluation of a scorer", () => {
  const training = itemLists([[0, 1], [0, 2], [], [1, 3, 4]]);
  const heldOut = itemLists([[3], [1], [2], []]);

  it("is that of the ranking evaluator, however the users are cut into blocks", async () => {
    const scorer = itemKnn(training, { items: 5 });
    const whole = new RankingEvaluator({ items: 5, metrics: ["recall@2", "mrr"] });
    whole.addScores({ scores: scorer.scores(training), heldOut, masked: training });
    for (const block of [1, 3, 256]) {
      const seen: number[] = [];
      const result = await evaluateScorer(scorer, {
        history: training,
        heldOut,
        metrics: ["recall@2", "mrr"],
        block,
        onProgress: (done, users) => seen.push(done / users),
      });
      expect(result).toEqual(whole.result());
      expect(result).toMatchObject({ users: 3, usersWithoutHeldOut: 1 });
      expect(seen).toHaveLength(Math.ceil(4 / block));
      expect(seen[seen.length - 1]).toBe(1);
    }
  });

  it("ends when it is told to, between two blocks", async () => {
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    const options = { history: training, heldOut, block: 1, signal: stop.signal, onProgress };
    await expect(evaluateScorer(mostPopular(training, { items: 5 }), options)).rejects.toThrow(/abort/i);
  });
});

describe("wrong input is one clear error", () => {
  const training = itemLists([[0, 1]]);
  const fit = (rows: readonly (readonly number[])[], items = 2) => mostPopular(itemLists(rows), { items });

  it.each<[string, () => unknown, RegExp]>([
    ["no items", () => fit([[0]], 0), /items: found 0, expected an integer of at least 1/],
    ["an item out of range", () => fit([[0, 5]]), /training, row 0: found item 5, expected 0 to 1/],
    ["an item twice", () => fit([[], [1, 1]]), /training, user 1: found item 1 twice, expected each item once/],
    ["nothing to learn from", () => fit([[], []]), /training: found no interaction/],
    ["half a neighbour", () => itemKnn(training, { items: 2, neighbours: 0.5 }), /neighbours: found 0\.5/],
    ["negative shrinkage", () => itemKnn(training, { items: 2, shrinkage: -1 }), /shrinkage: found -1/],
    ["a history out of range", () => fit([[0]]).scores(itemLists([[7]])), /histories, row 0: found item 7/],
  ])("%s", (_, act, message) => {
    expect(act).toThrow(EvaluationError);
    expect(act).toThrow(message);
  });

  it.each<[string, Partial<EaseOptions>, RegExp]>([
    ["λ of 0", { lambda: 0 }, /lambda: found 0, expected a number above 0/],
    ["dropout of everything", { dropout: 1 }, /dropout: found 1, expected a number from 0 to below 1/],
    [
      "side information of another number of items",
      { sideInformation: [{ name: "tags", weight: 1, features: sparse([[1], [1], [1]]) }] },
      /side information tags: found 3 rows, expected 2/,
    ],
    [
      "a weight below 0",
      { sideInformation: [{ name: "tags", weight: -1, features: sparse([[1], [1]]) }] },
      /side information tags: found the weight -1/,
    ],
    [
      "a feature that is NaN",
      { sideInformation: [{ name: "tags", weight: 1, features: sparse([[1], [Number.NaN]]) }] },
      /side information tags, item 1: found NaN in column 0/,
    ],
    [
      "a matrix beyond the limit",
      { items: 20_000 },
      /found 20000, for which EASE needs 4\.8 GB, expected at most 4\.0 GB/,
    ],
    ["a limit of one's own", { items: 100, memoryLimit: 1000 }, /raise memoryLimit/],
  ])("EASE: %s", async (_, options, message) => {
    await expect(ease(training, { items: 2, ...options })).rejects.toThrow(EvaluationError);
    await expect(ease(training, { items: 2, ...options })).rejects.toThrow(message);
  });

  it("a block of no users", async () => {
    const options = { history: training, heldOut: itemLists([[]]), block: 0 };
    await expect(evaluateScorer(fit([[0, 1]]), options)).rejects.toThrow(/block: found 0/);
  });

  it("the memory of EASE is 12 bytes for each pair of items, and the limit is what the documentation says", () => {
    expect(easeMemory(6086)).toBe(12 * 6086 ** 2);
    expect(easeMemory(18_257)).toBeLessThanOrEqual(4e9);
    expect(easeMemory(18_258)).toBeGreaterThan(4e9);
  });
});
