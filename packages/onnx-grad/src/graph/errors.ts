// The one error type of graph construction and differentiation; its message names graph, operator, inputs and shapes.

/** A mistake in a graph, thrown where it is made. */
export class GraphError extends Error {
  override readonly name = "GraphError";

  constructor(
    /** The graph's name. */
    readonly graph: string,
    detail: string,
  ) {
    super(`graph ${graph}: ${detail}`);
  }
}
