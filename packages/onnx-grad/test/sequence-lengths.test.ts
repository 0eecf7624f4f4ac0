// Sequences of different lengths through GRU and LSTM: both engines agree, and a sequence that has ended keeps its
// state.
import { type Engine, Graph, onnxRuntime, type Tensor } from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { expect, test } from "vitest";
import { toNumbers } from "./support/cases.js";
import { openTfjs } from "./support/tfjs.js";

const [T, B, I, H] = [4, 3, 2, 2];
const wave = (shape: number[], phase: number): Tensor => {
  const length = shape.reduce((a, b) => a * b, 1);
  return { dtype: "float32", shape, data: Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i + phase)) };
};

async function run(engine: Engine, type: "GRU" | "LSTM"): Promise<Record<string, Tensor>> {
  const gates = type === "GRU" ? 3 : 4;
  const graph = new Graph(type);
  const feeds: Record<string, Tensor> = {
    X: wave([T, B, I], 0),
    W: wave([1, gates * H, I], 1),
    R: wave([1, gates * H, H], 2),
    B: wave([1, 2 * gates * H], 3),
    lengths: { dtype: "int32", shape: [B], data: Int32Array.of(4, 1, 2) },
  };
  const inputs = Object.entries(feeds).map(([name, { dtype, shape }]) => graph.input(name, dtype, shape));
  const node = graph.node(type, inputs, { hidden_size: H });
  for (let i = 0; i < (type === "GRU" ? 2 : 3); i++) graph.output(`y${i}`, node.output(i));
  return (await engine.load(graph)).run(feeds);
}

test.each(["GRU", "LSTM"] as const)("%s", async (type) => {
  const engines = [onnxRuntime({ threads: 1 }), await openTfjs("cpu")];
  const [expected, found] = await Promise.all(engines.map((engine) => run(engine, type)));
  for (const [name, { shape, data }] of Object.entries(expected!)) {
    expect(found![name]!.shape).toEqual(shape);
    expectClose(toNumbers(found![name]!.data), toNumbers(data), { rtol: 1e-5, atol: 1e-6, label: name });
  }
  const [all, last] = [toNumbers(expected!.y0!.data), toNumbers(expected!.y1!.data)];
  const step = (t: number, b: number) => all.slice((t * B + b) * H, (t * B + b + 1) * H);
  expect(last).toEqual([...step(3, 0), ...step(0, 1), ...step(1, 2)]);
  expect(step(2, 1)).toEqual([0, 0]);
  for (const engine of engines) await engine.dispose();
});
