// Recommendation documents and prompts: masks, targets, the user token, long histories, and that no held-out item is
// ever in a prompt.
import {
  type Csr,
  decoderOnly,
  definePrompts,
  encoderDecoder,
  type RecommendationDocument,
  type RecommendationDocumentOptions,
  recommendationDocuments,
  recommendationPrompter,
  uniteHistories,
} from "@cllm4rec/corpus";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { csrOf, histories, rowOf } from "./histories.js";
import { show, tinyTokenizer } from "./tiny-tokenizer.js";

const prompts = definePrompts({ recommendation: "{user}:{history}?", historyOnly: ":{history}?" });
const at = { seed: 1, epoch: 0 };
type Options = Partial<RecommendationDocumentOptions<unknown, RecommendationDocument>>;

function common(matrix: Csr) {
  return { tokenizer: tinyTokenizer(matrix.rows, matrix.columns), layout: decoderOnly(), maxLength: 64, prompts };
}

function documentsOf(interactions: Csr, options: Options = {}) {
  return recommendationDocuments({ ...common(interactions), interactions, maskedShare: 0.4, ...options });
}

/** The item indices in a prompt, in their order. */
const itemsIn = (ids: Int32Array, users: number) =>
  [...ids].filter((id) => id >= 128 + users).map((id) => id - 128 - users);

