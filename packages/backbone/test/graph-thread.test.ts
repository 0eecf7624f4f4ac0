// Graphs are built, differentiated and serialised in a thread of their own, and give the same bits as when they are
// built here.
import { Backbone, BaseModel, type LossResult, TrainableBackbone } from "@cllm4rec/backbone";
import { compileGraph, type Engine, type Graph, onnxRuntime, type Session } from "@cllm4rec/onnx-grad";
import { sampled } from "@cllm4rec/testing";
import { afterAll, describe, expect, it } from "vitest";
import { DeclaredModel } from "../src/model/declared-model.js";
import { buildGraph, type GraphRequest } from "../src/model/graph-request.js";
import { modelDirectory, modelOpener } from "./goldens.js";

const folder = modelOpener().folder;
const weights = { cacheDirectory: `${folder}/cache` };
const inner = onnxRuntime({ threads: 1 });
afterAll(() => inner.dispose());

/** An engine that takes graphs in one form only. */
function only(form: "graphs" | "compiled"): Engine & { loaded: string[] } {
  const loaded: string[] = [];
  const { description } = inner;
  const dispose = async () => {};
  const took = (name: string, session: Promise<Session>) => {
    loaded.push(name);
    return session;
  };
  if (form === "graphs") return { description, dispose, loaded, load: (graph) => took(graph.name, inner.load(graph)) };
  return {
    description,
    dispose,
    loaded,
    compilesFor: inner.compilesFor,
    loadCompiled: (compiled) => took(compiled.name, inner.loadCompiled(compiled)),
    load: (graph: Graph) => Promise.reject(new Error(`the graph ${graph.name} was built in the caller's thread`)),
  };
}

const sizes = { users: 3, items: 5 };
const rows = (count: number, width: number) => ({
  rows: count,
  data: Float32Array.from({ length: count * width }, (_, i) => Math.sin(i + 1)),
});

/** Everything that a base model computes, over the three heads. */
async function everything(model: BaseModel<Backbone | TrainableBackbone>): Promise<unknown[]> {
  const { words, width } = model.vocabulary;
  const tables = { users: rows(sizes.users, width), items: rows(sizes.items, width) };
  const ids = [words + 1, 3, words + sizes.users + 2, 4];
  const isPair = model.layout.kind === "encoder-decoder";
  const prompt = isPair ? { encoderIds: ids, decoderIds: [0] } : { ids };
  const document = (targets: number[]) => (isPair ? { encoderIds: ids, decoderIds: ids, targets } : { ids, targets });
  const item = words + sizes.users + 1;
  const dropout = { seed: 7, backbone: true, softTokens: 0.1 };
  const results: LossResult[] = [
    await model.nextItemLoss([document([-1, item, -1, item])], tables),
    await model.nextWordLoss([document([-1, 2, -1, 5])], tables, { dropout }),
    await model.heldOutLoss([{ ...prompt, heldOut: [1, 4] }], tables),
    await model.nextItemLoss([document([-1, item, -1, item])], tables, { gradients: false }),
  ];
  const sequence = isPair ? { encoderIds: ids, decoderIds: [0] } : ids;
  const generated: number[] = [];
  for await (const token of model.generate(ids, tables, { maxTokens: 3 })) generated.push(token);
  return [
    ...results,
    await model.itemScores([sequence], tables),
    await model.nextWordLogits([sequence], tables),
    await model.hiddenStates([sequence], tables),
    generated,
  ];
}

describe.each(sampled(["gpt2", "t5-gated"], ["gpt2", "llama-gqa", "t5-gated"]))("over %s", (name) => {
  it.each(["frozen", "trainable"])(
    "the caller's thread builds no graph, and every bit is the same: %s weights",
    async (kind) => {
      const [elsewhere, here] = [only("compiled"), only("graphs")];
      const run = async (engine: Engine) => {
        const options = { weights, engine };
        const directory = modelDirectory(name);
        const backbone = await (kind === "frozen"
          ? Backbone.open(directory, options)
          : TrainableBackbone.open(directory, options));
        const model = new BaseModel(backbone, sizes);
        const results = await everything(model);
        await model.dispose();
        return results;
      };
      expect(await run(elsewhere)).toEqual(await run(here));
      expect(elsewhere.loaded).toEqual(here.loaded);
      expect(elsewhere.loaded.length).toBeGreaterThanOrEqual(8);
    },
  );

  it("the declaration gives the same model, byte by byte, after a copy to another thread", async () => {
    const backbone = await Backbone.open(modelDirectory(name), { weights, engine: inner });
    const request: GraphRequest = {
      kind: "loss",
      width: backbone.config.hiddenSize,
      options: { head: "items", gradients: true, queryBlocks: 1, lastOnly: false },
    };
    const declared = new DeclaredModel(structuredClone(backbone.declaration));
    const there = structuredClone(compileGraph(buildGraph(declared, request)));
    expect(there).toEqual(compileGraph(buildGraph(backbone, request)));
    await backbone.dispose();
  });
});

it("an engine refuses a graph that was compiled for another provider", async () => {
  const backbone = await Backbone.open(modelDirectory("gpt2"), { weights, engine: inner });
  const compiled = compileGraph(
    buildGraph(backbone, { kind: "hidden", width: backbone.config.hiddenSize, queryBlocks: 1 }),
    "webgpu",
  );
  await expect(inner.loadCompiled(compiled)).rejects.toThrow(
    "graph hidden states: the graph was compiled for webgpu, this engine computes with cpu",
  );
  await backbone.dispose();
});
