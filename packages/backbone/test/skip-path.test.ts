// The skip path around the LM: scores by their definition, and gradients by finite differences.
import type { BaseModel, SoftTables } from "@cllm4rec/backbone";
import { beforeAll, describe, expect, it } from "vitest";
import { expectRelative, modelDirectory, modelOpener, table } from "./goldens.js";

const open = modelOpener();
const K = 16;
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i) / 2);
const plain: SoftTables = { users: table(numbers(3 * K, 1), K), items: table(numbers(4 * K, 2), K) };
const skipGain = numbers(K, 3);
const skipping: SoftTables = { ...plain, skipGain };
/** Words, a user, and one, three and no items. @param N the model's words, which users 0 … 2 and items 0 … 3 follow */
const promptsOf = (N: number) => [
  [5, N, N + 3, 7],
  [5, N + 4, 6, N + 6, N + 5],
  [5, 9],
];

describe.each(["llama", "gpt2", "t5"])("%s", (name) => {
  let model: BaseModel;
  let N: number;
  let prompts: number[][];
  beforeAll(async () => {
    model = await open.model(await open.backbone(modelDirectory(name)), { users: 3, items: 4 });
    N = model.vocabulary.words;
    prompts = promptsOf(N);
  });

  it("adds gain ∘ Σz/√n over the prompt's items to the state that scores", async () => {
    const [without, withPath] = [await model.userStates(prompts, plain), await model.userStates(prompts, skipping)];
    const scale = model.backbone.tiedHeadScale;
    const expected = prompts.flatMap((ids, p) => {
      const rows = ids.filter((id) => id >= N + 3).map((id) => id - N - 3);
      return Array.from({ length: K }, (_, k) => {
        const sum = rows.reduce((total, row) => total + plain.items.data[row * K + k]!, 0);
        return without[p * K + k]! + (rows.length > 0 ? (scale * skipGain[k]! * sum) / Math.sqrt(rows.length) : 0);
      });
    });
    expectRelative(withPath, expected, "states");
    const scores = await model.itemScores(prompts, skipping);
    const products = prompts.flatMap((_, p) =>
      Array.from({ length: 4 }, (_, j) =>
        plain.items.data.subarray(j * K, (j + 1) * K).reduce((sum, z, k) => sum + z * withPath[p * K + k]!, 0),
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
    for (const k of [0, 5, 15]) {
      const slope = await moved(skipGain, k, (gain) => ({ ...plain, skipGain: gain }));
      expect(gradients!.skipGain![k]).toBeCloseTo(slope, 2);
    }
    for (const at of [3, K + 2, 2 * K + 7, 3 * K]) {
      const slope = await moved(plain.items.data, at, (data) => ({ ...skipping, items: table(data, K) }));
      expect(gradients!.items.data[at]).toBeCloseTo(slope, 2);
    }
  });
});

it("refuses a gain of another width", async () => {
  const model = await open.model(await open.backbone(modelDirectory("llama")), { users: 3, items: 4 });
  await expect(model.itemScores([[1, 51]], { ...plain, skipGain: new Float32Array(3) })).rejects.toThrow(
    new RangeError("skipGain: 3 numbers, expected 16"),
  );
});

function documentOf({ layout }: BaseModel, ids: number[], heldOut: number[]) {
  if (layout.kind === "decoder-only") return { ids, heldOut };
  return { encoderIds: ids, decoderIds: [layout.decoderStart], heldOut };
}
