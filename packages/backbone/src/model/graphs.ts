// The static graphs of the base model, one for each thing that can be asked of it.
import { Graph, gradients, type Value } from "@cllm4rec/onnx-grad";
import { addBody, type Body } from "./body.js";
import { addCandidates } from "./candidates.js";
import { addDropout, type DropoutOptions } from "./dropout.js";
import { addHead } from "./heads.js";
import type { LanguageModel } from "./language-model.js";
import { addSkipPath, widened } from "./skip-path.js";

/** Which matrix the head is tied to: the item table that is passed in, or the frozen vocabulary. */
export type HeadKind = "items" | "words";

// Shape legend: n = B·T tokens, M scored positions, K width of the LM, D ≥ K of the soft tables, J items, N vocabulary
// rows.

export interface LossGraphOptions {
  /** Which matrix the head is tied to. */
  readonly head: HeadKind;
  readonly gradients: boolean;
  readonly queryBlocks: number;
  /** Whether only the last positions of the sequences are scored. */
  readonly lastOnly: boolean;
  /** Whether the scored positions get the skip path around the LM; every sequence is then scored once, in order. */
  readonly skip?: boolean;
  /** Whether the softmax is over some of the items. */
  readonly candidates?: boolean;
  readonly dropout?: Omit<DropoutOptions, "seed">;
}

/** A graph over the last positions of all sequences. */
export interface LastStates {
  readonly queryBlocks: number;
  readonly skip: boolean;
}

/** What the output that holds a weight's gradient has in front of the weight's name. */
export const WEIGHT_GRADIENT = "gradient of ";

/**
 * Loss, target losses and, where asked for, the gradients of soft rows, of the item table if the head is tied to it,
 * and of the weights in use if they are trainable: a matrix used at both ends of the LM gets the sum of both.
 */
export function lossGraph(
  backbone: LanguageModel,
  width: number,
  { head, gradients: wanted, queryBlocks, lastOnly, skip = false, candidates = false, dropout }: LossGraphOptions,
): Graph {
  const graph = new Graph(`${head} loss${wanted ? " and gradients" : ""}`);
  const body = addBody(graph, backbone, queryBlocks, width, {
    wanted: { positions: scoredPositions(graph), lastOnly },
    ...(dropout ? { dropout: addDropout(graph, dropout) } : {}),
  });
  const { states: hiddenStates, gain } = headInput(graph, body, head, width, skip);
  const table = headTable(graph, backbone, head, width);
  const scale = headScale(backbone, head);
  const scaled = scale === 1 ? hiddenStates : graph.op.Mul(hiddenStates, scale);
  const { loss, targetLosses, hiddenGradient, tableGradient } = addHead(
    graph,
    scaled,
    table,
    candidates ? addCandidates(graph) : undefined,
  );
  graph.output("loss", loss);
  graph.output("targetLosses", targetLosses);
  if (wanted) {
    const weights = [...(backbone.trainableWeights?.(graph) ?? [])];
    const targets = [body.softTokens, ...weights.map(([, value]) => value), ...(gain ? [gain] : [])];
    const [softGradients, ...others] = gradients(graph, scaled, targets, hiddenGradient);
    graph.output("softGradients", softGradients!);
    if (gain) graph.output("skipGradients", others[weights.length]!);
    if (head === "items") graph.output("tableGradients", tableGradient());
    weights.forEach(([name, value], i) => {
      const gradient = others[i]!;
      graph.output(`${WEIGHT_GRADIENT}${name}`, value === table ? graph.op.Add(gradient, tableGradient()) : gradient);
    });
  }
  return graph;
}

/** Final hidden states of all tokens, [n, K]. */
export function hiddenGraph(backbone: LanguageModel, width: number, queryBlocks: number): Graph {
  const graph = new Graph("hidden states");
  graph.output("hiddenStates", addBody(graph, backbone, queryBlocks, width).hiddenStates);
  return graph;
}

/** Logits of the last positions of all sequences over items or vocabulary, [M, J] or [M, N]. */
export function logitsGraph(
  backbone: LanguageModel,
  width: number,
  { head, queryBlocks, skip }: { readonly head: HeadKind } & LastStates,
): Graph {
  const graph = new Graph(`${head} logits`);
  const body = lastBody(graph, backbone, width, queryBlocks);
  const { states } = headInput(graph, body, head, width, skip);
  const alpha = headScale(backbone, head);
  graph.output("logits", graph.op.FusedMatMul(states, headTable(graph, backbone, head, width), { transB: 1, alpha }));
  return graph;
}

/** What the items' head multiplies item embeddings by: scaled states of the last positions of all sequences, [M, D]. */
export function userStatesGraph(backbone: LanguageModel, width: number, { queryBlocks, skip }: LastStates): Graph {
  const graph = new Graph("user states");
  const { states } = headInput(graph, lastBody(graph, backbone, width, queryBlocks), "items", width, skip);
  const scale = headScale(backbone, "items");
  graph.output("states", scale === 1 ? states : graph.op.Mul(states, scale));
  return graph;
}

function lastBody(graph: Graph, backbone: LanguageModel, width: number, queryBlocks: number): Body {
  return addBody(graph, backbone, queryBlocks, width, {
    wanted: { positions: scoredPositions(graph), lastOnly: true },
  });
}

/** What goes into a head before it is scaled: for items as wide as their table, with the skip path if there is one. */
function headInput(
  graph: Graph,
  body: Body,
  head: HeadKind,
  width: number,
  skip: boolean,
): { readonly states: Value; readonly gain?: Value } {
  if (head === "words") return { states: body.hiddenStates };
  const states = widened(graph, body.hiddenStates, width);
  return skip ? addSkipPath(graph, states, body.softTokens) : { states };
}

/** The flat positions whose hidden states go into the head, [M]. */
const scoredPositions = (graph: Graph): Value => graph.input("scored", "int64", ["M"]);

function headTable(graph: Graph, backbone: LanguageModel, head: HeadKind, width: number): Value {
  return head === "items" ? graph.input("itemTable", "float32", ["J", width]) : backbone.wordHead(graph);
}

/** What hidden states are multiplied by on the way into the head. */
const headScale = (backbone: LanguageModel, head: HeadKind): number =>
  head === "items" ? backbone.tiedHeadScale : backbone.wordHeadScale;
