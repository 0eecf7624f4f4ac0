// The skip path around the LM: what a prompt's items say of its user without any language, h + g ∘ Σz/√n. An addition
// to the paper, whose scores depend on a history only through the frozen blocks. Embeddings may be wider than the LM,
// which then reads their first K dimensions; the path and the items' head have all D.
import type { Graph, Tensor, Value } from "@cllm4rec/onnx-grad";
import type { PackedBatch, Vocabulary } from "./batch.js";
import type { SoftTables } from "./documents.js";

// Shape legend: M sequences, S soft positions, K width of the LM, D ≥ K of the soft tables, n items of a prompt.

/** The inputs of graphs with a skip path. */
export type SkipFeeds = Record<"skipGain" | "historyShares", Tensor>;

/** Hidden states [M, K] among embeddings of width D: zeros in the dimensions that the LM does not have, [M, D]. */
export function widened(graph: Graph, hiddenStates: Value, width: number): Value {
  const { op } = graph;
  const [M, K] = hiddenStates.shape;
  if (K === width) return hiddenStates;
  return op.Concat([hiddenStates, op.Expand(op.scalar(0), [M!, width - Number(K)])], { axis: 1 });
}

/** Declares the inputs of {@link SkipFeeds} and adds the path to the scored states [M, D]. */
export function addSkipPath(graph: Graph, hiddenStates: Value, softTokens: Value): { states: Value; gain: Value } {
  const { op } = graph;
  const gain = graph.input("skipGain", "float32", [softTokens.dim(1)]);
  const shares = graph.input("historyShares", "float32", ["M", "S"]);
  const states = graph.scope("skip", () => op.Add(hiddenStates, op.Mul(op.MatMul(shares, softTokens), gain)));
  return { states, gain };
}

/**
 * `historyShares` [M, S]: 1/√n where a soft position is one of the n items of a sequence; nothing where the tables have
 * no skip path.
 */
export function skipFeeds(
  { softSequences, softTokens, lengths, feeds }: PackedBatch,
  { words, users, width }: Vocabulary,
  { skipGain }: SoftTables,
): SkipFeeds | undefined {
  if (!skipGain) return undefined;
  if (skipGain.length !== width) throw new RangeError(`skipGain: ${skipGain.length} numbers, expected ${width}`);
  const [sequences, positions] = [lengths.length, softSequences.length];
  const index = feeds.softIndex.data as BigInt64Array;
  const isItem = (s: number) => softTokens[Number(index[s])]! >= words + users;
  const counts = new Int32Array(sequences);
  for (let s = 0; s < positions; s++) if (isItem(s)) counts[softSequences[s]!]!++;
  const shares = new Float32Array(sequences * positions);
  for (let s = 0; s < positions; s++) {
    const sequence = softSequences[s]!;
    if (isItem(s)) shares[sequence * positions + s] = 1 / Math.sqrt(counts[sequence]!);
  }
  return {
    skipGain: { dtype: "float32", shape: [width], data: skipGain },
    historyShares: { dtype: "float32", shape: [sequences, positions], data: shares },
  };
}
