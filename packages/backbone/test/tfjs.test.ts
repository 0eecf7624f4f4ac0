// Models of every architecture on TensorFlow.js: values and gradients against transformers and against onnxruntime, and
// no tensor leaks.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Backbone, BaseModel, openCheckpoint, openFloat32Weights } from "@cllm4rec/backbone";
import { type Engine, onnxRuntime } from "@cllm4rec/onnx-grad";
import { type TfjsEngine, tfjs } from "@cllm4rec/onnx-grad/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  expectRelative,
  type GoldenModel,
  goldenRecord,
  goldenTensors,
  modelDirectory,
  noSoftTokens,
  table,
} from "./goldens.js";

/** ONNX_GRAD_TFJS_NODE: a folder with a built @tensorflow/tfjs-node, on which the same tests then run. */
const from = process.env.ONNX_GRAD_TFJS_NODE;
/** Language models; the encoders among the fixtures have tests of their own. */
const models = fs
  .readdirSync(path.dirname(modelDirectory("gpt2")))
  .filter((name) => !name.startsWith("encoder-"))
  .sort();
const tolerance = 1e-3;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-tfjs-"));
let engine: TfjsEngine;
let reference: Engine;
beforeAll(async () => {
  engine = await tfjs(from ? { from } : { backend: "wasm" });
  reference = onnxRuntime({ threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  await reference.dispose();
  fs.rmSync(folder, { recursive: true });
});

async function withModel<T>(
  name: string,
  runs: Engine,
  sizes: { users: number; items: number },
  use: (model: BaseModel) => Promise<T>,
): Promise<T> {
  const weights = { cacheDirectory: path.join(folder, "cache") };
  const backbone = await Backbone.open(modelDirectory(name), { engine: runs, weights });
  const model = new BaseModel(backbone, sizes);
  try {
    return await use(model);
  } finally {
    await model.dispose();
    await backbone.dispose();
  }
}

/** The frozen vocabulary embeddings of these tokens, [T, K]. */
async function vocabularyRows(name: string, ids: readonly number[]): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(modelDirectory(name));
  const weights = await openFloat32Weights(checkpoint, { cacheDirectory: path.join(folder, "cache") });
  const names = [
    ...["wte.weight", "transformer.wte.weight", "model.embed_tokens.weight", "model.decoder.embed_tokens.weight"],
    ...["gpt_neox.embed_in.weight", "lm_head.weight"],
  ];
  const found = names.find((candidate) => checkpoint.tensors.has(candidate))!;
  const width = weights.tensor(found).shape[1]!;
  const all = await weights.read(found);
  return Float32Array.from(ids.flatMap((id) => [...all.subarray(id * width, (id + 1) * width)]));
}

describe("against transformers", () => {
  it.each(models.filter((name) => !/^u?m?t5/.test(name)))(
    "%s: losses, and the gradient of every position",
    async (name) => {
      const { sequences } = goldenRecord<GoldenModel>(name);
      const golden = await goldenTensors(name);
      const before = engine.tensorCount();
      const short = sequences.filter(({ ids }) => ids.length <= 64);
      // Every position is a user token of its own, whose embedding is that of the vocabulary token which stands there.
      const all = short.flatMap(({ ids }) => ids);
      const rows = await vocabularyRows(name, all);
      await withModel(name, engine, { users: all.length, items: 0 }, async (model) => {
        const { words, width } = model.vocabulary;
        const tables = { users: table(rows, width), items: noSoftTokens.items };
        let first = words;
        for (const { ids, targets, loss } of short) {
          const i = sequences.findIndex((sequence) => sequence.ids === ids);
          const document = { ids: ids.map((_, t) => first + t), targets };
          first += ids.length;
          const result = await model.nextWordLoss([document], tables);
          expectRelative([result.loss], [loss], "loss", tolerance);
          expectRelative(result.gradients!.users.data, golden(`${i}.gradient`), `sequence ${i}`, tolerance);
        }
      });
      expect(short.length).toBeGreaterThanOrEqual(3);
      expect(engine.tensorCount()).toBe(before);
    },
  );
});

describe("against onnxruntime", () => {
  it.each(models)("%s: held-out losses and gradients of users and items", async (name) => {
    const sizes = { users: 4, items: 7 };
    const before = engine.tensorCount();
    const [expected, actual] = await Promise.all(
      [reference, engine].map((runs) =>
        withModel(name, runs, sizes, async (model) => {
          const { words: N, width } = model.vocabulary;
          const soft = (rows: number) =>
            table(
              Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i * 12.9898) * 0.3),
              width,
            );
          const item = N + sizes.users;
          const { layout } = model;
          const prompt = (ids: number[]) =>
            layout.kind === "encoder-decoder" ? { encoderIds: ids, decoderIds: [layout.decoderStart] } : { ids };
          const documents = [
            { ...prompt([N, 5, 6, item + 1, item + 4, item]), heldOut: [1, 2] },
            { ...prompt([N + 3, 9, item + 6]), heldOut: [3] },
          ];
          return model.heldOutLoss(documents, { users: soft(4), items: soft(7) }, { gradients: true });
        }),
      ),
    );
    expectRelative([actual!.loss], [expected!.loss], "loss", tolerance);
    for (const kind of ["users", "items"] as const) {
      expect([...actual!.gradients![kind].rows]).toEqual([...expected!.gradients![kind].rows]);
      expectRelative(actual!.gradients![kind].data, expected!.gradients![kind].data, kind, tolerance);
    }
    expect(engine.tensorCount()).toBe(before);
  });
});
