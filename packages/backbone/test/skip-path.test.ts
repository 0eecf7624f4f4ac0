// The skip path around the LM, with embeddings as wide as the LM and wider: scores by their definition, and gradients
// by finite differences.
import { BaseModel, type SoftTables } from "@cllm4rec/backbone";
import { beforeAll, describe, expect, it } from "vitest";
import { expectRelative, modelDirectory, modelOpener, table } from "./goldens.js";

const open = modelOpener();
/** Width of the LMs. */
const K = 16;
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i) / 2);
const tablesOf = (D: number): SoftTables => ({
  users: table(numbers(3 * D, 1), D),
  items: table(numbers(4 * D, 2), D),
});
/** Words, a user, and one, three and no items. @param N the model's words, which users 0 … 2 and items 0 … 3 follow */
const promptsOf = (N: number) => [
  [5, N, N + 3, 7],
  [5, N + 4, 6, N + 6, N + 5],
  [5, 9],
];

describe.each([
  ["llama", K],
  ["llama", K + 5],
  ["gpt2", K],
  ["t5", K],
  ["t5", 2 * K],
])("%s, embeddings of width %i", (name, D) => {
  const plain = tablesOf(D);
  const skipGain = numbers(D, 3);
  const skipping: SoftTables = { ...plain, skipGain };
  let model: BaseModel;
  let N: number;
  let prompts: number[][];
  beforeAll(async () => {
    model = await open.model(await open.backbone(modelDirectory(name)), { users: 3, items: 4, width: D });
    N = model.vocabulary.words;
    prompts = promptsOf(N);
  });

  it("adds gain ∘ Σz/√n over the prompt's items to the state that scores", async () => {
    const [without, withPath] = [await model.userStates(prompts, plain), await model.userStates(prompts, skipping)];
    const scale = model.backbone.tiedHeadScale;
    const expected = prompts.flatMap((ids, p) => {
      const rows = ids.filter((id) => id >= N + 3).map((id) => id - N - 3);
      return Array.from({ length: D }, (_, k) => {
        const sum = rows.reduce((total, row) => total + plain.items.data[row * D + k]!, 0);
        return without[p * D + k]! + (rows.length > 0 ? (scale * skipGain[k]! * sum) / Math.sqrt(rows.length) : 0);
      });
    });
    expectRelative(withPath, expected, "states");
    const scores = await model.itemScores(prompts, skipping);
    const products = prompts.flatMap((_, p) =>
      Array.from({ length: 4 }, (_, j) =>
        plain.items.data.subarray(j * D, (j + 1) * D).reduce((sum, z, k) => sum + z * withPath[p * D + k]!, 0),
      ),
    );
    expectRelative(scores, products, "scores");
  });

  it("has the gradients of finite differences, for the gain, items and users", async () => {
    const documents = prompts.slice(0, 2).map((ids, p) => documentOf(model, ids, [p, 3]));
    const lossAt = async (tables: SoftTables) =>
      (await model.heldOutLoss(documents, tables, { gradients: false })).loss;
    const { gradients } = await model.heldOutLoss(documents, skipping);
    const moved = async (data: Float32Array, at: number, tables: (data: Float32Array) => SoftTables) => {
      const by = 2e-3;
      const [up, down] = [data.slice(), data.slice()];
      up[at]! += by;
      down[at]! -= by;
      return ((await lossAt(tables(up))) - (await lossAt(tables(down)))) / (up[at]! - down[at]!);
    };
    for (const k of [0, 5, D - 1]) {
      const slope = await moved(skipGain, k, (gain) => ({ ...plain, skipGain: gain }));
      expect(gradients!.skipGain![k]).toBeCloseTo(slope, 2);
    }
    for (const at of [3, D + 2, 3 * D - 1, 3 * D]) {
      const slope = await moved(plain.items.data, at, (data) => ({ ...skipping, items: table(data, D) }));
      expect(gradients!.items.data[at]).toBeCloseTo(slope, 2);
    }
  });
});

it("the LM reads the first numbers of wider embeddings: words and hidden states are the same", async () => {
  const backbone = await open.backbone(modelDirectory("llama"));
  const sizes = { users: 3, items: 4 };
  const [narrow, wide] = [await open.model(backbone, sizes), await open.model(backbone, { ...sizes, width: K + 5 })];
  const tables = tablesOf(K + 5);
  const first = ({ rows, data }: SoftTables["items"]) =>
    table(
      Float32Array.from({ length: rows * K }, (_, at) => data[Math.floor(at / K) * (K + 5) + (at % K)]!),
      K,
    );
  const same: SoftTables = { users: first(tables.users), items: first(tables.items) };
  const prompts = promptsOf(narrow.vocabulary.words);
  expect(await wide.nextWordLogits(prompts, tables)).toEqual(await narrow.nextWordLogits(prompts, same));
  expect(await wide.hiddenStates(prompts, tables)).toEqual(await narrow.hiddenStates(prompts, same));
  // Without a skip path the other dimensions have no effect.
  expectRelative(await wide.itemScores(prompts, tables), await narrow.itemScores(prompts, same), "scores");
  const generate = async (model: BaseModel, soft: SoftTables) => {
    const tokens: number[] = [];
    for await (const token of model.generate(prompts[0]!, soft, { maxTokens: 4 })) tokens.push(token);
    return tokens;
  };
  expect(await generate(wide, tables)).toEqual(await generate(narrow, same));
});

it("a model of other sizes has embeddings of the same width", async () => {
  const model = await open.model(await open.backbone(modelDirectory("llama")), { users: 3, items: 4, width: K + 5 });
  const more = model.withSizes({ users: 3, items: 6 });
  expect(more.vocabulary).toEqual({ ...model.vocabulary, items: 6 });
  const tables = { ...tablesOf(K + 5), items: table(numbers(6 * (K + 5), 2), K + 5) };
  const N = model.vocabulary.words;
  expect((await more.itemScores([[5, N + 8]], tables)).length).toBe(6);
});

it("refuses embeddings that are narrower than the LM", async () => {
  const backbone = await open.backbone(modelDirectory("llama"));
  expect(() => new BaseModel(backbone, { users: 3, items: 4, width: 8 })).toThrow(
    new RangeError("width: 8, expected at least the LM's 16"),
  );
});

it("refuses a gain of another width", async () => {
  const model = await open.model(await open.backbone(modelDirectory("llama")), { users: 3, items: 4 });
  await expect(model.itemScores([[1, 51]], { ...tablesOf(K), skipGain: new Float32Array(3) })).rejects.toThrow(
    new RangeError("skipGain: 3 numbers, expected 16"),
  );
});

function documentOf({ layout }: BaseModel, ids: number[], heldOut: number[]) {
  if (layout.kind === "decoder-only") return { ids, heldOut };
  return { encoderIds: ids, decoderIds: [layout.decoderStart], heldOut };
}
