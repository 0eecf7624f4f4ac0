// Dropout of a training step as nodes of the graph, its masks a pure function of a seed that is fed in.
import { type Graph, seededDropout, type Value } from "@cllm4rec/onnx-grad";
import type { DropoutHook } from "../architectures/architecture.js";

/** What is dropped in a training step; nothing where absent. */
export interface DropoutOptions {
  /**
   * The masks are a function of this and of the places in the batch: the same step with the same seed drops the same.
   */
  readonly seed: number;
  /**
   * Probability with which elements of soft-token embeddings are dropped, independently per occurrence; default 0.
   */
  readonly softTokens?: number;
  /**
   * Whether the LM's own dropout acts as in its training (GPT-2: 0.1 on embeddings, attention and block outputs); off
   * where absent.
   */
  readonly backbone?: boolean;
}

/** The two kinds of places where dropout can act inside a graph. */
export interface Dropout {
  readonly softTokens: (x: Value) => Value;
  readonly backbone: DropoutHook;
}

export const noDropout: Dropout = { softTokens: (x) => x, backbone: (x) => x };

/**
 * Declares the input `dropoutSeed` and gives every place a random stream of its own, in the order in which places are
 * added.
 */
export function addDropout(graph: Graph, { softTokens = 0, backbone = false }: Omit<DropoutOptions, "seed">): Dropout {
  const seed = graph.input("dropoutSeed", "int64", []);
  let stream = 0;
  const drop: DropoutHook = (x, ratio) =>
    ratio === 0 ? x : seededDropout(graph, x, { ratio, seed, stream: stream++ });
  return { softTokens: (x) => drop(x, softTokens), backbone: backbone ? drop : noDropout.backbone };
}
