// Deduplication, k-core and split against brute-force twins and their invariants, on random interaction lists.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kCore } from "../src/prepare/core.js";
import { decide } from "../src/prepare/decide.js";
import { deduplicate } from "../src/prepare/deduplicate.js";
import type { Pairs } from "../src/prepare/pairs.js";
import { heldOutCounts, PART, type SplitMethod, splitPairs } from "../src/prepare/split.js";

interface Row {
  user: number;
  item: number;
  timestamp: number;
}

const rowsOf = (users: number, items: number, maxLength: number) =>
  fc.array(
    fc.record({
      user: fc.nat(users - 1),
      item: fc.nat(items - 1),
      timestamp: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.NaN)),
    }),
    { maxLength },
  );

function pairsOf(rows: readonly Row[], users: number, items: number): Pairs {
  return {
    users,
    items,
    user: Int32Array.from(rows, (row) => row.user),
    item: Int32Array.from(rows, (row) => row.item),
    timestamp: Float64Array.from(rows, (row) => row.timestamp),
  };
}

const ones = (n: number) => new Uint8Array(n).fill(1);
const distinct = (rows: readonly Row[]) => [...new Map(rows.map((row) => [`${row.user} ${row.item}`, row])).values()];

test("of the records of a pair the latest stands, the last in the input on a tie", () => {
  fc.assert(
    fc.property(rowsOf(5, 5, 60), (rows) => {
      const alive = ones(rows.length);
      const cleared = deduplicate(pairsOf(rows, 5, 5), alive);
      const byPair = new Map<string, number[]>();
      rows.forEach((row, p) => {
        const key = `${row.user} ${row.item}`;
        byPair.set(key, [...(byPair.get(key) ?? []), p]);
      });
      const time = (p: number) => (Number.isNaN(rows[p]!.timestamp) ? Number.NEGATIVE_INFINITY : rows[p]!.timestamp);
      const expected = new Uint8Array(rows.length);
      for (const positions of byPair.values()) {
        expected[[...positions].sort((a, b) => time(a) - time(b) || a - b).at(-1)!] = 1;
      }
      expect(alive).toEqual(expected);
      expect(cleared).toBe(rows.length - byPair.size);
    }),
    { numRuns: 2000 },
  );
});

describe("k-core", () => {
  /** Rounds of counting and filtering until nothing changes. */
  function bruteForce(rows: readonly Row[], k: number): Set<Row> {
    let left = [...rows];
    for (;;) {
      const next = left.filter(
        (row) =>
          left.filter((other) => other.user === row.user).length >= k &&
          left.filter((other) => other.item === row.item).length >= k,
      );
      if (next.length === left.length) return new Set(left);
      left = next;
    }
  }

  test("equals the brute-force fixed point", () => {
    fc.assert(
      fc.property(rowsOf(8, 8, 60), fc.integer({ min: 0, max: 5 }), (all, k) => {
        const rows = distinct(all);
        const alive = ones(rows.length);
        const cleared = kCore(pairsOf(rows, 8, 8), alive, k);
        const expected = bruteForce(rows, k);
        expect([...alive]).toEqual(rows.map((row) => (expected.has(row) ? 1 : 0)));
        expect(cleared).toBe(rows.length - expected.size);
      }),
      { numRuns: 2000 },
    );
  });

  test("a long chain falls in linear time", () => {
    // user 0 – item 0 – user 1 – item 1 – …: the 2-core is empty, and each removal only exposes the next.
    const n = 400_000;
    const rows = { user: new Int32Array(2 * n), item: new Int32Array(2 * n), timestamp: new Float64Array(2 * n) };
    for (let p = 0; p < 2 * n; p++) {
      rows.user[p] = (p + 1) >> 1;
      rows.item[p] = p >> 1;
    }
    const alive = ones(2 * n);
    expect(kCore({ ...rows, users: n + 1, items: n }, alive, 2)).toBe(2 * n);
  });
});

