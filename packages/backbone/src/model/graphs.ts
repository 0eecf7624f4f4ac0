// The static graphs of the base model, one for each thing that can be asked of it.
import { Graph, gradients, type Value } from "@cllm4rec/onnx-grad";
import type { Backbone } from "./backbone.js";
import { addBody } from "./body.js";
import { addDropout, type DropoutOptions } from "./dropout.js";
import { addHead } from "./heads.js";

/** Which matrix the head is tied to: the item table that is passed in, or the frozen vocabulary. */
export type HeadKind = "items" | "words";

// Shape legend: n = B·T tokens, M scored positions, K width, J items, N vocabulary rows.

export interface LossGraphOptions {
  /** Which matrix the head is tied to. */
  readonly head: HeadKind;
  readonly gradients: boolean;
  readonly queryBlocks: number;
  readonly dropout?: Omit<DropoutOptions, "seed">;
}

/** Loss, target losses and, where asked for, the gradients of soft rows and of the item table if the head is tied to it. */
export function lossGraph(
  backbone: Backbone,
  { head, gradients: wanted, queryBlocks, dropout }: LossGraphOptions,
): Graph {
  const graph = new Graph(`${head} loss${wanted ? " and gradients" : ""}`);
  const { hiddenStates, softTokens } = addBody(graph, backbone, queryBlocks, {
    wanted: scoredPositions(graph),
    ...(dropout ? { dropout: addDropout(graph, dropout) } : {}),
  });
  const table = headTable(graph, backbone, head);
  const { loss, targetLosses, hiddenGradient, tableGradient } = addHead(graph, hiddenStates, table);
  graph.output("loss", loss);
  graph.output("targetLosses", targetLosses);
  if (wanted) {
    graph.output("softGradients", gradients(graph, hiddenStates, [softTokens], hiddenGradient)[0]!);
    if (head === "items") graph.output("tableGradients", tableGradient());
  }
  return graph;
}

/** Final hidden states of all tokens, [n, K]. */
export function hiddenGraph(backbone: Backbone, queryBlocks: number): Graph {
  const graph = new Graph("hidden states");
  graph.output("hiddenStates", addBody(graph, backbone, queryBlocks).hiddenStates);
  return graph;
}

/** Logits of the scored positions over items or vocabulary, [M, J] or [M, N]. */
export function logitsGraph(backbone: Backbone, head: HeadKind, queryBlocks: number): Graph {
  const graph = new Graph(`${head} logits`);
  const { hiddenStates } = addBody(graph, backbone, queryBlocks, { wanted: scoredPositions(graph) });
  graph.output("logits", graph.op.FusedMatMul(hiddenStates, headTable(graph, backbone, head), { transB: 1 }));
  return graph;
}

/** The flat positions whose hidden states go into the head, [M]. */
const scoredPositions = (graph: Graph): Value => graph.input("scored", "int64", ["M"]);

function headTable(graph: Graph, backbone: Backbone, head: HeadKind): Value {
  return head === "items"
    ? graph.input("itemTable", "float32", ["J", backbone.config.hiddenSize])
    : backbone.wordHead(graph);
}
