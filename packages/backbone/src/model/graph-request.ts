// The graphs that a base model asks for, as plain data: the same description builds the graph here or in another
// thread.
import type { Graph } from "@cllm4rec/onnx-grad";
import { generationGraph, memoryGraph } from "../generation/graph.js";
import {
  type HeadKind,
  hiddenGraph,
  type LastStates,
  type LossGraphOptions,
  logitsGraph,
  lossGraph,
  userStatesGraph,
} from "./graphs.js";
import type { LanguageModel } from "./language-model.js";

/** Which graph is wanted. */
export type WantedGraph =
  | { readonly kind: "loss"; readonly options: LossGraphOptions }
  | { readonly kind: "hidden"; readonly queryBlocks: number }
  | ({ readonly kind: "logits"; readonly head: HeadKind } & LastStates)
  | ({ readonly kind: "user-states" } & LastStates)
  | { readonly kind: "generation" }
  | { readonly kind: "memory" };

/** A graph over soft tables of a width. */
export type GraphRequest = WantedGraph & { readonly width: number };

/** @throws GraphError where the LM's config and weights make no graph */
export function buildGraph(backbone: LanguageModel, request: GraphRequest): Graph {
  const { width } = request;
  switch (request.kind) {
    case "loss":
      return lossGraph(backbone, width, request.options);
    case "hidden":
      return hiddenGraph(backbone, width, request.queryBlocks);
    case "logits":
      return logitsGraph(backbone, width, request);
    case "user-states":
      return userStatesGraph(backbone, width, request);
    case "generation":
      return generationGraph(backbone, width);
    case "memory":
      return memoryGraph(backbone, width);
  }
}
