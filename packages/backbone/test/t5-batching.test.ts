// T5 in batches: what travels with a document does not change what comes out of it, and what a T5 cannot take is
// refused in so many words.
import path from "node:path";
import { Backbone, BaseModel, type EncoderDecoderInput, type SoftTables } from "@cllm4rec/backbone";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { packPairs } from "../src/packing/pack-pairs.js";
import { expectRelative, modelDirectory, modelOpener, noSoftTokens, table } from "./goldens.js";

/**
 * Between two ways of computing the same in F32; T5's scores are unscaled, so that the softmax makes more of a
 * rounding.
 */
const SAME = 1e-4;
const USERS = 12;
const ITEMS = 7;

const { folder } = modelOpener();
const weights = { cacheDirectory: path.join(folder, "cache") };
const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
});

async function openT5(name: string): Promise<{ model: BaseModel; tables: SoftTables }> {
  const backbone = await Backbone.open(modelDirectory(name), { weights, maxPositions: 640 });
  const model = new BaseModel(backbone, { users: USERS, items: ITEMS });
  closing.push(() => model.dispose().then(() => backbone.dispose()));
  const { width } = model.vocabulary;
  const rows = (count: number, phase: number) =>
    table(
      Float32Array.from({ length: count * width }, (_, k) => Math.sin(k * 1.7 + phase)),
      width,
    );
  return { model, tables: { users: rows(USERS, 0), items: rows(ITEMS, 1) } };
}

interface Shape {
  readonly encoder: number;
  readonly decoder: number;
  readonly seed: number;
}

