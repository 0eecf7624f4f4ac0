// Tiny random T5s of every variant against Hugging Face transformers, elementwise, through the public API.
import { type Backbone, type BaseModel, openCheckpoint, openFloat32Weights } from "@cllm4rec/backbone";
import { describe, expect, it } from "vitest";
import { distanceBuckets } from "../src/architectures/relative-positions.js";
import {
  expectRelative,
  goldenRecord,
  goldenTensors,
  modelDirectory,
  modelOpener,
  noSoftTokens,
  table,
} from "./goldens.js";

interface Golden {
  readonly sequences: readonly {
    readonly encoderIds: number[];
    readonly decoderIds: number[];
    readonly targets: number[];
    readonly loss: number;
  }[];
  readonly greedy: readonly { readonly prompt: number[]; readonly continuation: number[] }[];
}

const open = modelOpener();

const MODELS: [name: string, embedding: string, what: string][] = [
  ["t5", "shared.weight", "1.0: ReLU, tied and scaled head, embeddings stored three times, a table that nobody reads"],
  ["t5-gated", "shared.weight", "1.1: gated GELU, own head without scale, a deeper decoder, few buckets"],
  ["t5-bfloat16", "shared.weight", "1.1 as transformers 5 writes it, SiLU, BF16"],
  ["mt5", "shared.weight", "mT5: gated GELU by default, a head of its own, never scaled"],
  ["umt5", "shared.weight", "UMT5: position biases in every block, a tied head, scaled"],
  ["umt5-untied", "shared.weight", "… with a head of its own, not scaled"],
  [
    "t5-gelu",
    "encoder.embed_tokens.weight",
    "GELU without gate, a deeper encoder, embeddings under the encoder's name",
  ],
];

/** The frozen vocabulary embeddings of these tokens, [T, K]. */
async function vocabularyRows(directory: string, name: string, ids: readonly number[]): Promise<Float32Array> {
  const weights = await openFloat32Weights(await openCheckpoint(directory), { cacheDirectory: `${open.folder}/cache` });
  const width = weights.tensor(name).shape[1]!;
  const all = await weights.read(name);
  return Float32Array.from(ids.flatMap((id) => [...all.subarray(id * width, (id + 1) * width)]));
}

