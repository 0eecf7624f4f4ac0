// The static graphs of the base model, one for each thing that can be asked of it.
import { Graph, gradients, type Value } from "@cllm4rec/onnx-grad";
import { addBody } from "./body.js";
import { addDropout, type DropoutOptions } from "./dropout.js";
import { addHead } from "./heads.js";
import type { LanguageModel } from "./language-model.js";
import { addSkipPath } from "./skip-path.js";

/** Which matrix the head is tied to: the item table that is passed in, or the frozen vocabulary. */
export type HeadKind = "items" | "words";

// Shape legend: n = B·T tokens, M scored positions, K width, J items, N vocabulary rows.

export interface LossGraphOptions {
  /** Which matrix the head is tied to. */
  readonly head: HeadKind;
  readonly gradients: boolean;
  readonly queryBlocks: number;
  /** Whether only the last positions of the sequences are scored. */
  readonly lastOnly: boolean;
  /** Whether the scored positions get the skip path around the LM; every sequence is then scored once, in order. */
  readonly skip?: boolean;
  readonly dropout?: Omit<DropoutOptions, "seed">;
}

/** What the output that holds a weight's gradient has in front of the weight's name. */
export const WEIGHT_GRADIENT = "gradient of ";

/**
 * Loss, target losses and, where asked for, the gradients of soft rows, of the item table if the head is tied to it,
 * and of the weights in use if they are trainable: a matrix used at both ends of the LM gets the sum of both.
 */
export function lossGraph(
  backbone: LanguageModel,
  { head, gradients: wanted, queryBlocks, lastOnly, skip = false, dropout }: LossGraphOptions,
): Graph {
  const graph = new Graph(`${head} loss${wanted ? " and gradients" : ""}`);
  const body = addBody(graph, backbone, queryBlocks, {
    wanted: { positions: scoredPositions(graph), lastOnly },
    ...(dropout ? { dropout: addDropout(graph, dropout) } : {}),
  });
  const path = skip ? addSkipPath(graph, body) : undefined;
  const hiddenStates = path?.states ?? body.hiddenStates;
  const table = headTable(graph, backbone, head);
  const scale = headScale(backbone, head);
  const scaled = scale === 1 ? hiddenStates : graph.op.Mul(hiddenStates, scale);
  const { loss, targetLosses, hiddenGradient, tableGradient } = addHead(graph, scaled, table);
  graph.output("loss", loss);
  graph.output("targetLosses", targetLosses);
  if (wanted) {
    const weights = [...(backbone.trainableWeights?.(graph) ?? [])];
    const targets = [body.softTokens, ...weights.map(([, value]) => value), ...(path ? [path.gain] : [])];
    const [softGradients, ...others] = gradients(graph, scaled, targets, hiddenGradient);
    graph.output("softGradients", softGradients!);
    if (path) graph.output("skipGradients", others[weights.length]!);
    if (head === "items") graph.output("tableGradients", tableGradient());
    weights.forEach(([name, value], i) => {
      const gradient = others[i]!;
      graph.output(`${WEIGHT_GRADIENT}${name}`, value === table ? graph.op.Add(gradient, tableGradient()) : gradient);
    });
  }
  return graph;
}

/** Final hidden states of all tokens, [n, K]. */
export function hiddenGraph(backbone: LanguageModel, queryBlocks: number): Graph {
  const graph = new Graph("hidden states");
  graph.output("hiddenStates", addBody(graph, backbone, queryBlocks).hiddenStates);
  return graph;
}

/** Logits of the last positions of all sequences over items or vocabulary, [M, J] or [M, N]. */
export function logitsGraph(backbone: LanguageModel, head: HeadKind, queryBlocks: number, skip: boolean): Graph {
  const graph = new Graph(`${head} logits`);
  const states = lastStates(graph, backbone, queryBlocks, skip);
  const alpha = headScale(backbone, head);
  graph.output("logits", graph.op.FusedMatMul(states, headTable(graph, backbone, head), { transB: 1, alpha }));
  return graph;
}

/** What the items' head multiplies item embeddings by: scaled states of the last positions of all sequences, [M, K]. */
export function userStatesGraph(backbone: LanguageModel, queryBlocks: number, skip: boolean): Graph {
  const graph = new Graph("user states");
  const states = lastStates(graph, backbone, queryBlocks, skip);
  const scale = headScale(backbone, "items");
  graph.output("states", scale === 1 ? states : graph.op.Mul(states, scale));
  return graph;
}

function lastStates(graph: Graph, backbone: LanguageModel, queryBlocks: number, skip: boolean): Value {
  const body = addBody(graph, backbone, queryBlocks, {
    wanted: { positions: scoredPositions(graph), lastOnly: true },
  });
  return skip ? addSkipPath(graph, body).states : body.hiddenStates;
}

/** The flat positions whose hidden states go into the head, [M]. */
const scoredPositions = (graph: Graph): Value => graph.input("scored", "int64", ["M"]);

function headTable(graph: Graph, backbone: LanguageModel, head: HeadKind): Value {
  return head === "items"
    ? graph.input("itemTable", "float32", ["J", backbone.config.hiddenSize])
    : backbone.wordHead(graph);
}

/** What hidden states are multiplied by on the way into the head. */
const headScale = (backbone: LanguageModel, head: HeadKind): number =>
  head === "items" ? backbone.tiedHeadScale : backbone.wordHeadScale;
