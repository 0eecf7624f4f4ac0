// The checks that every engine makes before a run: names, element types and shapes against the graph's declared inputs.
import { canonicalDim, type Dim, dimTerms, formatShape } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { checkTensor } from "../graph/tensor.js";
import { EngineError, type Feeds } from "./engine.js";

/** @throws EngineError naming graph and input where the feeds do not fit the inputs, symbols included. */
export function checkFeeds(graphName: string, inputs: ReadonlyMap<string, Value>, feeds: Feeds): void {
  for (const name of Object.keys(feeds)) {
    if (!inputs.has(name))
      throw new EngineError(graphName, `unknown input ${name}; inputs are ${[...inputs.keys()].join(", ") || "none"}`);
  }
  const bound = new Map<string, number>();
  for (const [name, input] of inputs) {
    const tensor = feeds[name];
    if (!tensor) throw new EngineError(graphName, `input ${input} is missing`);
    const describe = `input ${name}: ${tensor.dtype} [${tensor.shape.join(", ")}] given, ${input.dtype} ${formatShape(input.shape)} expected`;
    if (tensor.dtype !== input.dtype || tensor.shape.length !== input.rank) throw new EngineError(graphName, describe);
    try {
      checkTensor(`input ${name}`, tensor);
    } catch (error) {
      throw new EngineError(graphName, (error as Error).message);
    }
    input.shape.forEach((dim, axis) => {
      const size = tensor.shape[axis]!;
      if (typeof dim === "string" && !/[*+-]/.test(dim) && !bound.has(dim)) bound.set(dim, size);
      const expected = evaluate(dim, bound);
      if (expected !== undefined && expected !== size)
        throw new EngineError(graphName, `${describe} (${dim} = ${expected})`);
    });
  }
}

function evaluate(dim: Dim, bound: ReadonlyMap<string, number>): number | undefined {
  if (typeof canonicalDim(dim) === "number") return dim as number;
  let total = 0;
  for (const { coefficient, symbols } of dimTerms(dim)) {
    let term = coefficient;
    for (const symbol of symbols) {
      const size = bound.get(symbol);
      if (size === undefined) return undefined;
      term *= size;
    }
    total += term;
  }
  return total;
}
