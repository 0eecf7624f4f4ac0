// What a session runs: the nodes that given outputs need, in order, with the kernel of each and the values that are
// done with after it.
import type { Node, Value } from "../../graph/graph.js";
import type { DType } from "../../graph/tensor.js";
import { EngineError } from "../engine.js";
import type { Kernel } from "./kernels/kernel.js";
import { findKernel } from "./kernels/table.js";

export interface Step {
  readonly node: Node;
  /** Absent for Shape, which needs no computing. */
  readonly kernel: Kernel | undefined;
  /** Values whose last use this is, outputs that nobody uses included. */
  readonly lastUses: readonly Value[];
}

export interface Plan {
  readonly steps: readonly Step[];
  readonly outputs: ReadonlyMap<string, Value>;
}

/** Tensors of TensorFlow.js have at most this many dimensions. */
const mostDimensions = 6;

export const isInteger = (dtype: DType): boolean => dtype !== "float32" && dtype !== "float64" && dtype !== "bool";

/** @throws EngineError naming the value or node that TensorFlow.js cannot represent or compute. */
export function checkSupported(graphName: string, values: Iterable<Value>, nodes: readonly Node[]): void {
  const check = (value: Value) => {
    const node = value.producer?.name;
    if (value.dtype === "float64") {
      throw new EngineError(graphName, `${value}: TensorFlow.js has no float64; build the graph in float32`, node);
    }
    if (!isInteger(value.dtype) && value.rank > mostDimensions) {
      throw new EngineError(graphName, `${value}: TensorFlow.js has at most ${mostDimensions} dimensions`, node);
    }
  };
  for (const value of values) check(value);
  for (const node of nodes) {
    for (const output of node.outputs) if (output) check(output);
    if (node.type !== "Shape" && !findKernel(node.type)) {
      throw new EngineError(graphName, `the TensorFlow.js engine has no kernel for ${node.type}`, node.name);
    }
  }
}

/** The nodes that `outputs` need, of `nodes` in topological order. */
export function makePlan(nodes: readonly Node[], outputs: ReadonlyMap<string, Value>): Plan {
  const wanted = new Set<Value>(outputs.values());
  const used = new Set<Value>(wanted);
  const steps: Step[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => output && wanted.has(output))) continue;
    const inputs = new Set(node.inputs.filter((input) => input !== undefined));
    const touched = [...inputs, ...node.outputs.filter((output) => output !== undefined)];
    const lastUses = touched.filter((value) => !used.has(value));
    for (const input of inputs) {
      wanted.add(input);
      used.add(input);
    }
    steps.push({ node, kernel: findKernel(node.type), lastUses });
  }
  return { steps: steps.reverse(), outputs };
}
