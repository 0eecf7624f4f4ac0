// Training-mode BatchNormalization next to other readers of the running mean: onnxruntime 1.30's own kernel overwrites
// it in place.
import { Graph, onnxRuntime, serializeModel, type Tensor } from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect, test } from "vitest";

const floats = (shape: number[], data: number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});

/** [1, 3] and [3, 7] normalised; the given mean is read again behind, and lies in the graph itself where `constant`. */
function build(constant: boolean) {
  const graph = new Graph("running");
  const { op } = graph;
  const x = graph.input("x", "float32", [2, 2]);
  const given = floats([2], [10, 20]);
  const mean = constant
    ? graph.initializer("mean", { dtype: "float32", shape: [2], data: Float32Array.of(10, 20) })
    : graph.input("mean", "float32", [2]);
  const [y, runningMean, runningVariance] = op.BatchNormalization(
    x,
    op.vector([1, 1]),
    op.vector([0, 0]),
    mean,
    op.vector([1, 1]),
    {
      training_mode: 1,
      momentum: 0.5,
      epsilon: 0,
    },
  );
  graph.output("y", y);
  // Read behind the normalisation, and no outputs by themselves: outputs have memory of their own.
  const behind = op.Mul(op.ReduceSum(y, [0], { keepdims: 0 }), 0);
  graph.output("running", op.Add(runningMean!, behind));
  graph.output("variance", op.Add(runningVariance!, behind));
  graph.output("before", op.Add(mean, behind));
  const feeds = { x: floats([2, 2], [1, 3, 3, 7]), ...(constant ? {} : { mean: given }) };
  return { graph, feeds };
}

test.each([false, true])("a given mean stays what it was, also for the next run (constant: %s)", async (constant) => {
  const engine = onnxRuntime({ threads: 1 });
  const { graph, feeds } = build(constant);
  const session = await engine.load(graph);
  for (let run = 0; run < 3; run++) {
    const { y, running, variance, before } = await session.run(feeds);
    expectClose(Array.from(y!.data, Number), [-1, -1, 1, 1], { rtol: 1e-5, label: "y" });
    expectClose(Array.from(running!.data, Number), [6, 12.5], { rtol: 1e-6, label: "running mean" });
    expectClose(Array.from(variance!.data, Number), [1, 2.5], { rtol: 1e-6, label: "running variance" });
    expectClose(Array.from(before!.data, Number), [10, 20], { rtol: 1e-6, label: "given mean" });
  }
  await engine.dispose();
});

test("onnxruntime itself still overwrites it; once it does not, cpu-lowering.ts can go", async () => {
  const { graph, feeds } = build(false);
  const session = await InferenceSession.create(serializeModel(graph).bytes, { logSeverityLevel: 4 });
  const tensors = Object.entries(feeds).map(([name, { data, shape }]) => [
    name,
    new OrtTensor("float32", (data as Float32Array).slice(), shape as number[]),
  ]);
  const { before } = await session.run(Object.fromEntries(tensors));
  expect(Array.from(before!.data as Float32Array)).toEqual([6, 12.5]);
});
