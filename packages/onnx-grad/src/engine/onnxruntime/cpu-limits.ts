// What onnxruntime 1.30 has no CPU kernel for, checked before a graph is sent to it.
import type { Graph } from "../../graph/graph.js";
import { reachable } from "../../transform/prune.js";
import { EngineError } from "../engine.js";

/**
 * Providers of GPUs leave float64 to the CPU, so that this holds for them too.
 * @throws EngineError naming the first node that computes in float64 what onnxruntime has in float32 only
 */
export function checkKernels(graph: Graph): void {
  for (const node of reachable(graph).nodes) {
    const double = node.definition.float32Only && node.inputs.find((input) => input?.dtype === "float64");
    if (!double) continue;
    throw new EngineError(
      graph.name,
      `onnxruntime 1.30 computes ${node.type} in float32 only, and ${double} is float64; build the graph in ` +
        "float32, or Cast in front of this node and behind it",
      node.name,
    );
  }
}