describe.each(MODELS)("%s", (name, embedding, _what) => {
  const directory = modelDirectory(name);
  const { sequences, greedy } = goldenRecord<Golden>(name);
  let opened: Promise<{ backbone: Backbone; words: BaseModel; golden: (tensor: string) => Float32Array }> | undefined;
  const setUp = () => {
    opened ??= (async () => {
      const backbone = await open.backbone(directory);
      return { backbone, words: open.model(backbone, { users: 0, items: 0 }), golden: await goldenTensors(name) };
    })();
    return opened;
  };

  it("hidden states of every decoder position, all documents in one batch", async () => {
    const { words, golden } = await setUp();
    const hidden = await words.hiddenStates(sequences, noSoftTokens);
    for (const [i, actual] of hidden.entries()) expectRelative(actual, golden(`${i}.hidden`), `document ${i}`);
  });

  it("logits of every position, each from the prefix that ends there", async () => {
    const { words, golden } = await setUp();
    const short = sequences.slice(0, 4);
    expect(short.map(({ encoderIds, decoderIds }) => [encoderIds.length, decoderIds.length])).toEqual([
      [1, 1],
      [2, 7],
      [20, 3],
      [13, 20],
    ]);
    const prefixes = short.flatMap(({ encoderIds, decoderIds }) =>
      decoderIds.map((_, t) => ({ encoderIds, decoderIds: decoderIds.slice(0, t + 1) })),
    );
    const logits = await words.nextWordLogits(prefixes, noSoftTokens);
    let at = 0;
    short.forEach((_, i) => {
      const expected = golden(`${i}.logits`);
      expectRelative(logits.subarray(at, at + expected.length), expected, `document ${i}`);
      at += expected.length;
    });
    expect(at).toBe(logits.length);
  });

  it("loss of vocabulary documents", async () => {
    const { words } = await setUp();
    for (const { loss, ...document } of sequences) {
      const result = await words.nextWordLoss([document], noSoftTokens);
      expectRelative([result.loss], [loss], "loss");
      expectRelative(result.documentLosses, [loss * document.targets.length], "document loss");
      expect(result.usefulTokens).toBe(document.encoderIds.length + document.decoderIds.length);
      expect(result.gradients!.users.rows).toHaveLength(0);
      expect(result.gradients!.items.rows).toHaveLength(0);
    }
  });

  it("gradient towards the input embeddings of every position of encoder and decoder", async () => {
    const { backbone, golden } = await setUp();
    const { vocabularySize: words, hiddenSize } = backbone.config;
    // Every encoder position is a user of its own and every decoder position an item, with the embeddings of the words
    // that stand there.
    const encoder = sequences.flatMap(({ encoderIds }) => encoderIds);
    const decoder = sequences.flatMap(({ decoderIds }) => decoderIds);
    const model = open.model(backbone, { users: encoder.length, items: decoder.length });
    const tables = {
      users: table(await vocabularyRows(directory, embedding, encoder), hiddenSize),
      items: table(await vocabularyRows(directory, embedding, decoder), hiddenSize),
    };
    let [firstUser, firstItem] = [0, 0];
    for (const [i, { encoderIds, decoderIds, targets, loss }] of sequences.entries()) {
      const [users, items] = [encoderIds.map((_, t) => firstUser + t), decoderIds.map((_, t) => firstItem + t)];
      const document = {
        encoderIds: users.map((user) => words + user),
        decoderIds: items.map((item) => words + encoder.length + item),
        targets,
      };
      const result = await model.nextWordLoss([document], tables);
      expectRelative([result.loss], [loss], "loss");
      expect([...result.gradients!.users.rows]).toEqual(users);
      expect([...result.gradients!.items.rows]).toEqual(items);
      expectRelative(result.gradients!.users.data, golden(`${i}.encoderGradient`), `document ${i}, encoder`);
      expectRelative(result.gradients!.items.data, golden(`${i}.decoderGradient`), `document ${i}, decoder`);
      firstUser += users.length;
      firstItem += items.length;
    }
    await model.dispose();
  });

  it("greedy continuations, with and without the key/value cache", async () => {
    const { backbone, words } = await setUp();
    const { layout } = backbone;
    if (layout.kind !== "encoder-decoder") throw new Error("T5 has an encoder");
    for (const { prompt, continuation } of greedy) {
      expect(continuation).toHaveLength(16);
      const cached: number[] = [];
      const options = { maxTokens: 16, stopTokens: [] };
      for await (const token of words.generate(prompt, noSoftTokens, options)) cached.push(token);
      expect(cached).toEqual(continuation);
      const decoderIds = [layout.decoderStart];
      while (decoderIds.length < 17) {
        const logits = await words.nextWordLogits([{ encoderIds: prompt, decoderIds }], noSoftTokens);
        decoderIds.push(logits.indexOf(Math.max(...logits)));
      }
      expect(decoderIds.slice(1)).toEqual(continuation);
      // A beginning of the answer may be given.
      const rest: number[] = [];
      const begun = { encoderIds: prompt, decoderIds: decoderIds.slice(0, 5) };
      for await (const token of words.generate(begun, noSoftTokens, { ...options, maxTokens: 12 })) rest.push(token);
      expect(rest).toEqual(continuation.slice(4));
    }
  });
});

it("distances fall into the buckets that transformers has for them", () => {
  interface Case {
    readonly positionBuckets: number;
    readonly maxDistance: number;
    readonly bidirectional: number[];
    readonly causal: number[];
  }
  const cases = goldenRecord<Case[]>("t5-buckets");
  expect(cases.length).toBeGreaterThan(3);
  for (const { bidirectional, causal, ...options } of cases) {
    // The golden goes three beyond the largest distance on either side, where nothing changes.
    const beyond = (found: number[]) => [
      ...new Array<number>(3).fill(found[0]!),
      ...found,
      ...new Array<number>(3).fill(found.at(-1)!),
    ];
    expect(beyond(distanceBuckets(options, true))).toEqual(bidirectional);
    expect(beyond(distanceBuckets(options, false))).toEqual(causal);
  }
});

it("T5 1.1 as transformers 5 saves it: tied, not scaled, without a head in the file", async () => {
  const name = "t5-tied-1.1";
  const { sequences } = goldenRecord<Pick<Golden, "sequences">>(name);
  const golden = await goldenTensors(name);
  const backbone = await open.backbone(modelDirectory(name));
  expect(backbone.config).toMatchObject({ tieWordEmbeddings: true, scaleWordHead: false });
  const model = open.model(backbone, { users: 0, items: 0 });
  for (const [i, { encoderIds, decoderIds }] of sequences.entries()) {
    const prefixes = decoderIds.map((_, t) => ({ encoderIds, decoderIds: decoderIds.slice(0, t + 1) }));
    expectRelative(await model.nextWordLogits(prefixes, noSoftTokens), golden(`${i}.logits`), `document ${i}`);
  }
});
