// Sizes that only the data tell: what Compress and NonZero yield goes on through products, losses and gradients.
import { Graph, GraphError, gradients, onnxRuntime, type Tensor, toPortable } from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { expect, test } from "vitest";
import { openTfjs } from "./support/tfjs.js";

/** The mean of squares of x·w over the rows of [B, 2] for which the mask is true, and its gradients. */
function build() {
  const graph = new Graph("selected");
  const { op } = graph;
  const x = graph.input("x", "float32", ["B", 2]);
  const mask = graph.input("mask", "bool", ["B"]);
  const w = graph.input("w", "float32", [2, 1]);
  const scale = graph.input("scale", "float32", ["B", 1]);
  const rows = op.Compress(op.MatMul(x, w), mask, { axis: 0 });
  // Two selections by one condition have one size, and so have shapes made of it.
  const scaled = op.Mul(rows, op.Compress(scale, mask, { axis: 0 }));
  const flat = op.Reshape(scaled, [-1]);
  const loss = op.ReduceMean(op.Mul(flat, op.Expand(op.scalar(1), flat.shape)), undefined, { keepdims: 0 });
  graph.output("loss", loss);
  graph.output("flat", flat);
  gradients(graph, loss, [x, w, scale]).forEach((value, i) => {
    graph.output(["dx", "dw", "dscale"][i]!, value);
  });
  return { graph, rows, flat };
}

const floats = (shape: number[], data: number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});
const numbers = (tensor: Tensor | undefined) => Array.from(tensor!.data, Number);

test("the size is a symbol of the condition", () => {
  const { rows, flat } = build();
  expect(rows.shape).toEqual(["nonzero_of_mask", 1]);
  expect(flat.shape).toEqual(["nonzero_of_mask"]);
});

test.each(["onnxruntime", "TensorFlow.js"])("selected rows alone take part in loss and gradient: %s", async (name) => {
  const engine = name === "onnxruntime" ? onnxRuntime({ threads: 1 }) : await openTfjs("cpu");
  const { graph } = build();
  for (const variant of [graph, toPortable(graph)]) {
    const session = await engine.load(variant);
    for (const mask of [
      [1, 0, 1],
      [0, 1, 0],
      [1, 1, 1],
    ]) {
      // biome-ignore format: one line
      const feeds = {
        x: floats([3, 2], [1, 2, 3, 4, 5, 6]),
        mask: { dtype: "bool" as const, shape: [3], data: Uint8Array.from(mask) },
        w: floats([2, 1], [0.5, -1]),
        scale: floats([3, 1], [2, 3, 4]),
      };
      const results = await session.run(feeds);
      const y = [-1.5, -2.5, -3.5];
      const taken = [0, 1, 2].filter((i) => mask[i] === 1);
      const part = (i: number, slope: number) => (mask[i] === 1 ? slope / taken.length : 0);
      // biome-ignore format: one line
      expectClose(numbers(results.flat), taken.map((i) => y[i]! * (i + 2)), { label: "flat" });
      // biome-ignore format: one line
      expectClose(numbers(results.dscale), [0, 1, 2].map((i) => part(i, y[i]!)), { label: "dscale" });
      const dx = [0, 1, 2].flatMap((i) => [part(i, (i + 2) * 0.5), -part(i, i + 2)]);
      expectClose(numbers(results.dx), dx, { label: "dx" });
    }
    await session.dispose();
  }
  await engine.dispose();
});

test("an array cannot be reused for an output whose size the data tell", async () => {
  const engine = onnxRuntime({ threads: 1 });
  const { graph } = build();
  const session = await engine.load(graph);
  const feeds = {
    x: floats([1, 2], [1, 2]),
    mask: { dtype: "bool" as const, shape: [1], data: Uint8Array.of(1) },
    w: floats([2, 1], [1, 1]),
    scale: floats([1, 1], [1]),
  };
  await expect(session.run(feeds, { reuse: { flat: new Float32Array(1) } })).rejects.toThrow(
    "output flat: the size nonzero_of_mask does not follow from the inputs",
  );
  await engine.dispose();
});

test("selections by two conditions do not fit together", () => {
  const graph = new Graph("g");
  const x = graph.input("x", "float32", ["B"]);
  const [first, second] = [graph.input("first", "bool", ["B"]), graph.input("second", "bool", ["B"])];
  expect(() => graph.op.Add(graph.op.Compress(x, first), graph.op.Compress(x, second))).toThrow(GraphError);
});
