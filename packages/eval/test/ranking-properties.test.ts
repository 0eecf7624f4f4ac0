// Property tests: every metric and the top-K against brute-force twins, on inputs full of ties; invariances of the
// protocol.
import { itemLists, type MetricName, RankingEvaluator, sliceItemLists, topK } from "@cllm4rec/eval";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fullRanking, giniByPairs, listCounts, userMetric } from "./brute-force.js";

interface User {
  scores: number[];
  masked: number[];
  heldOut: number[];
}

/**
 * 1 to 6 users over J items; scores from a small set, so that ties are everywhere; some users without held-out items.
 */
const world: fc.Arbitrary<{ items: number; users: User[] }> = fc.integer({ min: 1, max: 24 }).chain((items) =>
  fc.record({
    items: fc.constant(items),
    users: fc.array(
      fc
        .record({
          scores: fc.array(
            fc.oneof(fc.constantFrom(-1, 0, 0.5, 2), fc.float({ noNaN: true, noDefaultInfinity: true })),
            { minLength: items, maxLength: items },
          ),
          order: fc.shuffledSubarray(Array.from({ length: items }, (_, i) => i)),
          cut: fc.nat({ max: items }),
        })
        .map(({ scores, order, cut }) => ({ scores, masked: order.slice(0, cut), heldOut: order.slice(cut) })),
      { minLength: 1, maxLength: 6 },
    ),
  }),
);
const cutoff = fc.integer({ min: 1, max: 30 });

const scoreMatrix = (users: readonly User[]) => Float32Array.from(users.flatMap(({ scores }) => scores));
const heldOutOf = (users: readonly User[]) => itemLists(users.map(({ heldOut }) => heldOut));
const maskedOf = (users: readonly User[]) => itemLists(users.map(({ masked }) => masked));
const evaluable = (users: readonly User[]) => users.some(({ heldOut }) => heldOut.length > 0);

function metricsFor(k: number): MetricName[] {
  const cut = [
    "recall",
    "recall-all",
    "precision",
    "hit",
    "ndcg",
    "mrr",
    "map",
    "novelty",
    "coverage",
    "gini",
  ] as const;
  return [...cut.map((kind): MetricName => `${kind}@${k}`), "ndcg", "mrr", "map"];
}

describe("metrics against their brute-force twins", () => {
  it("every metric, from scores and from ranked lists", () => {
    fc.assert(
      fc.property(world, cutoff, fc.infiniteStream(fc.nat({ max: 9 })), ({ items, users }, k, stream) => {
        fc.pre(evaluable(users));
        const itemCounts = Array.from({ length: items }, () => stream.next().value);
        const information = itemCounts.map((count) => -Math.log2(Math.max(1, count) / 9));
        const training = { itemCounts, users: 9 };
        const lists = users.map(({ scores, masked }) => fullRanking(scores, masked));
        const evaluators = [0, 1].map(() => new RankingEvaluator({ items, metrics: metricsFor(k), training }));
        evaluators[0]!.addScores({ scores: scoreMatrix(users), heldOut: heldOutOf(users), masked: maskedOf(users) });
        evaluators[1]!.addRankings({ rankings: itemLists(lists), heldOut: heldOutOf(users), masked: maskedOf(users) });

        const kept = users.flatMap(({ heldOut }, u) => (heldOut.length > 0 ? [u] : []));
        const counts = listCounts(
          kept.map((u) => lists[u]!),
          k,
          items,
        );
        for (const evaluator of evaluators) {
          const result = evaluator.result();
          expect(Array.from(result.perUser.users)).toEqual(kept);
          expect(result.usersWithoutHeldOut).toBe(users.length - kept.length);
          for (const [name, values] of Object.entries(result.perUser.values)) {
            const [kind = "", at] = name.split("@");
            kept.forEach((u, i) => {
              const at_ = at === undefined ? Number.POSITIVE_INFINITY : Number(at);
              const expected = userMetric(kind, at_, lists[u]!, users[u]!.heldOut, information);
              expect(values[i], `${name} of user ${u}`).toBeCloseTo(expected, 12);
            });
          }
          expect(result.metrics[`coverage@${k}`]).toBeCloseTo(counts.filter((count) => count > 0).length / items, 12);
          expect(result.metrics[`gini@${k}`]).toBeCloseTo(giniByPairs(counts), 12);
        }
      }),
      { numRuns: 1500 },
    );
  });

  it("accuracy metrics lie in 0 … 1 and are 1 where all held-out items lead the list", () => {
    fc.assert(
      fc.property(world, cutoff, ({ items, users }, k) => {
        fc.pre(evaluable(users));
        const names = metricsFor(k).filter((name) => !/novelty|coverage|gini/.test(name));
        const random = new RankingEvaluator({ items, metrics: names });
        random.addScores({ scores: scoreMatrix(users), heldOut: heldOutOf(users), masked: maskedOf(users) });
        for (const values of Object.values(random.result().perUser.values)) {
          for (const value of values) expect(value >= 0 && value <= 1 + 1e-12).toBe(true);
        }
        const oracle = new RankingEvaluator({ items, metrics: names });
        const best = users.map((user) => ({
          ...user,
          scores: user.scores.map((_, i) => (user.heldOut.includes(i) ? 2 : 1)),
        }));
        oracle.addScores({ scores: scoreMatrix(best), heldOut: heldOutOf(best), masked: maskedOf(best) });
        const { metrics } = oracle.result();
        for (const kind of ["recall", "ndcg", "mrr", "map", "hit"]) expect(metrics[`${kind}@${k}`]).toBeCloseTo(1, 12);
      }),
      { numRuns: 500 },
    );
  });
});

