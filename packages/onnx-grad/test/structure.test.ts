// What differentiation adds to a graph, node by node: nothing for what nobody asked for.
import { Graph, gradients, type Value } from "@cllm4rec/onnx-grad";
import { expect, test } from "vitest";

/** A layer of a frozen model: y = gelu(x·W + b), then a loss. */
function frozenLayer(): { graph: Graph; x: Value; w: Value; b: Value; loss: Value } {
  const graph = new Graph("layer");
  const x = graph.input("x", "float32", ["B", 3]);
  const w = graph.initializer("w", { dtype: "float32", shape: [3, 4], data: new Float32Array(12) });
  const b = graph.initializer("b", { dtype: "float32", shape: [4], data: new Float32Array(4) });
  const y = graph.op.Tanh(graph.op.Add(graph.op.MatMul(x, w), b));
  return { graph, x, w, b, loss: graph.op.ReduceSum(y, undefined, { keepdims: 0 }) };
}

const added = (graph: Graph, build: () => void): string[] => {
  const before = graph.nodes.length;
  build();
  return graph.nodes.slice(before).map(({ type }) => type);
};

test("frozen weights add no nodes: x alone costs one product", () => {
  const { graph, x, loss } = frozenLayer();
  const types = added(graph, () => gradients(graph, loss, [x]));
  expect(types.filter((type) => type === "FusedMatMul")).toHaveLength(1);
  expect(types).not.toContain("ReduceSum");
});

test("a weight costs its own product and nothing for x", () => {
  const { graph, w, loss } = frozenLayer();
  const types = added(graph, () => gradients(graph, loss, [w]));
  expect(types.filter((type) => type === "FusedMatMul")).toHaveLength(1);
  expect(types).not.toContain("ReduceSum");
});

test("a bias costs a sum and no product", () => {
  const { graph, b, loss } = frozenLayer();
  const types = added(graph, () => gradients(graph, loss, [b]));
  expect(types.filter((type) => type === "ReduceSum")).toHaveLength(1);
  expect(types.filter((type) => type.includes("MatMul"))).toEqual([]);
});

test("all three together cost what they cost alone", () => {
  const { graph, x, w, b, loss } = frozenLayer();
  const types = added(graph, () => gradients(graph, loss, [x, w, b]));
  expect(types.filter((type) => type === "FusedMatMul")).toHaveLength(2);
  expect(types.filter((type) => type === "ReduceSum")).toHaveLength(1);
});

test("branches that lead from no target, or to no loss, are not visited", () => {
  const graph = new Graph("branches");
  const [x, other] = [graph.input("x", "float32", [2]), graph.input("other", "float32", [2])];
  const { op } = graph;
  const fromOther = op.ReduceProd(op.Exp(other), undefined, { keepdims: 0 });
  op.ReduceProd(op.Exp(x), undefined, { keepdims: 0 }); // leads to no loss
  const loss = op.Mul(op.ReduceSum(x, undefined, { keepdims: 0 }), fromOther);
  const types = added(graph, () => gradients(graph, loss, [x]));
  expect(types).not.toContain("Exp");
  expect(types.length).toBeLessThanOrEqual(3);
});

test("a target the loss does not depend on gets zeros, one that is the loss itself gets ones", () => {
  const graph = new Graph("trivial");
  const [x, loss] = [graph.input("x", "float32", [2]), graph.input("loss", "float32", [])];
  const [dx, dLoss] = gradients(graph, loss, [x, loss]);
  expect(dx!.shape).toEqual([2]);
  expect(dx!.producer!.type).toBe("Expand");
  expect(dLoss!.constant).toMatchObject({ shape: [], data: Float32Array.of(1) });
});

test("a value used several times is visited once and its gradients are added", () => {
  const graph = new Graph("shared");
  const x = graph.input("x", "float32", [2]);
  const { op } = graph;
  const hidden = op.Tanh(x);
  const loss = op.ReduceSum(op.Mul(op.Mul(hidden, hidden), hidden), undefined, { keepdims: 0 });
  const names = graph.nodes.length;
  gradients(graph, loss, [x]);
  const ofTanh = graph.nodes.slice(names).filter(({ name }) => name.startsWith("gradient/Tanh/"));
  expect(ofTanh.filter(({ type }) => type === "Sub")).toHaveLength(1);
});

test("nodes of a gradient carry the name of the node they belong to", () => {
  const { graph, x, loss } = frozenLayer();
  gradients(graph, loss, [x]);
  const names = graph.nodes.map(({ name }) => name);
  expect(names).toContain("gradient/MatMul/FusedMatMul");
  expect(new Set(names).size).toBe(names.length);
});

test("equal small constants are shared, -0 and 0 kept apart", () => {
  const graph = new Graph("constants");
  expect(graph.constant(2)).toBe(graph.constant(2));
  expect(graph.constant([1, 2])).not.toBe(graph.constant([1, 2], { dtype: "float64" }));
  expect(graph.constant(0)).not.toBe(graph.constant(-0));
});
