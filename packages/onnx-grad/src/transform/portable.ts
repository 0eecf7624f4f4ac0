// Rewrites a graph so that it holds operators of the ONNX standard only.
import type { Graph } from "../graph/graph.js";
import { rewrite } from "./rewrite.js";

/**
 * A copy of the graph in which every operator of onnxruntime's own domain is written in standard operators: slower, but
 * runnable by any ONNX engine. Inputs, outputs, their names and their values stay the same, and so do the names of the
 * nodes that are copied; those that replace a node carry its name in front.
 */
export function toPortable(graph: Graph): Graph {
  return rewrite(graph, ({ definition }) => definition.lower);
}
