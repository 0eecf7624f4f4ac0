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

/** The message of an error, for use in a sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
