// Interaction documents: exact ids and targets, stochastic reordering with the prompt fixed, sampling of long
// histories.
import {
  type Csr,
  type DocumentLayout,
  decoderOnly,
  definePrompts,
  documentLayout,
  encoderDecoder,
  type HeldOutDocument,
  interactionDocuments,
  type LanguageDocument,
} from "@cllm4rec/corpus";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { csrOf, histories } from "./histories.js";
import { show, tinyTokenizer } from "./tiny-tokenizer.js";

const prompts = definePrompts({ interactions: "{user}:" });
const small = csrOf([[4, 1, 2], [], [0], [5, 4, 3, 2, 1, 0]], 6);
const tokenizer = tinyTokenizer(4, 6);
const at = { seed: 1, epoch: 0 };

function documentsOf(interactions: Csr, options: { maxLength?: number; order?: "shuffled" | "fixed" } = {}) {
  return interactionDocuments({
    tokenizer: tinyTokenizer(interactions.rows, interactions.columns),
    interactions,
    layout: decoderOnly(),
    maxLength: 64,
    prompts,
    ...options,
  });
}

describe("interaction documents", () => {
  test("decoder-only: the last prompt token predicts the first item, the last item is no input", () => {
    const source = documentsOf(small, { order: "fixed" });
    expect([source.length, source.skippedUsers, [...source.users]]).toEqual([3, 1, [0, 2, 3]]);
    const { ids, targets } = source.document(0, at);
    expect(show(ids, tokenizer)).toBe("<u0>:<i4><i1>");
    expect(show(targets, tokenizer)).toBe("·<i4><i1><i2>");
    expect([...ids.keys()].filter((t) => ids[t]! >= tokenizer.rows)).toEqual([0, 2, 3]);
    const single = source.document(1, at);
    expect(show(single.ids, tokenizer)).toBe("<u2>:");
    expect(show(single.targets, tokenizer)).toBe("·<i0>");
  });

  test("start tokens go before the prompt", () => {
    const layout = decoderOnly({ startTokens: [1, 2] });
    const source = interactionDocuments({
      tokenizer,
      interactions: small,
      layout,
      maxLength: 64,
      prompts,
      order: "fixed",
    });
    const { ids, targets } = source.document(0, at);
    expect([...ids]).toEqual([1, 2, 128, 58, 136, 133]);
    expect([...targets]).toEqual([-1, -1, -1, 136, 133, 134]);
    expect(source.lengthAt(0, at)).toBe(6);
  });

  test("the layout that a language model asks for is one of the two, its special tokens included", () => {
    const built = (layout: DocumentLayout<LanguageDocument, HeldOutDocument>) => {
      const source = interactionDocuments({ ...{ tokenizer, interactions: small, maxLength: 9, prompts }, layout });
      return { identity: source.identity, document: source.document(0, at), prompt: layout.recommendation(ids, ids) };
    };
    const ids = Int32Array.of(5, 6);
    const single = built(documentLayout({ kind: "decoder-only", startTokens: [1, 2] }));
    expect(single).toEqual(built(decoderOnly({ startTokens: [1, 2] })));
    expect(built(documentLayout({ kind: "decoder-only" }))).toEqual(built(decoderOnly()));
    const pair = built(documentLayout({ kind: "encoder-decoder", decoderStart: 3, encoderEnd: 1 }));
    expect(pair).toEqual(built(encoderDecoder({ decoderStart: 3, encoderEnd: 1 })));
    expect(pair.identity).not.toBe(single.identity);
    expect(pair.prompt).toEqual({ encoderIds: Int32Array.of(5, 6, 1), decoderIds: Int32Array.of(3), heldOut: ids });
  });

  test("encoder–decoder: prompt and end in the encoder, start and shifted items in the decoder", () => {
    const layout = encoderDecoder({ decoderStart: 0, encoderEnd: 1 });
    const source = interactionDocuments({
      tokenizer,
      interactions: small,
      layout,
      maxLength: 3,
      prompts,
      order: "fixed",
    });
    const document = source.document(0, at);
    expect([...document.encoderIds]).toEqual([128, 58, 1]);
    expect([...document.decoderIds]).toEqual([0, 136, 133]);
    expect([...document.targets]).toEqual([136, 133, 134]);
    expect(source.lengthAt(0, at)).toBe(6);
    expect(source.document(2, at).targets).toHaveLength(3); // six items, a decoder of three
  });

  test("every permutation of a history is equally likely over epochs, and the prompt never moves", () => {
    const source = documentsOf(csrOf([[0, 1, 2, 3]], 4));
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 12_000; epoch++) {
      const { ids, targets } = source.document(0, { seed: 3, epoch });
      expect([ids[0], ids[1], targets[0]]).toEqual([128, 58, -1]);
      const order = targets.slice(1).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const statistic = [...counts.values()].reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
    expect(statistic).toBeGreaterThan(23 - 3 * Math.sqrt(46)); // neither too uneven nor too even
    expect(statistic).toBeLessThan(23 + 4 * Math.sqrt(46));
  });

  test("users of equal histories are permuted independently", () => {
    const source = documentsOf(
      csrOf(
        [
          [0, 1, 2, 3],
          [0, 1, 2, 3],
        ],
        4,
      ),
    );
    let equal = 0;
    for (let epoch = 0; epoch < 2400; epoch++) {
      const [one, other] = [0, 1].map((index) => source.document(index, { seed: 3, epoch }).targets.slice(1).join());
      if (one === other) equal++;
    }
    expect(Math.abs(equal - 100)).toBeLessThan(40); // one order of 24
  });

  test("a shuffled document holds exactly the user's items, and its length is known before it is built", () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.nat(99), (interactions, seed, epoch) => {
        const source = documentsOf(interactions);
        const N = 128 + interactions.rows;
        for (const [index, user] of source.users.entries()) {
          const { ids, targets } = source.document(index, { seed, epoch });
          expect(ids.length).toBe(source.lengthAt(index, { seed, epoch }));
          expect(ids.length).toBeLessThanOrEqual(source.maxLength);
          expect([...ids.subarray(0, 2)]).toEqual([128 + user, 58]);
          const row = interactions.indices.slice(interactions.indptr[user], interactions.indptr[user + 1]);
          expect([...targets.subarray(1)].map((id) => id - N).sort()).toEqual([...row].sort());
          expect([...ids.subarray(2)]).toEqual([...targets.subarray(1, -1)]);
        }
      }),
    );
  });

  test("a long history is sampled and the prompt stays whole; in fixed order the sample keeps its order", () => {
    const long = csrOf([Array.from({ length: 20 }, (_, k) => (k * 7) % 20)], 20);
    const position = new Map([...long.indices].map((item, k) => [item, k]));
    for (const order of ["shuffled", "fixed"] as const) {
      const source = documentsOf(long, { maxLength: 6, order });
      const drawn = new Array<number>(20).fill(0);
      let ascending = 0;
      for (let epoch = 0; epoch < 4000; epoch++) {
        const { ids, targets } = source.document(0, { seed: 0, epoch });
        expect([ids.length, ids[0], ids[1]]).toEqual([6, 128, 58]);
        const items = [...targets.subarray(1)].map((id) => id - 129);
        expect(new Set(items).size).toBe(5);
        const places = items.map((item) => position.get(item)!);
        if (places.every((place, k) => k === 0 || place > places[k - 1]!)) ascending++;
        for (const item of items) drawn[item]!++;
      }
      // Every item is drawn 1,000 times of 4,000, standard deviation √(4000 · ¼ · ¾) = 27.
      for (const count of drawn) expect(Math.abs(count - 1000)).toBeLessThan(5 * 27.4);
      if (order === "fixed") expect(ascending).toBe(4000);
      else expect(ascending).toBeLessThan(100); // 1 in 120
    }
  });

  test("bad input is refused with what was found", () => {
    expect(() => documentsOf({ ...small, columns: 3 })).toThrow(/user 0 has item 4; items run from 0 to 2/);
    expect(() => documentsOf(csrOf([[1, 1]], 2))).toThrow(/user 0 has item 1 twice/);
    expect(() => documentsOf({ ...small, indptr: Int32Array.of(0, 3, 2, 4, 10) })).toThrow(/indptr falls after user 1/);
    expect(() => documentsOf({ ...small, indptr: Int32Array.of(0, 3) })).toThrow(/indptr has to hold 5 offsets/);
    expect(() => documentsOf(small, { maxLength: 1 })).toThrow(/prompt "interactions" takes 2 tokens.*maxLength 1/);
    expect(() => documentsOf(small, { maxLength: 2.5 })).toThrow(/maxLength is 2.5/);
    expect(() => documentsOf(small).document(3, at)).toThrow(/there is no document 3; there are 3/);
    expect(() =>
      interactionDocuments({
        tokenizer: tinyTokenizer(4, 7),
        interactions: small,
        layout: decoderOnly(),
        maxLength: 9,
      }),
    ).toThrow(/4 users × 6 items, but the tokenizer was extended by 4 users and 7 items/);
  });

  test("the identity changes with all that decides the documents", () => {
    const base = documentsOf(small);
    const others = [
      documentsOf(small, { order: "fixed" }),
      documentsOf(small, { maxLength: 63 }),
      documentsOf(csrOf([[4, 1, 2], [], [0], [5, 4, 3, 2, 0, 1]], 6)),
      interactionDocuments({ tokenizer, interactions: small, layout: decoderOnly(), maxLength: 64 }),
      interactionDocuments({
        tokenizer,
        interactions: small,
        layout: decoderOnly({ startTokens: [1] }),
        maxLength: 64,
        prompts,
      }),
    ];
    expect(new Set([base, ...others].map(({ identity }) => identity)).size).toBe(6);
    expect(documentsOf(small).identity).toBe(base.identity);
  });
});
