// The static graphs of the base model, one for each thing that can be asked of it.
import { Graph, gradients, type Value } from "@cllm4rec/onnx-grad";
import type { DropoutHook } from "../architectures/architecture.js";
import type { Backbone } from "./backbone.js";
import { type Body, addBody } from "./body.js";
import { addHead } from "./heads.js";

/** Which matrix the head is tied to: the item table that is passed in, or the frozen vocabulary. */
export type HeadKind = "items" | "words";

// Shape legend: n = B·T tokens, M scored positions, K width, J items, N vocabulary rows.

const none: DropoutHook = (x) => x;

/** Loss, target losses and, `withGradients`, the gradients of soft rows and of the item table where the head is tied to it. */
export function lossGraph(backbone: Backbone, head: HeadKind, withGradients: boolean, queryBlocks: number, dropout?: DropoutFactory): Graph {
  const graph = new Graph(`${head} ${withGradients ? "loss and gradients" : "loss"}${dropout ? " with dropout" : ""}`);
  const body = addBody(graph, backbone, queryBlocks, dropout ? dropout(graph) : none);
  const hidden = scoredPositions(graph, body);
  const table = headTable(graph, backbone, head);
  const { loss, targetLosses, hiddenGradient, tableGradient } = addHead(graph, hidden, table);
  graph.output("loss", loss);
  graph.output("targetLosses", targetLosses);
  if (withGradients) {
    graph.output("softGradients", gradients(graph, hidden, [body.softRows], hiddenGradient)[0]!);
    if (head === "items") graph.output("tableGradients", tableGradient());
  }
  return graph;
}

/** Final hidden states of all tokens, [n, K]. */
export function hiddenGraph(backbone: Backbone, queryBlocks: number): Graph {
  const graph = new Graph("hidden states");
  graph.output("hiddenStates", addBody(graph, backbone, queryBlocks, none).hiddenStates);
  return graph;
}

/** Logits of the scored positions over items or vocabulary, [M, J] or [M, N]. */
export function logitsGraph(backbone: Backbone, head: HeadKind, queryBlocks: number): Graph {
  const graph = new Graph(`${head} logits`);
  const hidden = scoredPositions(graph, addBody(graph, backbone, queryBlocks, none));
  graph.output("logits", graph.op.FusedMatMul(hidden, headTable(graph, backbone, head), { transB: 1 }));
  return graph;
}

/** Makes the dropout of one graph: declares its seed as an input. */
export type DropoutFactory = (graph: Graph) => DropoutHook;

/** The hidden states at the flat positions of input `scored` [M]: [M, K]. */
function scoredPositions(graph: Graph, { hiddenStates }: Body): Value {
  return graph.op.Gather(hiddenStates, graph.input("scored", "int64", ["M"]));
}

function headTable(graph: Graph, backbone: Backbone, head: HeadKind): Value {
  return head === "items"
    ? graph.input("itemTable", "float32", ["J", backbone.config.hiddenSize])
    : backbone.wordHead(graph);
}
