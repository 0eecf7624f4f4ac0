// When the TensorFlow.js engine frees what: the plan's last uses.
import { expect, test } from "vitest";
import { makePlan } from "../src/engine/tfjs/plan.js";
import { Graph, type Value } from "../src/graph/graph.js";

test("outputs of a node that nobody uses are freed with it", () => {
  const graph = new Graph("parts");
  const [first, second] = graph.op.Split(graph.input("x", "float32", [4]), 2) as [Value, Value];
  graph.output("y", graph.op.Exp(first));
  graph.output("z", graph.op.Exp(second));
  const lastUses = (...names: string[]) =>
    makePlan(graph.nodes, new Map(names.map((name) => [name, graph.outputs.get(name)!]))).steps.map(({ lastUses }) =>
      lastUses.map(({ name }) => name),
    );
  expect(lastUses("y", "z")).toEqual([["x"], ["Split"], ["Split.1"]]);
  expect(lastUses("y")).toEqual([["x", "Split.1"], ["Split"]]);
});
