// Models of every architecture through onnxruntime's WebGPU provider (a GPU, or SwiftShader; CLLM4REC_GPU=cuda: through
// CUDA): values and gradients against transformers and against the CPU; nothing but arithmetic on shapes and positions
// is left to the CPU.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { type Engine, onnxRuntime } from "@cllm4rec/onnx-grad";
import { webGpuIsSoftware, webGpuUsable } from "@cllm4rec/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectRelative, type GoldenModel, goldenRecord, modelDirectory, noSoftTokens } from "./goldens.js";

const provider = process.env.CLLM4REC_GPU === "cuda" ? "cuda" : "webgpu";

/** All models with CLLM4REC_WEBGPU=full; else three on a GPU, and two where software takes its place. */
const present = fs
  .readdirSync(path.dirname(modelDirectory("gpt2")))
  .filter((name) => !name.startsWith("encoder-"))
  .sort();
const isSoftware = provider === "webgpu" && webGpuIsSoftware();
const full = process.env.CLLM4REC_WEBGPU === "full";
const chosen = full
  ? present
  : ["gpt2", ...(isSoftware ? [] : ["llama-gqa"]), "t5"].flatMap(
      (name) => present.find((model) => model.startsWith(name)) ?? [],
    );

/** What may run on the CPU: whatever only says where something is. */
const bookkeeping = new Set(
  (
    "Add And Cast Clip Concat ConstantOfShape Cos CumSum Div Equal Expand Floor Gather Greater GreaterOrEqual Less " +
    "LessOrEqual Log Min Max Mod Mul Neg Not Or Range Reshape Shape Sin Slice Squeeze Sub Unsqueeze Where"
  ).split(" "),
);

describe.runIf(webGpuUsable())(provider, () => {
  const notices: string[] = [];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-webgpu-"));
  let engines: { readonly cpu: Engine; readonly gpu: Engine };
  beforeAll(() => {
    const onNotice = (notice: string) => notices.push(notice);
    engines = {
      cpu: onnxRuntime({ threads: 1 }),
      gpu: onnxRuntime({ executionProvider: provider, threads: 1, onNotice }),
    };
  });
  afterAll(async () => {
    await engines.cpu.dispose();
    await engines.gpu.dispose();
    fs.rmSync(folder, { recursive: true });
  });

  async function withModel<T>(
    name: string,
    engine: Engine,
    sizes: { users: number; items: number },
    use: (model: BaseModel) => Promise<T>,
  ): Promise<T> {
    const backbone = await Backbone.open(modelDirectory(name), {
      engine,
      weights: { cacheDirectory: path.join(folder, "cache") },
    });
    const model = new BaseModel(backbone, sizes);
    try {
      return await use(model);
    } finally {
      await model.dispose();
      await backbone.dispose();
    }
  }

  it.each(chosen)("%s: losses and gradients are the CPU's", async (name) => {
    const sizes = { users: 4, items: 7 };
    const run = (engine: Engine) =>
      withModel(name, engine, sizes, async (model) => {
        const { words: N, width } = model.vocabulary;
        const table = (rows: number) => ({
          rows,
          data: Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i * 12.9898) * 0.3),
        });
        const item = N + sizes.users;
        const { layout } = model;
        const prompt = (ids: number[]) =>
          layout.kind === "encoder-decoder" ? { encoderIds: ids, decoderIds: [layout.decoderStart] } : { ids };
        const documents = [
          { ...prompt([N, 5, 6, item + 1, item + 4, item]), heldOut: [1, 2] },
          { ...prompt([N + 3, 9, item + 6]), heldOut: [3] },
        ];
        return model.heldOutLoss(documents, { users: table(4), items: table(7) }, { gradients: true });
      });
    const [expected, actual] = [await run(engines.cpu), await run(engines.gpu)];
    expectRelative([actual.loss], [expected.loss], "loss", 1e-5);
    for (const kind of ["users", "items"] as const)
      expectRelative(actual.gradients![kind].data, expected.gradients![kind].data, kind, 1e-3);
  });

  it.each(full ? chosen.filter((name) => !name.startsWith("t5")) : ["gpt2"])(
    "%s: losses are those of transformers",
    async (name) => {
      const { sequences } = goldenRecord<GoldenModel>(name);
      const short = sequences.filter(({ ids }) => ids.length < 64);
      await withModel(name, engines.gpu, { users: 0, items: 0 }, async (model) => {
        const result = await model.nextWordLoss(short, noSoftTokens, { gradients: false });
        const expected = short.map(({ ids, loss }) => loss * ids.length);
        expectRelative(result.documentLosses, expected, "document losses");
      });
    },
  );

  it("only bookkeeping is left to the CPU", () => {
    const onCpu = notices.flatMap((notice) =>
      notice
        .split("On the CPU: ")[1]!
        .split(", ")
        .map((entry) => entry.split(" ")[0]!),
    );
    expect(onCpu).toContain("Shape");
    expect(onCpu.filter((operator) => !bookkeeping.has(operator))).toEqual([]);
  });
});
