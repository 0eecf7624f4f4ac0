// A trained model as one ONNX file: onnxruntime by itself gives the scores and embeddings of the base model.
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { portableGraph, type SoftTables } from "@cllm4rec/backbone";
import { serializeModel } from "@cllm4rec/onnx-grad";
import { expect, it, onTestFinished } from "vitest";
import { expectRelative, modelDirectory, modelOpener, table } from "./goldens.js";

const open = modelOpener();
/** The runtime that onnx-grad depends on, without anything of ours around it. */
const runtime = createRequire(createRequire(import.meta.url).resolve("@cllm4rec/onnx-grad"))("onnxruntime-node");
/** Width of the LMs. */
const K = 16;
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i) / 2);

it.each([
  ["llama", K],
  ["llama", K + 5],
  ["gpt2", K],
  ["gemma3", K],
  ["opt", K],
])("%s, embeddings of width %i: prompts of several lengths, with and without the skip path", async (name, D) => {
  const plain: SoftTables = { users: table(numbers(3 * D, 1), D), items: table(numbers(4 * D, 2), D) };
  const model = await open.model(await open.backbone(modelDirectory(name)), { users: 3, items: 4, width: D });
  const N = model.vocabulary.words;
  const prompts = [
    [5, N, N + 3, 7],
    [5, N + 4, 6, N + 6, N + 5],
    [5, 9],
  ];
  const [B, T] = [prompts.length, 5];
  const fill = (value: (ids: readonly number[], t: number) => number) =>
    BigInt64Array.from({ length: B * T }, (_, i) => BigInt(value(prompts[Math.floor(i / T)]!, i % T)));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "backbone-onnx-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const tables of [plain, { ...plain, skipGain: numbers(D, 3) }]) {
    const file = path.join(folder, "model.onnx");
    const { bytes, externalFolder } = serializeModel(portableGraph(model, tables), { embed: true });
    expect(externalFolder).toBeUndefined();
    fs.writeFileSync(file, bytes);
    const session = await runtime.InferenceSession.create(file);
    const found = await session.run({
      // The filling is an item, which must not count.
      input_ids: new runtime.Tensor(
        "int64",
        fill((ids, t) => ids[t] ?? N + 6),
        [B, T],
      ),
      attention_mask: new runtime.Tensor(
        "int64",
        fill((ids, t) => (t < ids.length ? 1 : 0)),
        [B, T],
      ),
    });
    expectRelative(found.scores.data, Array.from(await model.itemScores(prompts, tables)), "scores");
    expectRelative(found.user_embedding.data, Array.from(await model.userStates(prompts, tables)), "states");
    await session.release();
  }
});
