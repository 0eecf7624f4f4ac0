// Batches: a shuffled order in constant memory, any step without replaying, both ways of sizing, bucketing and its
// padding.
import {
  type BatchOptions,
  BatchPlan,
  type BatchState,
  type DocumentSource,
  decoderOnly,
  recommendationDocuments,
} from "@cllm4rec/corpus";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { documentOrder } from "../src/batches/permutation.js";
import { CounterRandom } from "../src/documents/random.js";
import { csrOf } from "./histories.js";
import { paddingShare } from "./padding-share.js";
import { tinyTokenizer } from "./tiny-tokenizer.js";

interface Toy {
  readonly index: number;
  readonly epoch: number;
  readonly length: number;
}

/** Documents of given lengths that remember when they were built, and count how often. */
function toys(lengths: ArrayLike<number>): DocumentSource<Toy> & { built: number } {
  return {
    built: 0,
    length: lengths.length,
    maxLength: Array.from(lengths).reduce((a, b) => Math.max(a, b), 1),
    identity: "toys",
    lengthAt: (index) => lengths[index]!,
    document(index, { epoch }) {
      this.built++;
      return { index, epoch, length: lengths[index]! };
    },
  };
}

const start: BatchState = { seed: 1, epoch: 0, step: 0 };
const members = <D>(plan: BatchPlan<D>, from: BatchState = start) =>
  [...plan.batches(from)].map(({ indices }) => [...indices]);

const options: fc.Arbitrary<BatchOptions> = fc.record({
  size: fc.oneof(
    fc.record({ documents: fc.integer({ min: 1, max: 9 }), dropLast: fc.boolean() }),
    fc.record({ tokens: fc.integer({ min: 20, max: 90 }), padded: fc.boolean() }),
  ),
  order: fc.constantFrom("shuffled", "sequential"),
  bucket: fc.boolean(),
  window: fc.integer({ min: 1, max: 40 }),
});
const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 9, maxLength: 120 });

describe("the order of documents", () => {
  test("is a permutation, for any length, at the table's limit and beyond", () => {
    for (const length of [1, 2, 3, 65_535, 65_536, 65_537, 262_144, 300_001]) {
      const place = documentOrder(length, { seed: 7, epoch: 3 });
      const seen = new Uint8Array(length);
      for (let k = 0; k < length; k++) seen[place(k)]!++;
      expect(seen.every((count) => count === 1)).toBe(true);
    }
  });

  // 65,536 documents lie in a table, 70,000 in the Feistel network: both have to look random.
  test.each([65_536, 70_000])(
    "of %i documents: the first, the next one and a far one are uniform over epochs",
    (length) => {
      const epochs = length > 65_536 ? 20_000 : 400;
      const cells = length > 65_536 ? 100 : 20;
      const counts = Array.from({ length: 4 }, () => new Array<number>(cells).fill(0));
      for (let epoch = 0; epoch < epochs; epoch++) {
        const place = documentOrder(length, { seed: 2, epoch });
        const values = [place(0), place(1), place(length - 1), (place(1) - place(0) + length) % length];
        for (const [k, value] of values.entries()) counts[k]![Math.floor((value * cells) / length)]!++;
      }
      for (const cell of counts) {
        const statistic = cell.reduce((sum, count) => sum + (count - epochs / cells) ** 2 / (epochs / cells), 0);
        expect(Math.abs(statistic - (cells - 1))).toBeLessThan(4 * Math.sqrt(2 * (cells - 1)));
      }
    },
  );

  test("neighbours in a Feistel order are unrelated: descents, fixed points and rank correlation", () => {
    const length = 100_000;
    const place = documentOrder(length, { seed: 11, epoch: 0 });
    let descents = 0;
    let fixed = 0;
    let correlation = 0;
    for (let k = 0; k < length; k++) {
      if (k > 0 && place(k) < place(k - 1)) descents++;
      if (place(k) === k) fixed++;
      correlation += (place(k) / length - 0.5) * (k / length - 0.5);
    }
    expect(Math.abs(descents - length / 2)).toBeLessThan(4 * Math.sqrt(length / 12)); // Eulerian: variance (n + 1)/12
    expect(fixed).toBeLessThan(8); // Poisson(1)
    expect(Math.abs((12 * correlation) / length)).toBeLessThan(4 / Math.sqrt(length));
  });

  test("other seeds and epochs give other orders", () => {
    const orders = [0, 1, 2].flatMap((seed) =>
      [0, 1, 2].map((epoch) =>
        members(new BatchPlan(toys(new Array(50).fill(1)), { size: { documents: 50 } }), {
          seed,
          epoch,
          step: 0,
        }).join(),
      ),
    );
    expect(new Set(orders).size).toBe(9);
  });
});

