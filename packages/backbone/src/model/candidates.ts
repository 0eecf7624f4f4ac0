// A softmax over some of the items: the others' logits are −∞.
import type { Graph, Tensor, Value } from "@cllm4rec/onnx-grad";

// Shape legend: M scored positions, J items.

/** The input of graphs whose softmax is over some items. */
export type CandidateFeeds = Record<"itemBias", Tensor>;

/** Declares the input of {@link CandidateFeeds}, which is added to logits [M, J]. */
export const addCandidates = (graph: Graph): Value => graph.input("itemBias", "float32", ["J"]);

/**
 * 0 for candidates, −∞ for the other items.
 * @throws RangeError for a target that is no candidate
 */
export function candidateFeeds(
  candidates: Int32Array,
  items: number,
  targets: readonly { readonly document: number; readonly target: number }[],
): CandidateFeeds {
  const data = new Float32Array(items).fill(Number.NEGATIVE_INFINITY);
  for (const item of candidates) data[item] = 0;
  for (const { document, target } of targets) {
    if (data[target] !== 0)
      throw new RangeError(`document ${document}: target ${target} is not among the ${candidates.length} candidates`);
  }
  return { itemBias: { dtype: "float32", shape: [items], data } };
}
