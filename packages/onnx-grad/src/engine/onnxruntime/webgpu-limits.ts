// What onnxruntime 1.30's WebGPU provider gets wrong: nodes that are sent to the CPU from the start, and sizes that
// must not be run at all. Found by running every golden case of this package through it.
import type { Dim } from "../../graph/dim.js";
import type { Graph, Node, Value } from "../../graph/graph.js";
import { reachable } from "../../transform/prune.js";
import { type Bindings, evaluateDim } from "../check-feeds.js";
import { EngineError } from "../engine.js";

/** A product whose summed dimension is known at run time only. */
interface Product {
  readonly node: string;
  readonly summed: Dim;
}

export interface WebGpuLimits {
  /** Names of the nodes that have to run on the CPU. */
  readonly onCpu: readonly string[];
  readonly products: readonly Product[];
}

/** What the WebGPU provider must not be given of this graph. */
export function webGpuLimits(graph: Graph): WebGpuLimits {
  const { nodes } = reachable(graph);
  const products = nodes.flatMap((node) => {
    const summed = summedDimension(node);
    return typeof summed === "string" ? [{ node: node.name, summed }] : [];
  });
  return { onCpu: nodes.filter(goesWrong).map(({ name }) => name), products };
}

/**
 * A product that sums over nothing divides by zero inside the provider, which ends the process.
 * @throws EngineError naming the product where one would
 */
export function checkProducts(graphName: string, { products }: WebGpuLimits, bound: Bindings): void {
  for (const { node, summed } of products) {
    if (evaluateDim(summed, bound) === 0) {
      throw new EngineError(
        graphName,
        `the product sums over ${summed} = 0 elements, which onnxruntime's WebGPU provider cannot do; feed at ` +
          'least one, or run it with executionProvider "cpu"',
        node,
      );
    }
  }
}

function goesWrong(node: Node): boolean {
  // Kernels are dispatched over no threads, or divide by zero.
  if ([...node.inputs, ...node.outputs].some((value) => value?.shape.includes(0))) return true;
  // Sums exponentials of the numbers themselves, so that 100 overflows.
  if (node.type === "ReduceLogSumExp") return true;
  // Steps below -1 start from the wrong element. Only small constants are known here; others might be such steps.
  if (node.type === "Slice" && node.inputs[4]) {
    const steps = node.inputs[4].content;
    return !steps || steps.some((step) => typeof step !== "number" || step < -1);
  }
  return false;
}

function summedDimension({ type, inputs, attributes }: Node): Dim | undefined {
  const a: Value | undefined = inputs[0];
  if (!a || a.rank === 0) return undefined;
  if (type === "MatMul") return a.dim(-1);
  if (type === "FusedMatMul" || type === "Gemm") return a.dim(a.rank > 1 && attributes.transA === 1 ? -2 : -1);
  return undefined;
}
