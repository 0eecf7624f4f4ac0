// The graphs that a base model asks for, as plain data: the same description builds the graph here or in another
// thread.
import type { Graph } from "@cllm4rec/onnx-grad";
import { generationGraph, memoryGraph } from "../generation/graph.js";
import {
  type HeadKind,
  hiddenGraph,
  type LossGraphOptions,
  logitsGraph,
  lossGraph,
  userStatesGraph,
} from "./graphs.js";
import type { LanguageModel } from "./language-model.js";

/** Which graph is wanted. */
export type GraphRequest =
  | { readonly kind: "loss"; readonly options: LossGraphOptions }
  | { readonly kind: "hidden"; readonly queryBlocks: number }
  | { readonly kind: "logits"; readonly head: HeadKind; readonly queryBlocks: number; readonly skip: boolean }
  | { readonly kind: "user-states"; readonly queryBlocks: number; readonly skip: boolean }
  | { readonly kind: "generation" }
  | { readonly kind: "memory" };

/** @throws GraphError where the LM's config and weights make no graph */
export function buildGraph(backbone: LanguageModel, request: GraphRequest): Graph {
  switch (request.kind) {
    case "loss":
      return lossGraph(backbone, request.options);
    case "hidden":
      return hiddenGraph(backbone, request.queryBlocks);
    case "logits":
      return logitsGraph(backbone, request.head, request.queryBlocks, request.skip);
    case "user-states":
      return userStatesGraph(backbone, request.queryBlocks, request.skip);
    case "generation":
      return generationGraph(backbone);
    case "memory":
      return memoryGraph(backbone);
  }
}
