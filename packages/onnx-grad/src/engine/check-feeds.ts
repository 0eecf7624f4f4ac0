// The checks that every engine makes before a run: names, element types and shapes against the graph's declared inputs
// and outputs.
import { type Dim, dimTerms, formatShape, type Shape } from "../graph/dim.js";
import { checkTensor, type TypedArray } from "../graph/tensor.js";
import { describe, isPlainObject } from "../operators/parameters.js";
import type { GraphPort } from "./compiled-graph.js";
import { EngineError, type Tensor } from "./engine.js";

/** The size that each symbol has in one run. */
export type Bindings = ReadonlyMap<string, number>;

/** A tensor whose data an engine holds. */
export type Elsewhere = Pick<Tensor, "dtype" | "shape">;

/**
 * Checks the feeds against the declared inputs; returns the sizes of the symbols in their shapes.
 * @throws EngineError naming graph and input where a feed is missing, unknown, or of another element type or shape.
 */
export function checkFeeds(
  graphName: string,
  inputs: ReadonlyMap<string, Omit<GraphPort, "name">>,
  feeds: Readonly<Record<string, Tensor | Elsewhere>>,
): Bindings {
  if (!isPlainObject(feeds)) {
    throw new EngineError(graphName, `feeds must be an object of tensors by input name, not ${describe(feeds)}`);
  }
  for (const name of Object.keys(feeds)) {
    if (!inputs.has(name)) {
      throw new EngineError(graphName, `unknown input ${name}; inputs are ${[...inputs.keys()].join(", ") || "none"}`);
    }
  }
  const bound = new Map<string, number>();
  for (const [name, input] of inputs) {
    const tensor = feeds[name];
    if (tensor === undefined)
      throw new EngineError(graphName, `input ${name}: ${input.dtype} ${formatShape(input.shape)} is missing`);
    checkForm(graphName, `input ${name}`, tensor);
    if (tensor.dtype !== input.dtype || tensor.shape.length !== input.shape.length) {
      throw new EngineError(graphName, mismatch(name, input, tensor));
    }
    try {
      if ("data" in tensor) checkTensor(`input ${name}`, tensor);
    } catch (error) {
      throw new EngineError(graphName, (error as Error).message);
    }
    input.shape.forEach((dim, axis) => {
      if (typeof dim === "string" && isSymbol(dim) && !bound.has(dim)) bound.set(dim, tensor.shape[axis]!);
    });
  }
  // Expressions such as P+T may come before the inputs that tell P and T.
  for (const [name, input] of inputs) {
    const tensor = feeds[name]!;
    input.shape.forEach((dim, axis) => {
      const expected = evaluateDim(dim, bound);
      if (expected === undefined || expected === tensor.shape[axis]) return;
      const because = typeof dim === "string" ? ` (${dim} = ${expected})` : "";
      throw new EngineError(graphName, `${mismatch(name, input, tensor)}${because}`);
    });
  }
  return bound;
}

/** Whether something is a tensor at all: plain JavaScript hands in arrays and the like. */
function checkForm(graphName: string, label: string, tensor: unknown): void {
  const isTensor = isPlainObject(tensor) && "dtype" in tensor && Array.isArray(tensor.shape);
  if (isTensor && ("data" in tensor ? ArrayBuffer.isView(tensor.data) : "read" in tensor)) return;
  const found = isTensor
    ? `one with ${"data" in tensor ? `${describe(tensor.data)} as data` : "no data"}`
    : describe(tensor);
  throw new EngineError(graphName, `${label}: a tensor { dtype, shape, data } is expected, not ${found}`);
}

/**
 * The tensors that outputs shall be written into, with their shapes.
 * @throws EngineError naming graph and output where an array is of another type or length than the output will be.
 */
export function checkReuse(
  graphName: string,
  outputs: ReadonlyMap<string, Omit<GraphPort, "name">>,
  reuse: Readonly<Record<string, TypedArray>>,
  bound: Bindings,
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(reuse).map(([name, data]) => {
      const { dtype, shape } = outputs.get(name)!;
      const tensor = { dtype, shape: resolveShape(graphName, name, shape, bound), data };
      try {
        checkTensor(`array to reuse for output ${name}`, tensor);
      } catch (error) {
        throw new EngineError(graphName, (error as Error).message);
      }
      if (!(data.buffer instanceof ArrayBuffer) || data.byteLength !== data.buffer.byteLength) {
        throw new EngineError(graphName, `array to reuse for output ${name}: it must own its whole buffer, no view`);
      }
      return [name, tensor];
    }),
  );
}

function resolveShape(graphName: string, name: string, shape: Shape, bound: Bindings): number[] {
  return shape.map((dim) => {
    const size = evaluateDim(dim, bound);
    if (size === undefined) {
      throw new EngineError(
        graphName,
        `output ${name}: the size ${dim} does not follow from the inputs, so that no array can be reused`,
      );
    }
    return size;
  });
}

const isSymbol = (dim: string): boolean => !/[*+-]/.test(dim);

const mismatch = (name: string, input: Omit<GraphPort, "name">, tensor: Elsewhere): string =>
  `input ${name}: ${tensor.dtype} [${tensor.shape.join(", ")}] given, ${input.dtype} ${formatShape(input.shape)} ` +
  "expected";

/** A dimension's size under the bindings; `undefined` where a symbol is not bound. */
export function evaluateDim(dim: Dim, bound: Bindings): number | undefined {
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