describe("top-K", () => {
  it("equals sorting, ties to the lower item, with several masks united", () => {
    fc.assert(
      fc.property(world, cutoff, fc.nat({ max: 24 }), ({ items, users }, k, split) => {
        const masks = [
          itemLists(users.map(({ masked }) => masked.slice(0, split))),
          // Overlaps the first set on purpose.
          itemLists(users.map(({ masked }) => masked.slice(Math.max(0, split - 1)))),
        ];
        const result = topK(scoreMatrix(users), { items, k, masked: masks });
        users.forEach(({ scores, masked }, b) => {
          const expected = fullRanking(scores, masked).slice(0, k);
          const length = result.lengths[b]!;
          expect(Array.from(result.items.subarray(b * k, b * k + length))).toEqual(expected);
          const float = Float32Array.from(scores);
          expect(Array.from(result.scores.subarray(b * k, b * k + length))).toEqual(
            expected.map((item) => float[item]),
          );
          expect(result.items.subarray(b * k + length, (b + 1) * k).every((item) => item === -1)).toBe(true);
        });
      }),
      { numRuns: 1500 },
    );
  });

  it("equals sorting on long rows, random, ascending, descending and constant", () => {
    const items = 5000;
    const rows = [
      (i: number) => Math.fround(Math.sin(i * 12.9898) * 43758.5453) % 1,
      (i: number) => i,
      (i: number) => -i,
      () => 0,
      (i: number) => (i * 7919) % 50,
    ].map((row) => Array.from({ length: items }, (_, i) => row(i)));
    const masked = rows.map((_, b) => Array.from({ length: 500 }, (_, i) => i * 10 + b));
    for (const k of [1, 2, 100, 4999, 6000]) {
      const result = topK(Float32Array.from(rows.flat()), { items, k, masked: itemLists(masked) });
      rows.forEach((row, b) => {
        const banned = new Set(masked[b]);
        const float = Float32Array.from(row);
        const expected = row
          .map((_, item) => item)
          .filter((item) => !banned.has(item))
          .sort((x, y) => float[y]! - float[x]! || x - y)
          .slice(0, k);
        expect(Array.from(result.items.subarray(b * k, b * k + result.lengths[b]!))).toEqual(expected);
      });
    }
  });
});

describe("top-K on rows long enough to be sampled", () => {
  it("equals sorting, with ties at the threshold and masks on the sampled items", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 64, max: 300 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        fc.constantFrom(0, 1, 7, 8),
        (k, items, levels, seed, maskStride) => {
          // A few score levels, so that the bound from the sample is itself a tie.
          const row = Array.from({ length: items }, (_, i) => Math.imul(i + seed, 0x9e3779b1) >>> 8).map(
            (x) => x % levels,
          );
          const masked = row.flatMap((_, i) => (maskStride > 0 && i % maskStride === 0 && i % 3 < 2 ? [i] : []));
          const result = topK(Float32Array.from(row), { items, k, masked: itemLists([masked]) });
          const expected = fullRanking(row, masked).slice(0, k);
          expect(Array.from(result.items.subarray(0, result.lengths[0]))).toEqual(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("protocol", () => {
  it("gives the same bits however the users are cut into batches", () => {
    fc.assert(
      fc.property(world, cutoff, fc.array(fc.nat({ max: 6 }), { maxLength: 5 }), ({ items, users }, k, cuts) => {
        fc.pre(evaluable(users));
        const metrics = metricsFor(k).filter((name) => !name.startsWith("novelty"));
        const scores = scoreMatrix(users);
        const whole = new RankingEvaluator({ items, metrics });
        whole.addScores({ scores, heldOut: heldOutOf(users), masked: maskedOf(users) });
        const cut = new RankingEvaluator({ items, metrics });
        const bounds = [...new Set([0, ...cuts.map((at) => Math.min(at, users.length)), users.length])].sort(
          (a, b) => a - b,
        );
        for (let i = 0; i + 1 < bounds.length; i++) {
          const [from, to] = [bounds[i]!, bounds[i + 1]!];
          cut.addScores({
            scores: scores.subarray(from * items, to * items),
            heldOut: sliceItemLists(heldOutOf(users), from, to),
            masked: sliceItemLists(maskedOf(users), from, to),
          });
        }
        expect(cut.result()).toEqual(whole.result());
      }),
      { numRuns: 300 },
    );
  });

  it("does not look at masked scores and does not change the caller's arrays", () => {
    fc.assert(
      fc.property(
        world,
        cutoff,
        fc.constantFrom(Number.NaN, -Infinity, Infinity, 1e30),
        ({ items, users }, k, junk) => {
          fc.pre(evaluable(users));
          const metrics = metricsFor(k).filter((name) => !name.startsWith("novelty"));
          const results = [undefined, junk].map((value) => {
            const scores = scoreMatrix(
              users.map((user) => ({
                ...user,
                scores: user.scores.map((score, i) => (value !== undefined && user.masked.includes(i) ? value : score)),
              })),
            );
            const before = scores.slice();
            const evaluator = new RankingEvaluator({ items, metrics });
            evaluator.addScores({ scores, heldOut: heldOutOf(users), masked: maskedOf(users) });
            expect(scores).toEqual(before);
            return evaluator.result();
          });
          expect(results[1]).toEqual(results[0]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