/** Documents over words, items, and one user each, so that every user row's gradient comes from one document. */
function documentsOf(shapes: readonly Shape[], { vocabulary }: BaseModel): EncoderDecoderInput[] {
  const { words, users, items } = vocabulary;
  return shapes.map(({ encoder, decoder, seed }, d) => {
    let state = seed;
    const below = (n: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const token = () => [below(words), words + d, words + users + below(items)][below(3)]!;
    const encoderIds = Array.from({ length: encoder }, (_, t) => (t === 0 ? words + d : token()));
    const decoderIds = Array.from({ length: decoder }, (_, t) => (t === 0 ? 0 : token()));
    const targets = Array.from({ length: decoder }, (_, t) =>
      t === decoder - 1 || below(2) === 0 ? below(words) : -1,
    );
    return { encoderIds, decoderIds, targets };
  });
}

describe.each(["t5", "t5-gated", "umt5"])("%s", (name) => {
  const opened = openT5(name);

  async function aloneAndTogether(shapes: readonly Shape[]): Promise<void> {
    const { model, tables } = await opened;
    const { width } = model.vocabulary;
    const documents = documentsOf(shapes, model);
    const together = await model.nextWordLoss(documents, tables, { reduction: "sum" });
    const items = new Float64Array(tables.items.data.length);
    for (const [d, document] of documents.entries()) {
      const alone = await model.nextWordLoss([document], tables, { reduction: "sum" });
      expectRelative([together.documentLosses[d]!], [alone.loss], `loss of document ${d}`, SAME);
      const { users: user, items: item } = alone.gradients!;
      expect([...user.rows]).toEqual([d]);
      const row = together.gradients!.users.data.subarray(d * width, (d + 1) * width);
      expectRelative(row, user.data, `user of document ${d}`, SAME);
      item.rows.forEach((j, r) => {
        for (let k = 0; k < width; k++) items[j * width + k]! += item.data[r * width + k]!;
      });
    }
    const { rows, data } = together.gradients!.items;
    const summed = Float64Array.from(data, (_, at) => items[rows[Math.floor(at / width)]! * width + (at % width)]!);
    expectRelative(data, summed, "items", SAME);
  }

  it("losses and gradients of mixed documents are those of each alone", async () => {
    const length = fc.integer({ min: 1, max: 40 });
    const document = fc.record({ encoder: length, decoder: length, seed: fc.nat() });
    const documents = fc.array(document, { minLength: 2, maxLength: USERS });
    await fc.assert(fc.asyncProperty(documents, aloneAndTogether), { numRuns: 8 });
  });

  it.each<[string, [encoder: number, decoder: number][]]>([
    [
      "a long main text",
      [
        [4, 300],
        [30, 5],
        [7, 41],
        [1, 1],
      ],
    ],
    [
      "a long prompt",
      [
        [600, 2],
        [3, 17],
        [250, 1],
      ],
    ],
    [
      "both",
      [
        [300, 520],
        [5, 511],
        [511, 3],
      ],
    ],
  ])("…also beside %s, where attention works in blocks", async (_, lengths) => {
    await aloneAndTogether(lengths.map(([encoder, decoder], i) => ({ encoder, decoder, seed: i })));
  });

  it("a prompt alone is for the encoder, and the decoder begins with its start token", async () => {
    const { model, tables } = await opened;
    const encoderIds = [model.vocabulary.words + 3, 5, 6, 7];
    const pair = { encoderIds, decoderIds: [0] };
    expect(await model.itemScores([encoderIds], tables)).toEqual(await model.itemScores([pair], tables));
    expect(await model.nextWordLogits([encoderIds], tables)).toEqual(await model.nextWordLogits([pair], tables));
    expect(await model.hiddenStates([encoderIds], tables)).toEqual(await model.hiddenStates([pair], tables));
    expect((await model.hiddenStates([pair], tables))[0]).toHaveLength(model.vocabulary.width);
  });

  it("the LM's own dropout depends on its seed alone, and on no other one", async () => {
    const { model, tables } = await opened;
    const shape = { encoder: 9, decoder: 6, seed: 1 };
    const documents = documentsOf([shape, shape, shape], model);
    const loss = (seed: number, backbone = true) =>
      model.nextWordLoss(documents, tables, { dropout: { seed, backbone, softTokens: 0.2 } });
    const [first, again, other, softOnly] = [await loss(3), await loss(3), await loss(4), await loss(3, false)];
    expect(again).toEqual(first);
    expect(other.loss).not.toBe(first.loss);
    expect(softOnly.loss).not.toBe(first.loss);
    const plain = await model.nextWordLoss(documents, tables);
    for (const { loss } of [first, other]) expect(Math.abs(loss / plain.loss - 1)).toBeLessThan(1);
  });
});

describe("operations", () => {
  it("counts what the graph multiplies", async () => {
    const { model } = await openT5("t5");
    const { backbone } = model;
    // K = 16, 3 heads of 6, inner width 40, two blocks in each stack; one document of 5 and 3 tokens, two hidden states
    // wanted.
    const [projection, feedForward] = [16 * 18, 2 * 16 * 40];
    const encoder = 5 * 2 * (4 * projection + feedForward) + 5 * 2 * 2 * projection;
    const decoder = 3 * 2 * 5 * projection + 3 * (projection + feedForward) + 2 * (projection + feedForward);
    const attention = 2 * 18 * 2 * (5 * 5 + 3 * 5 + 6);
    expect(backbone.operations([{ encoder: 5, decoder: 3 }], { wanted: 2 })).toBe(2 * (encoder + decoder + attention));
    expect(backbone.operations([{ encoder: 5, decoder: 3 }], { wanted: 2, backward: true })).toBe(
      2 * (2 * (encoder + decoder) + 3 * attention),
    );
    expect(() => backbone.operations([5])).toThrow("length 5: expected { encoder, decoder } for t5");
    const gpt2 = await Backbone.open(modelDirectory("gpt2"), { weights });
    closing.push(() => gpt2.dispose());
    expect(() => gpt2.operations([{ encoder: 5, decoder: 3 }])).toThrow("expected a number for gpt2");
  });
});

describe("what does not fit is refused", () => {
  it("documents of the other layout, whichever way", async () => {
    const { model, tables } = await openT5("t5");
    const one = { ids: [1, 2], targets: [2, 3] };
    await expect(model.nextWordLoss([one], tables)).rejects.toThrow(
      "document 0 has ids; a t5 backbone takes encoderIds and decoderIds: make documents with the layout that " +
        "model.layout names",
    );
    await expect(model.heldOutLoss([{ ids: [1], heldOut: [0] }], tables)).rejects.toThrow("document 0 has ids");
    expect(model.layout).toEqual({ kind: "encoder-decoder", decoderStart: 0 });

    const backbone = await Backbone.open(modelDirectory("gpt2"), { weights });
    const gpt2 = new BaseModel(backbone, { users: 0, items: 0 });
    closing.push(() => gpt2.dispose().then(() => backbone.dispose()));
    const pair = { encoderIds: [1], decoderIds: [0], targets: [2] };
    const refusal = "sequence 0 has encoderIds; a gpt2 backbone has no encoder";
    await expect(gpt2.nextWordLoss([pair], noSoftTokens)).rejects.toThrow(refusal);
    await expect(gpt2.itemScores([pair], noSoftTokens)).rejects.toThrow(refusal);
    await expect(gpt2.generate(pair, noSoftTokens).next()).rejects.toThrow("the prompt has encoderIds");
    expect(gpt2.layout).toEqual({ kind: "decoder-only" });
  });

  it("ids and lengths, naming the side", async () => {
    const { model, tables } = await openT5("t5");
    const scores = (encoderIds: number[], decoderIds: number[]) =>
      model.itemScores(
        [
          { encoderIds: [1], decoderIds: [0] },
          { encoderIds, decoderIds },
        ],
        tables,
      );
    await expect(scores([1, 67], [0])).rejects.toThrow(
      "sequence 1 of the encoder, position 1: id 67 is outside the extended vocabulary 0 … 66",
    );
    await expect(scores([1], [0, -1])).rejects.toThrow("sequence 1 of the decoder, position 1: id -1 is outside");
    await expect(scores([], [0])).rejects.toThrow("sequence 1 of the encoder is empty");
    await expect(scores([1], [])).rejects.toThrow("sequence 1 of the decoder is empty");
    await expect(scores(new Array<number>(641).fill(1), [0])).rejects.toThrow(
      "sequence 1 of the encoder has 641 tokens; the backbone has positions for 640",
    );
    const short = { encoderIds: [1], decoderIds: [0, 2], targets: [3] };
    await expect(model.nextWordLoss([short], tables)).rejects.toThrow("document 0: 1 targets for 2 tokens");
  });
});

it("sequences are as long as one likes: 512 tokens unless told, since nothing in T5 ends there", async () => {
  for (const [maxPositions, expected] of [
    [undefined, 512],
    [2000, 2000],
    [7, 7],
  ] as const) {
    const options = maxPositions === undefined ? {} : { maxPositions };
    const backbone = await Backbone.open(modelDirectory("t5-gated"), { weights, ...options });
    expect(backbone.config.maxPositions).toBe(expected);
    await backbone.dispose();
  }
  await expect(Backbone.open(modelDirectory("t5-gated"), { weights, maxPositions: 0 })).rejects.toThrow(
    "maxPositions is 0, expected a positive integer",
  );
});

describe("packPairs", () => {
  const length = fc.integer({ min: 1, max: 300 });
  const pairs = fc.array(fc.record({ encoder: length, decoder: length }), { minLength: 1, maxLength: 60 });

  it("gives every document places of its own on both sides, and depends on the lengths alone", () => {
    fc.assert(
      fc.property(pairs, fc.integer({ min: 1, max: 2048 }), fc.constantFrom(1, 2, 4), (lengths, width, multiple) => {
        const packing = packPairs(lengths, { width, multiple });
        const { rows, decoderLength: T, memoryLength: S, placements } = packing;
        expect(packPairs([...lengths], { width, multiple })).toEqual(packing);
        expect(T % multiple).toBe(0);
        const taken = { decoder: new Uint8Array(rows * T), memory: new Uint8Array(rows * S) };
        placements.forEach(({ row, decoderOffset, memoryOffset }, i) => {
          const { encoder, decoder } = lengths[i]!;
          expect(row >= 0 && row < rows && decoderOffset + decoder <= T && memoryOffset + encoder <= S).toBe(true);
          for (let t = 0; t < decoder; t++) taken.decoder[row * T + decoderOffset + t]! += 1;
          for (let t = 0; t < encoder; t++) taken.memory[row * S + memoryOffset + t]! += 1;
        });
        for (const counts of Object.values(taken)) expect(counts.every((count) => count <= 1)).toBe(true);
        expect(new Set(placements.map(({ row }) => row)).size).toBe(rows);
      }),
      { numRuns: 200 },
    );
  });

  it("computes little padding in the decoder: recommendation prompts, reviews, and both sides long", () => {
    let state = 20261121;
    const uniform = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    const logNormal = (median: number) => {
      const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
      return Math.min(256, Math.max(2, Math.round(median * Math.exp(0.8 * normal))));
    };
    const kinds: [count: number, pair: () => { encoder: number; decoder: number }, most: number][] = [
      [40, () => ({ encoder: 9, decoder: logNormal(60) }), 0.08],
      [128, () => ({ encoder: 6, decoder: logNormal(10) }), 0.08],
      [64, () => ({ encoder: logNormal(40), decoder: logNormal(40) }), 0.08],
    ];
    for (const [count, pair, most] of kinds) {
      let [useful, computed] = [0, 0];
      for (let batch = 0; batch < 100; batch++) {
        const lengths = Array.from({ length: count }, pair);
        const { rows, decoderLength } = packPairs(lengths, { width: 512 });
        useful += lengths.reduce((sum, { decoder }) => sum + decoder, 0);
        computed += rows * decoderLength;
      }
      expect(1 - useful / computed).toBeLessThan(most);
    }
  });

  it("refuses an empty list and lengths that are none", () => {
    expect(() => packPairs([], { width: 8 })).toThrow(new RangeError("there are no sequences to pack"));
    expect(() => packPairs([{ encoder: 3, decoder: 0 }], { width: 8 })).toThrow(
      new RangeError("sequence 0 has length 0 in the decoder, expected at least 1"),
    );
    expect(() => packPairs([{ encoder: 1.5, decoder: 1 }], { width: 8 })).toThrow("length 1.5 in the encoder");
  });
});