describe("split", () => {
  const options = (method: SplitMethod, seed = 0) => ({ method, seed, validationShare: 0.1, testShare: 0.1 });

  test("shares follow the floor rule of the released split, at least one each", () => {
    const of = (n: number) => {
      const { validation, test: held } = heldOutCounts(n, 0.1, 0.1);
      return [n - validation - held, validation, held];
    };
    expect([1, 2, 3, 5, 19, 20, 29, 30, 78].map(of)).toEqual([
      [1, 0, 0],
      [1, 0, 1],
      [1, 1, 1],
      [3, 1, 1],
      [17, 1, 1],
      [16, 2, 2],
      [25, 2, 2],
      [24, 3, 3],
      [64, 7, 7],
    ]);
    for (let n = 10; n < 1_000_000; n += 10) expect(heldOutCounts(n, 0.1, 0.1).test).toBe(n / 10);
    expect(heldOutCounts(100, 0.29, 0.57)).toEqual({ validation: 29, test: 57 });
    expect(heldOutCounts(10, 0, 0.1)).toEqual({ validation: 0, test: 1 });
    expect(heldOutCounts(4, 0.5, 0.9)).toEqual({ validation: 0, test: 3 });
  });

  test.each<SplitMethod>(["random", "time", "leave-one-out"])(
    "%s: every alive record is in one part, in the right numbers",
    (method) => {
      fc.assert(
        fc.property(rowsOf(4, 40, 120), fc.maxSafeNat(), (all, seed) => {
          const rows = distinct(all);
          const pairs = pairsOf(rows, 4, 40);
          const part = splitPairs(pairs, ones(rows.length), options(method, seed));
          for (let user = 0; user < 4; user++) {
            const own = rows.map((_, p) => p).filter((p) => rows[p]!.user === user);
            const counts = [0, 0, 0, 0];
            for (const p of own) counts[part[p]!]!++;
            const n = own.length;
            const expected =
              method === "leave-one-out"
                ? { validation: n >= 3 ? 1 : 0, test: n >= 2 ? 1 : 0 }
                : heldOutCounts(n, 0.1, 0.1);
            expect(counts).toEqual([0, n - expected.validation - expected.test, expected.validation, expected.test]);
            if (method !== "random") {
              const time = (p: number) =>
                Number.isNaN(rows[p]!.timestamp) ? Number.NEGATIVE_INFINITY : rows[p]!.timestamp;
              const order = [...own].sort((a, b) => time(a) - time(b) || a - b);
              const parts = order.map((p) => part[p]!);
              expect(parts).toEqual([...parts].sort((a, b) => a - b));
            }
          }
        }),
        { numRuns: 500 },
      );
    },
  );

  test("random: the order of the input does not matter, the seed does", () => {
    const rows = Array.from({ length: 300 }, (_, p) => ({ user: p % 7, item: p, timestamp: 0 }));
    const shuffled = rows.map((_, p) => rows[(p * 101) % 300]!);
    const held = (list: Row[], seed: number) => {
      const part = splitPairs(pairsOf(list, 7, 300), ones(300), options("random", seed));
      return list.flatMap((row, p) => (part[p] === PART.test ? [`${row.user} ${row.item}`] : [])).sort();
    };
    expect(held(shuffled, 5)).toEqual(held(rows, 5));
    expect(held(rows, 6)).not.toEqual(held(rows, 5));
    expect(held(rows, 2 ** 40 + 5)).not.toEqual(held(rows, 5));
  });

  test("random: the choice is pinned, so that a change of it cannot pass unnoticed", () => {
    const rows = Array.from({ length: 20 }, (_, item) => ({ user: 0, item, timestamp: 0 }));
    const part = splitPairs(pairsOf(rows, 1, 20), ones(20), options("random", 42));
    expect([...part].join("")).toBe("11213111111113211111");
  });

  test("random: held-out items are uniform over a user's items", () => {
    const users = 20_000;
    const rows = Array.from({ length: users * 10 }, (_, p) => ({
      user: Math.floor(p / 10),
      item: p % 10,
      timestamp: 0,
    }));
    const part = splitPairs(pairsOf(rows, users, 10), ones(rows.length), options("random"));
    const test = new Float64Array(10);
    const validation = new Float64Array(10);
    part.forEach((value, p) => {
      if (value === PART.test) test[p % 10]!++;
      if (value === PART.validation) validation[p % 10]!++;
    });
    // Chi-square with 9 degrees of freedom: below 33.7 in 9,999 of 10,000 fair draws.
    for (const counts of [test, validation]) {
      expect(counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0)).toBeLessThan(33.7);
    }
  });
});

test("decide: every record is accounted for, and the core property holds for what is kept", () => {
  fc.assert(
    fc.property(
      rowsOf(9, 9, 90),
      fc.infiniteStream(fc.constantFrom(0, 1, 1, 1, 2)),
      fc.integer({ min: 0, max: 4 }),
      (rows, ratings, core) => {
        const rated = Uint8Array.from(rows, () => ratings.next().value);
        const pairs = pairsOf(rows, 9, 9);
        const decision = decide(pairs, rated, ones(rows.length), core, {
          method: "random",
          seed: 1,
          validationShare: 0.1,
          testShare: 0.1,
        });
        const { duplicates, belowRating, withoutRating, outsideCore, kept, part, formerUser, formerItem } = decision;
        expect(duplicates + belowRating + withoutRating + outsideCore + kept).toBe(rows.length);
        const keptRows = rows.filter((_, p) => part[p]! > 0);
        expect(keptRows.length).toBe(kept);
        expect(distinct(keptRows).length).toBe(kept);
        expect([...formerUser]).toEqual([...new Set(keptRows.map((row) => row.user))].sort((a, b) => a - b));
        expect([...formerItem]).toEqual([...new Set(keptRows.map((row) => row.item))].sort((a, b) => a - b));
        rows.forEach((row, p) => {
          if (part[p] === 0) return;
          expect(rated[p]).toBe(1);
          expect(formerUser[pairs.user[p]!]).toBe(row.user);
          expect(formerItem[pairs.item[p]!]).toBe(row.item);
          expect(keptRows.filter((other) => other.user === row.user).length).toBeGreaterThanOrEqual(core);
          expect(keptRows.filter((other) => other.item === row.item).length).toBeGreaterThanOrEqual(core);
        });
      },
    ),
    { numRuns: 500 },
  );
});