describe("batches", () => {
  test("an epoch holds every document once, in batches within their size", () => {
    fc.assert(
      fc.property(lengths, options, fc.nat(), (lengths, options, seed) => {
        const plan = new BatchPlan(toys(lengths), options);
        const batches = members(plan, { seed, epoch: 0, step: 0 });
        const { size } = options;
        expect(batches.length).toBe(plan.steps({ seed, epoch: 0 }));
        const used =
          "documents" in size && size.dropLast ? lengths.length - (lengths.length % size.documents) : lengths.length;
        expect(new Set(batches.flat()).size).toBe(used);
        expect(batches.flat().length).toBe(used);
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThan(0);
          const own = batch.map((index) => lengths[index]!);
          const sum = own.reduce((a, b) => a + b);
          if ("documents" in size) expect(batch.length).toBeLessThanOrEqual(size.documents);
          else expect(size.padded ? Math.max(...own) * own.length : sum).toBeLessThanOrEqual(size.tokens);
        }
        if ("documents" in size) {
          const short = batches.filter((batch) => batch.length < size.documents).length;
          expect(short).toBe(!size.dropLast && lengths.length % size.documents > 0 ? 1 : 0);
        }
        if (options.order === "sequential" && !options.bucket) expect(batches.flat()).toEqual([...Array(used).keys()]);
      }),
      { numRuns: 400 },
    );
  });

  test("resuming at any step, in another process's plan, equals never having stopped, over epochs", () => {
    const matrix = csrOf(
      Array.from({ length: 60 }, (_, u) => Array.from({ length: 2 + ((u * 5) % 11) }, (_, k) => (u * 3 + k) % 40)),
      40,
    );
    const source = () =>
      recommendationDocuments({
        tokenizer: tinyTokenizer(60, 40),
        interactions: matrix,
        layout: decoderOnly(),
        maxLength: 90,
        maskedShare: [0.2, 0.7],
      });
    fc.assert(
      fc.property(options, fc.nat(), fc.nat(), (changes, seed, cut) => {
        const options = "tokens" in changes.size ? { ...changes, size: { ...changes.size, tokens: 400 } } : changes;
        const whole = [...new BatchPlan(source(), options).batches({ seed, epoch: 0, step: 0 }, 2)];
        const at = cut % whole.length;
        const state: BatchState = JSON.parse(JSON.stringify(whole[at]!.state));
        const resumed = [...new BatchPlan(source(), options).batches(state, 2)];
        expect(resumed).toEqual(whole.slice(at));
        expect(whole.at(-1)!.next).toEqual({ seed, epoch: 2, step: 0 });
      }),
      { numRuns: 60 },
    );
  });

  test("starting late builds nothing of what came before", () => {
    const source = toys(Array.from({ length: 10_000 }, (_, k) => 1 + (k % 50)));
    const plan = new BatchPlan(source, { size: { tokens: 500 } });
    const { documents } = plan.batch({ seed: 0, epoch: 5, step: plan.steps({ seed: 0, epoch: 5 }) - 1 });
    expect(source.built).toBe(documents.length);
    expect(documents.every(({ epoch }) => epoch === 5)).toBe(true);
  });

  test("the step after an epoch's last is the next epoch's first; later ones are refused", () => {
    const plan = new BatchPlan(toys([1, 1, 1, 1, 1]), { size: { documents: 2 } });
    expect(plan.batch({ seed: 0, epoch: 0, step: 3 })).toEqual(plan.batch({ seed: 0, epoch: 1, step: 0 }));
    expect(members(plan, { seed: 0, epoch: 0, step: 3 })).toEqual([]);
    expect(() => plan.batch({ seed: 0, epoch: 0, step: 4 })).toThrow(/step is 4; epoch 0 has 3 steps/);
    expect(() => plan.batch({ seed: 0, epoch: 0, step: -1 })).toThrow(/step is -1/);
    expect(() => plan.batch({ seed: -1, epoch: 0, step: 0 })).toThrow(/seed is -1/);
  });

  test("dropping the last batch drops other documents in each epoch, also under bucketing", () => {
    const plan = new BatchPlan(toys(Array.from({ length: 11 }, (_, k) => k + 1)), {
      size: { documents: 5, dropLast: true },
      bucket: true,
    });
    const dropped = new Set(
      Array.from(
        { length: 60 },
        (_, epoch) =>
          55 -
          members(plan, { seed: 0, epoch, step: 0 })
            .flat()
            .reduce((a, b) => a + b),
      ),
    );
    expect(dropped.size).toBe(11);
  });

  test("bucketed batches of a realistic length mix pad less than 5%, random ones far more, and come in random order", () => {
    // Review lengths in tokens are about log-normal: median 60, one in twenty beyond 290; a tenth is cut at 256.
    const random = new CounterRandom().start({ seed: 1, epoch: 0 }, 5, 0);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());
    const lengths = Int32Array.from({ length: 30_000 }, () =>
      Math.min(256, 8 + Math.round(60 * Math.exp(0.95 * normal()))),
    );
    const share = (options: BatchOptions) => {
      const plan = new BatchPlan(toys(lengths), options);
      let computed = 0;
      let useful = 0;
      const longest: number[] = [];
      for (const { documents } of plan.batches(start)) {
        const own = documents.map(({ length }) => length);
        longest.push(Math.max(...own));
        computed += Math.max(...own) * own.length;
        useful += own.reduce((a, b) => a + b);
        expect(paddingShare(own)).toBeCloseTo(1 - own.reduce((a, b) => a + b) / (own.length * Math.max(...own)), 12);
      }
      return { waste: 1 - useful / computed, longest };
    };
    const byCount = share({ size: { documents: 32 }, bucket: true });
    expect(byCount.waste).toBeLessThan(0.05);
    expect(share({ size: { tokens: 8192, padded: true }, bucket: true }).waste).toBeLessThan(0.05);
    expect(share({ size: { documents: 32 } }).waste).toBeGreaterThan(0.4);
    const ascending = byCount.longest.filter((length, k) => k > 0 && length >= byCount.longest[k - 1]!).length;
    expect(Math.abs(ascending / byCount.longest.length - 0.5)).toBeLessThan(0.1);
  });

  test("a token budget is used up but for the last document's share", () => {
    const lengths = Array.from({ length: 5000 }, (_, k) => 1 + ((k * 37) % 100));
    const plan = new BatchPlan(toys(lengths), { size: { tokens: 4096 } });
    const sums = [...plan.batches(start)].map(({ documents }) =>
      documents.reduce((sum, { length }) => sum + length, 0),
    );
    expect(sums.slice(0, -1).every((sum) => sum > 4096 - 100 && sum <= 4096)).toBe(true);
  });

  test("a huge source costs a window's memory and no scan, whatever the step", () => {
    const huge: DocumentSource<number> = {
      length: 2_000_000_000,
      maxLength: 10,
      identity: "huge",
      lengthAt: (index) => 1 + (index % 10),
      document: (index) => index,
    };
    const plan = new BatchPlan(huge, { size: { documents: 64 }, bucket: true });
    const last = plan.steps({ seed: 0, epoch: 0 }) - 1;
    expect(last).toBe(31_249_999);
    const heap = process.memoryUsage();
    for (const step of [0, last >> 1, last]) expect(plan.batch({ seed: 0, epoch: 9, step }).documents).toHaveLength(64);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - heap.arrayBuffers).toBeLessThan(16 * 2 ** 20);
  });

  test.each([
    [{ size: { documents: 0 } }, /documents is 0; it has to be a positive integer/],
    [{ size: { tokens: 1.5 } }, /tokens is 1.5/],
    [{ size: { tokens: 19 } }, /may have 20 positions, more than a batch of 19 tokens takes/],
    [{ size: { documents: 4 }, window: 0 }, /window is 0/],
    [{ size: { documents: 4, dropLast: true } }, /batches of 4 documents with dropLast leave nothing of 2 documents/],
  ] satisfies [BatchOptions, RegExp][])("refuses %j", (options, message) => {
    expect(() => new BatchPlan(toys([20, 3]), options)).toThrow(message);
  });

  test("refuses an empty source", () => {
    expect(() => new BatchPlan(toys([]), { size: { documents: 1 } })).toThrow(/no documents/);
  });

  test("the identity changes with the source and every option", () => {
    const source = toys(new Array(20).fill(3));
    const plans = [
      new BatchPlan(source, { size: { documents: 2 } }),
      new BatchPlan(source, { size: { documents: 3 } }),
      new BatchPlan(source, { size: { documents: 2 }, bucket: true }),
      new BatchPlan(source, { size: { documents: 2 }, order: "sequential" }),
      new BatchPlan(source, { size: { documents: 2 }, window: 4 }),
      new BatchPlan(source, { size: { tokens: 4 } }),
      new BatchPlan({ ...source, identity: "other" }, { size: { documents: 2 } }),
    ];
    expect(new Set(plans.map(({ identity }) => identity)).size).toBe(7);
    expect(new BatchPlan(source, { size: { documents: 2 } }).identity).toBe(plans[0]!.identity);
  });
});
