// A copy of a graph in which some nodes are written as others.
import { Graph, type Node, type Value } from "../graph/graph.js";
import { LoweringContext, type OperatorSpec } from "../operators/definition.js";
import { reachable } from "./prune.js";

/** Builds what replaces a node, from its inputs in the new graph; gives a value for each output. */
export type Lowering = NonNullable<OperatorSpec["lower"]>;

/**
 * Copies the graph. Inputs, outputs, their names and their values stay the same, and so do the names of the nodes that
 * are copied; those that replace a node carry its name in front.
 * @param lowering what replaces a node; `undefined` where it is copied
 */
export function rewrite(graph: Graph, lowering: (node: Node) => Lowering | undefined): Graph {
  const rewritten = new Graph(graph.name);
  const copies = new Map<Value, Value>();
  for (const [name, input] of graph.inputs) copies.set(input, rewritten.input(name, input.dtype, input.shape));
  const { nodes, initializers } = reachable(graph);
  for (const value of initializers) copies.set(value, rewritten.initializer(value.name, value.constant!));
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => input && copies.get(input));
    const lower = lowering(node);
    const outputs = lower
      ? rewritten.scope(node.name, () => lower(new LoweringContext(inputs, node.attributes, rewritten.op)))
      : copyNode(rewritten, node, inputs);
    node.outputs.forEach((output, i) => {
      if (output) copies.set(output, outputs[i]!);
    });
  }
  for (const [name, value] of graph.outputs) rewritten.output(name, copies.get(value)!);
  return rewritten;
}

function copyNode(graph: Graph, node: Node, inputs: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  const copy = graph.node(node.type, inputs, node.attributes, node.name);
  return node.outputs.map((output, i) => output && copy.output(i));
}
