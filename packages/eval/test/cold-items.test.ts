// Cold items: rankings among candidates, content KNN, EASE of items that nobody has, and settings chosen on pseudo-cold
// ones.
import {
  contentKnn,
  EvaluationError,
  ease,
  evaluateScorer,
  holdOutItems,
  itemLists,
  RankingEvaluator,
  type SparseRows,
  tuneColdEase,
  tuneContentKnn,
  tuneEase,
} from "@cllm4rec/eval";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fullRanking, giniByPairs, listCounts, userMetric } from "./brute-force.js";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("candidates", () => {
  const world = fc.integer({ min: 2, max: 20 }).chain((items) =>
    fc.record({
      items: fc.constant(items),
      candidates: fc.shuffledSubarray(range(items), { minLength: 1 }),
      users: fc.array(
        fc.record({
          scores: fc.array(fc.constantFrom(-1, 0, 0.5, 2), { minLength: items, maxLength: items }),
          masked: fc.uniqueArray(fc.nat(items - 1)),
          held: fc.uniqueArray(fc.nat(items - 1)),
        }),
        { minLength: 1, maxLength: 5 },
      ),
    }),
  );

  it("are all that is ranked: every metric against its twin, whatever the scores of other items are", () => {
    fc.assert(
      fc.property(world, fc.integer({ min: 1, max: 22 }), ({ items, candidates, users }, k) => {
        const others = range(items).filter((item) => !candidates.includes(item));
        const heldOut = users.map(({ held, masked }) =>
          held.filter((item) => candidates.includes(item) && !masked.includes(item)),
        );
        const kept = heldOut.flatMap((row, u) => (row.length > 0 ? [u] : []));
        fc.pre(kept.length > 0);
        const lists = users.map(({ scores, masked }) => fullRanking(scores, [...masked, ...others]));
        const kinds = ["recall", "recall-all", "precision", "hit", "ndcg", "mrr", "map", "coverage", "gini"] as const;
        const metrics = [...kinds.map((kind) => `${kind}@${k}` as const), "ndcg", "mrr"] as const;
        const batch = {
          heldOut: itemLists(heldOut),
          masked: itemLists(users.map(({ masked }) => masked)),
        };
        const [byScores, byLists] = [0, 1].map(() => new RankingEvaluator({ items, metrics, candidates }));
        const scores = users.flatMap((user) =>
          user.scores.map((score, item) => (others.includes(item) ? Number.NaN : score)),
        );
        byScores!.addScores({ ...batch, scores: Float32Array.from(scores) });
        byLists!.addRankings({ ...batch, rankings: itemLists(lists) });
        const keptLists = kept.map((u) => lists[u]!);
        const counts = candidates.map((item) => listCounts(keptLists, k, items)[item]!);
        for (const { perUser, metrics: found } of [byScores!.result(), byLists!.result()]) {
          for (const [name, values] of Object.entries(perUser.values)) {
            const [kind = "", at = "Infinity"] = name.split("@");
            kept.forEach((u, i) => {
              const expected = userMetric(kind, Number(at), lists[u]!, heldOut[u]!, []);
              expect(values[i], `${name} of user ${u}`).toBeCloseTo(expected, 12);
            });
          }
          expect(found[`coverage@${k}`]).toBeCloseTo(counts.filter((c) => c > 0).length / candidates.length, 12);
          expect(found[`gini@${k}`]).toBeCloseTo(giniByPairs(counts), 12);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("must be items, each once, and hold what is to be found and what is listed", () => {
    const of = (candidates: readonly number[]) => new RankingEvaluator({ items: 3, candidates });
    expect(() => of([])).toThrow(/candidates: found none/);
    expect(() => of([0, 3])).toThrow(/candidates: found item 3, expected integers from 0 to 2/);
    expect(() => of([1, 1])).toThrow(/candidates: found item 1 twice/);
    const heldOut = itemLists([[2]]);
    expect(() => of([0, 1]).addScores({ scores: new Float32Array(3), heldOut })).toThrow(
      /heldOut, user 0: found item 2, which is no candidate/,
    );
    expect(() => of([0, 2]).addRankings({ rankings: itemLists([[1]]), heldOut })).toThrow(
      /item 1 which is no candidate/,
    );
  });
});

/** Rows of features as a sparse matrix. */
function sparse(rows: readonly (readonly number[])[]): SparseRows {
  const entries = rows.map((row) => row.flatMap((value, f) => (value === 0 ? [] : [{ value, f }])));
  const { indptr, indices } = itemLists(entries.map((row) => row.map(({ f }) => f)));
  return {
    rows: rows.length,
    columns: rows[0]!.length,
    indptr: Int32Array.from(indptr),
    indices: Int32Array.from(indices),
    values: Float32Array.from(entries.flat(), ({ value }) => value),
  };
}

describe("content KNN", () => {
  const row = (width: number) => fc.array(fc.constantFrom(0, 0, 0.25, 0.5, 1), { minLength: width, maxLength: width });
  const blocks = fc.tuple(
    fc.array(row(3), { minLength: 5, maxLength: 5 }),
    fc.array(row(4), { minLength: 5, maxLength: 5 }),
  );

  it("is the cosine of the history's and the item's vector", () => {
    fc.assert(
      fc.property(blocks, fc.array(fc.uniqueArray(fc.nat(4)), { minLength: 1 }), ([titles, tags], histories) => {
        const unit = (v: readonly number[]) => {
          const length = Math.hypot(...v);
          return v.map((x) => (length > 0 ? x / length : 0));
        };
        const vectors = titles.map((title, j) => unit([...title.map((x) => 2 * x), ...tags[j]!]));
        const scorer = contentKnn({
          items: 5,
          sideInformation: [
            { name: "titles", weight: 4, features: sparse(titles) },
            { name: "tags", weight: 1, features: sparse(tags) },
          ],
        });
        expect(scorer.name).toBe("content KNN (titles 4, tags 1)");
        const scores = scorer.scores(itemLists(histories));
        histories.forEach((history, b) => {
          const sum = unit(range(7).map((f) => history.reduce((total, item) => total + vectors[item]![f]!, 0)));
          vectors.forEach((vector, j) => {
            const cosine = vector.reduce((total, x, f) => total + x * sum[f]!, 0);
            expect(scores[b * 5 + j]).toBeCloseTo(cosine, 5);
          });
        });
      }),
      { numRuns: 200 },
    );
  });

  it("chooses the weights that are best on what is held out", async () => {
    // The first block says nothing; by the second, whoever has an item of a kind wants the others of it.
    const titles = sparse(range(6).map(() => [1]));
    const tags = sparse(range(6).map((j) => [j % 2, 1 - (j % 2)]));
    const sideInformation = [titles, tags].map((features, b) => ({ name: `${b}`, weight: b === 0 ? 1 : 0, features }));
    const protocol = {
      history: itemLists([[0], [1], [3]]),
      heldOut: itemLists([[2], [5], [1]]),
      candidates: [1, 2, 5],
    };
    const before = await evaluateScorer(contentKnn({ items: 6, sideInformation }), protocol);
    const { scorer, weights } = await tuneContentKnn({ items: 6, sideInformation, ...protocol });
    const after = await evaluateScorer(scorer, protocol);
    expect(weights[0]).toBe(1);
    expect(weights[1]).toBeGreaterThan(0);
    expect(after.metrics["ndcg@100"]!).toBeGreaterThan(before.metrics["ndcg@100"]!);
    await expect(tuneContentKnn({ items: 6, sideInformation, ...protocol, trials: 0 })).rejects.toThrow(
      /trials: found 0/,
    );
  });

  it("needs something to know", () => {
    expect(() => contentKnn({ items: 2, sideInformation: [] })).toThrow(EvaluationError);
  });
});

describe("EASE with items that nobody has", () => {
  // Item 4 is cold, and has words in common with items 0 and 3.
  const training = [
    [0, 1],
    [0, 1, 2],
    [2, 3],
    [0, 3],
    [1, 2],
  ];
  const words = [
    [1, 0, 1, 0],
    [0, 1, 0, 0],
    [0, 1, 0, 1],
    [1, 0, 0, 1],
    [1, 0, 1, 1],
  ];

  it("counts each feature of weight 1 as one more user, for cold items as for others", async () => {
    const sideInformation = [{ name: "words", weight: 1, features: sparse(words) }];
    const scorer = await ease(itemLists(training), { items: 5, lambda: 2, sideInformation });
    const users = range(4).map((f) => range(5).filter((item) => words[item]![f] === 1));
    const twin = await ease(itemLists([...training, ...users]), { items: 5, lambda: 2 });
    const histories = itemLists(training);
    const [found, expected] = [scorer.scores(histories), twin.scores(histories)];
    found.forEach((score, at) => {
      expect(score).toBeCloseTo(expected[at]!, 6);
    });
    // Of those who have not seen it, whoever has item 0, which shares most words with it, should see it first.
    const cold = training.map((_, user) => found[user * 5 + 4]!);
    expect(Math.max(...cold)).toBe(Math.max(cold[0]!, cold[1]!, cold[3]!));
    expect(Math.min(...cold)).toBeGreaterThan(-1);
    expect(new Set(cold).size).toBeGreaterThan(1);
  });

  it("without text, scores cold items 0", async () => {
    const scorer = await ease(itemLists(training), { items: 5, lambda: 2 });
    const scores = scorer.scores(itemLists(training));
    expect(training.map((_, user) => Math.abs(scores[user * 5 + 4]!))).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("settings for cold items", () => {
  const matrices = fc
    .integer({ min: 3, max: 9 })
    .chain((items) =>
      fc.record({ items: fc.constant(items), rows: fc.array(fc.uniqueArray(fc.nat(items - 1)), { minLength: 3 }) }),
    )
    .filter(({ rows }) => new Set(rows.flat()).size >= 2);

  it("holdOutItems takes some items out of training, and keeps what remains", () => {
    fc.assert(
      fc.property(
        matrices,
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        fc.nat(5),
        ({ items, rows }, share, seed) => {
          const split = holdOutItems(itemLists(rows), { items, share, seed });
          const pool = new Set(rows.flat()).size;
          expect(split.candidates).toHaveLength(Math.min(Math.max(1, Math.floor(share * pool)), pool - 1));
          const cold = new Set(split.candidates);
          const left = rows.map((row) => row.filter((item) => !cold.has(item)));
          expect(split.training).toEqual(itemLists(left));
          const out = rows.map((row, u) => (left[u]!.length > 0 ? row.filter((item) => cold.has(item)) : []));
          expect(split.heldOut).toEqual(itemLists(out));
          expect(holdOutItems(itemLists(rows), { items, share, seed })).toEqual(split);
        },
      ),
      { numRuns: 300 },
    );
    const training = itemLists([[0, 1, 2], [3]]);
    expect(Array.from(holdOutItems(training, { items: 4, share: 0.5, among: [1, 2] }).candidates)).toHaveLength(1);
    expect(() => holdOutItems(training, { items: 4, among: [1] })).toThrow(/found 1 with interactions/);
    expect(() => holdOutItems(training, { items: 4, share: 1 })).toThrow(/share: found 1/);
  });

  it("tuneColdEase chooses on items that it takes out, and fits all of the training items", async () => {
    const items = 20;
    const cold = [4, 9, 14, 19];
    const liked = range(40).map((u) =>
      range(items).filter((j) => j % 4 === u % 4 && (u + j) % 3 !== 0 && !cold.includes(j)),
    );
    const heldOut = liked.map((row) => row.slice(-1));
    const training = itemLists(liked.map((row) => row.slice(0, -1)));
    const features = sparse(range(items).map((j) => range(4).map((f) => (j % 4 === f ? 1 : 0))));
    const sideInformation = [{ name: "kind", weight: 1, features }];
    const common = { items, sideInformation, lambda: 4, trials: 4 };
    const tuned = await tuneColdEase(training, { ...common, cold, heldOut: itemLists(heldOut) });

    const pseudo = holdOutItems(training, { items });
    const { best, scorer } = await tuneEase(pseudo.training, { ...common, ...pseudo });
    expect(tuned.best).toEqual(best);
    const fitted = await ease(training, {
      items,
      lambda: best.lambda,
      sideInformation: [{ ...sideInformation[0]!, weight: best.weights[0]! }],
    });
    const scale = (scores: Float32Array, which: Iterable<number>, factor: number) => {
      const scaled = new Set(which);
      return scores.map((score, at) => (scaled.has(at % items) ? score * factor : score));
    };
    expect(tuned.scorer.scores(training)).toEqual(scale(fitted.scores(training), cold, tuned.factor));
    expect(tuned.scorer.name).toBe(`${fitted.name.slice(0, -1)}, cold items × ${tuned.factor})`);

    // The factor's ranking of pseudo-cold and validation items together is no worse than that of its neighbours.
    const rowsOf = ({ indptr, indices }: typeof training) =>
      range(liked.length).map((u) => Array.from(indices.subarray(indptr[u]!, indptr[u + 1]!)));
    const [history, taken] = [rowsOf(pseudo.training), rowsOf(pseudo.heldOut)];
    const together = history.map((row, u) => (row.length === 0 ? [] : [...taken[u]!, ...heldOut[u]!]));
    const quality = (factor: number) => {
      const evaluator = new RankingEvaluator({ items });
      const scores = scale(scorer.scores(pseudo.training), pseudo.candidates, factor);
      evaluator.addScores({ scores, heldOut: itemLists(together), masked: pseudo.training });
      return Object.values(evaluator.result().metrics).reduce((sum, value) => sum + value, 0);
    };
    expect(tuned.factor).toBeGreaterThan(1);
    for (const other of [1 / Math.SQRT2, Math.SQRT2])
      expect(quality(tuned.factor)).toBeGreaterThanOrEqual(quality(tuned.factor * other) - 1e-3);
    const without = await tuneColdEase(training, { ...common, cold, heldOut: itemLists(liked.map(() => [])) });
    expect(without.factor).toBe(1);
  });

  it("tuneEase selects among the candidates", async () => {
    const items = 12;
    const rows = range(30).map((u) => range(items).filter((j) => (u * 7 + j * 5) % 4 === 0 || j % 6 === u % 6));
    const features = sparse(range(items).map((j) => range(6).map((f) => (j % 6 === f ? 1 : 0))));
    const { training, heldOut, candidates } = holdOutItems(itemLists(rows), { items, share: 0.4 });
    const common = { items, sideInformation: [{ name: "kind", weight: 1, features }] };
    const { scorer, best, trials } = await tuneEase(training, { ...common, heldOut, candidates, lambda: 8, trials: 9 });
    const { metrics } = await evaluateScorer(scorer, { history: training, heldOut, candidates });
    expect(best.selection).toBeCloseTo(metrics["recall@20"]! + metrics["recall@40"]! + metrics["ndcg@100"]!, 12);
    expect(best.selection).toBe(Math.max(...trials.map(({ selection }) => selection)));
  });
});
