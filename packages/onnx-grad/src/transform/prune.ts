// What the outputs need, and nothing else: nodes and constants in topological order.
import type { Graph, Node, Value } from "../graph/graph.js";

/**
 * The nodes that the graph's outputs depend on, and the constants that those nodes (or outputs) use, in their original
 * order.
 */
export function reachable(graph: Graph): { nodes: Node[]; initializers: Value[] } {
  const wanted = new Set<Value>(graph.outputs.values());
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => output && wanted.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) if (input) wanted.add(input);
  }
  return { nodes: nodes.reverse(), initializers: graph.initializers.filter((value) => wanted.has(value)) };
}
