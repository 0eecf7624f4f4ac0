// Rewrites a graph so that it holds operators of the ONNX standard only.
import { Graph, type Node, type Value } from "../graph/graph.js";
import { LoweringContext } from "../operators/definition.js";
import { reachable } from "./prune.js";

/**
 * A copy of the graph in which every operator of onnxruntime's own domain is written in standard operators: slower, but runnable by any
 * ONNX engine. Inputs, outputs, their names and their values stay the same, and so do the names of the nodes that are copied; those that
 * replace a node carry its name in front.
 */
export function toPortable(graph: Graph): Graph {
  const portable = new Graph(graph.name);
  const copies = new Map<Value, Value>();
  for (const [name, input] of graph.inputs) copies.set(input, portable.input(name, input.dtype, input.shape));
  const { nodes, initializers } = reachable(graph);
  for (const value of initializers) copies.set(value, portable.initializer(value.name, value.constant!));
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => input && copies.get(input));
    const { lower } = node.definition;
    const outputs = lower
      ? portable.scope(node.name, () => lower(new LoweringContext(inputs, node.attributes, portable.op)))
      : copyNode(portable, node, inputs);
    node.outputs.forEach((output, i) => {
      if (output) copies.set(output, outputs[i]!);
    });
  }
  for (const [name, value] of graph.outputs) portable.output(name, copies.get(value)!);
  return portable;
}

function copyNode(graph: Graph, node: Node, inputs: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  const copy = graph.node(node.type, inputs, node.attributes, node.name);
  return node.outputs.map((output, i) => output && copy.output(i));
}