describe("recommendation documents", () => {
  test("mask, history and prompt of one document, read by eye", () => {
    const source = documentsOf(csrOf([[3, 1, 4, 5, 9]], 10), { order: "fixed" });
    const { ids, heldOut } = source.document(0, at);
    const kept = [3, 1, 4, 5, 9].filter((item) => !heldOut.includes(item));
    expect(heldOut).toHaveLength(2); // 0.4 of 5
    expect(show(ids, { users: 1 })).toBe(`<u0>:${kept.map((item) => `<i${item}>`).join("")}?`);
  });

  test("at least one held out, one kept, nothing in both, nothing lost, and the share is p_m", () => {
    const share = fc.double({ min: 0.01, max: 0.99, noNaN: true });
    const order = fc.constantFrom("shuffled" as const, "fixed" as const);
    fc.assert(
      fc.property(
        histories,
        share,
        order,
        fc.boolean(),
        fc.nat(),
        fc.nat(9),
        (interactions, p, order, userToken, seed, epoch) => {
          const source = documentsOf(interactions, { maskedShare: p, order, userToken });
          const users = [...Array(interactions.rows).keys()];
          expect([...source.users]).toEqual(users.filter((user) => rowOf(interactions, user).length >= 2));
          expect(source.skippedUsers).toBe(interactions.rows - source.length);
          for (const [index, user] of source.users.entries()) {
            const row = rowOf(interactions, user);
            const { ids, heldOut } = source.document(index, { seed, epoch });
            const kept = itemsIn(ids, interactions.rows);
            expect(heldOut.length).toBe(Math.min(row.length - 1, Math.max(1, Math.round(p * row.length))));
            expect([...kept, ...heldOut].sort()).toEqual(row.toSorted());
            expect([...heldOut]).toEqual([...heldOut].sort((a, b) => a - b));
            if (order === "fixed") expect(kept).toEqual(row.filter((item) => kept.includes(item)));
            expect(ids.length).toBe(source.lengthAt(index, { seed, epoch }));
            expect(ids.length).toBeLessThanOrEqual(source.maxLength);
            const prefix = userToken ? [128 + user, 58] : [58];
            expect([...ids.subarray(0, prefix.length), ids.at(-1)]).toEqual([...prefix, 63]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("every item is masked equally often, in a new mask each epoch", () => {
    const source = documentsOf(csrOf([[0, 1, 2, 3, 4, 5, 6, 7]], 8), { maskedShare: 0.25 });
    const masked = new Array<number>(8).fill(0);
    const pairs = new Set<string>();
    for (let epoch = 0; epoch < 4000; epoch++) {
      const { heldOut } = source.document(0, { seed: 8, epoch });
      for (const item of heldOut) masked[item]!++;
      pairs.add(heldOut.join());
    }
    expect(pairs.size).toBe(28); // all pairs of 8
    for (const count of masked) expect(Math.abs(count - 1000)).toBeLessThan(5 * 27.4);
  });

  test("users of equal histories are masked independently", () => {
    const twins = csrOf(
      [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 2, 3, 4, 5, 6, 7],
      ],
      8,
    );
    const source = documentsOf(twins, { maskedShare: 0.25 });
    let equal = 0;
    for (let epoch = 0; epoch < 2000; epoch++) {
      const [one, other] = [0, 1].map((index) => source.document(index, { seed: 8, epoch }).heldOut.join());
      if (one === other) equal++;
    }
    expect(Math.abs(equal - 2000 / 28)).toBeLessThan(4 * Math.sqrt(2000 / 28)); // one pair of 28
  });

  test("a range draws each document's share anew, uniformly", () => {
    const source = documentsOf(csrOf([Array.from({ length: 100 }, (_, k) => k)], 100), {
      maskedShare: [0.2, 0.6],
      maxLength: 128,
    });
    const counts = Array.from({ length: 2000 }, (_, epoch) => source.document(0, { seed: 4, epoch }).heldOut.length);
    expect(Math.min(...counts)).toBe(20);
    expect(Math.max(...counts)).toBe(60);
    const mean = counts.reduce((a, b) => a + b) / counts.length;
    expect(Math.abs(mean - 40)).toBeLessThan(1.1); // standard error 40/√12/√2000 = 0.26
  });

  test("targets by name: the held-out items, or all of the user's", () => {
    const matrix = csrOf([[7, 2, 5]], 8);
    const heldOut = documentsOf(matrix).document(0, at);
    const all = documentsOf(matrix, { targets: "all" }).document(0, at);
    expect([...all.heldOut]).toEqual([2, 5, 7]);
    expect([...all.ids]).toEqual([...heldOut.ids]);
    expect(heldOut.heldOut).toHaveLength(1);
  });

  test("a long history is sampled after masking; targets and the prompt's words stay whole", () => {
    const matrix = csrOf([Array.from({ length: 40 }, (_, k) => k)], 40);
    const source = documentsOf(matrix, { maskedShare: 0.5, maxLength: 10 });
    const kept = new Set<number>();
    for (let epoch = 0; epoch < 200; epoch++) {
      const { ids, heldOut } = source.document(0, { seed: 0, epoch });
      expect([ids.length, ids[0], ids[1], ids[9], heldOut.length]).toEqual([10, 128, 58, 63, 20]);
      for (const item of itemsIn(ids, 1)) {
        expect(heldOut).not.toContain(item);
        kept.add(item);
      }
    }
    expect(kept.size).toBe(40);
    expect(() => documentsOf(matrix, { maxLength: 3 })).toThrow(/prompt "recommendation" takes 3 tokens/);
  });

  test("encoder–decoder: the decoder sees its start token alone", () => {
    const matrix = csrOf([[0, 1]], 2);
    const layout = encoderDecoder({ decoderStart: 9, encoderEnd: 1 });
    const document = recommendationDocuments({
      ...common(matrix),
      layout,
      interactions: matrix,
      maskedShare: 0.5,
    }).document(0, at);
    expect([...document.decoderIds]).toEqual([9]);
    expect(document.encoderIds.at(-1)).toBe(1);
    expect(document.heldOut).toHaveLength(1);
  });

  test.each([0, 1, -0.1, Number.NaN, [0.5, 0.2], [0, 0.5], [0.5, 1]] as const)("share %j is refused", (maskedShare) => {
    const share = typeof maskedShare === "number" ? maskedShare : ([...maskedShare] as [number, number]);
    expect(() => documentsOf(csrOf([[0, 1]], 2), { maskedShare: share })).toThrow(/maskedShare is/);
  });
});

describe("prompts for prediction", () => {
  test("hold the whole history", () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.boolean(), (matrix, seed, userToken) => {
        const prompt = recommendationPrompter({ ...common(matrix), userToken });
        for (let user = 0; user < matrix.rows; user++) {
          const history = rowOf(matrix, user);
          if (history.length === 0 && !userToken) continue;
          const { ids } = prompt(userToken ? { user, history } : { history }, { seed, epoch: 0 });
          expect(itemsIn(ids, matrix.rows).sort()).toEqual(history.sort());
        }
      }),
    );
  });

  test("are permuted for each user and moment, and the same again for the same", () => {
    const history = csrOf(
      [
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 3, 4, 5],
      ],
      6,
    );
    const orders = () => {
      const prompt = recommendationPrompter(common(history));
      return [0, 1].flatMap((user) =>
        [0, 1, 2].map((epoch) =>
          itemsIn(prompt({ user, history: rowOf(history, user) }, { seed: 2, epoch }).ids, 2).join(),
        ),
      );
    };
    expect(new Set(orders()).size).toBe(6);
    expect(orders()).toEqual(orders());
  });

  test("a user without training items is prompted by the user token", () => {
    const history = csrOf([[], [5], [1, 2]], 6);
    const withToken = recommendationPrompter({ ...common(history), order: "fixed" });
    expect(show(withToken({ user: 0, history: [] }, at).ids, { users: 3 })).toBe("<u0>:?");
    const without = recommendationPrompter({ ...common(history), userToken: false, order: "fixed" });
    expect(show(without({ history: [1, 2] }, at).ids, { users: 3 })).toBe(":<i1><i2>?");
    expect(documentsOf(history).users).toEqual(Int32Array.of(2)); // finetuning needs two
  });

  test("training and validation items united make the history", () => {
    const united = uniteHistories(csrOf([[1], [2, 3]], 6), csrOf([[4], []], 6));
    expect([rowOf(united, 0), rowOf(united, 1)]).toEqual([
      [1, 4],
      [2, 3],
    ]);
    expect(() => uniteHistories(united, csrOf([[1]], 6))).toThrow(/2 × 6 and 1 × 6 cannot be united/);
  });

  test("a history alone makes a prompt without the user token", () => {
    const history = csrOf([[4, 2, 3]], 6);
    const options = { ...common(history), userToken: false, order: "fixed" as const };
    const prompt = recommendationPrompter(options);
    expect(show(prompt({ history: [4, 2, 3] }, at).ids, { users: 1 })).toBe(":<i4><i2><i3>?");
    const known = recommendationPrompter({ ...options, userToken: true });
    expect(show(known({ user: 0, history: [] }, at).ids, { users: 1 })).toBe("<u0>:?");
    expect(() => known({ history: [1] }, at)).toThrow(/needs a user/);
    expect(() => prompt({ history: [] }, at)).toThrow(/at least one item/);
    expect(() => prompt({ history: [1, 1] }, at)).toThrow(/names an item twice/);
    expect(() => prompt({ history: [6] }, at)).toThrow(/item 6; items run from 0 to 5/);
    expect(() => prompt({ history: [1.5] }, at)).toThrow(/item 1.5/);
  });
});
