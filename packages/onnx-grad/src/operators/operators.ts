// Every operator of a graph: the standard's, short-hands made of them, and a check of each call's arguments.
import type { Dim } from "../graph/dim.js";
import { GraphError } from "../graph/errors.js";
import type { Graph, Value } from "../graph/graph.js";
import { shorthands } from "./operands.js";
import { checkArguments, describe } from "./parameters.js";
import { StandardOperators } from "./standard-operators.js";
import { findOperator, operatorNames } from "./table.js";

/**
 * ONNX operators as methods, and short-hands in lower case that add standard operators. Every method throws
 * {@link GraphError} where the inputs do not fit.
 */
export class Operators extends StandardOperators {
  constructor(graph: Graph) {
    super(graph);
    for (const name of operatorNames()) this.guard(name, (given) => findOperator(name)!.checkArguments(given));
    for (const [name, parameters] of Object.entries(shorthands)) {
      this.guard(name, (given) => checkArguments(parameters, given));
    }
  }

  zerosLike = (x: Value) => this.expandLike(this.scalar(0, x.dtype), x);
  onesLike = (x: Value) => this.expandLike(this.scalar(1, x.dtype), x);
  /** `x` broadcast to the shape of `like`. */
  expandLike = (x: Value, like: Value) =>
    x.rank === like.rank && x.shape.every((dim, i) => dim === like.shape[i]) ? x : this.Expand(x, like.shape);
  /** Reshape to dimensions that all mean themselves, 0 included. */
  reshapeTo = (x: Value, shape: readonly Dim[]) =>
    shape.includes(0) ? this.Reshape(x, this.dims(shape), { allowzero: 1 }) : this.Reshape(x, shape);
  reshapeLike = (x: Value, like: Value) => this.reshapeTo(x, like.shape);
  /** The last two axes exchanged. */
  swapLast = (x: Value) => {
    const axes = x.shape.map((_, i) => i);
    return this.Transpose(x, { perm: [...axes.slice(0, -2), x.rank - 1, x.rank - 2] });
  };

  /**
   * Lets a method run only where its arguments are what the types promise, for callers in plain JavaScript.
   */
  private guard(name: string, check: (given: readonly unknown[]) => void): void {
    const methods = this as unknown as Record<string, (...given: unknown[]) => unknown>;
    const method = methods[name]!;
    methods[name] = (...given) => {
      try {
        check(given);
      } catch (error) {
        const shown = given.map((value) => describe(value)).join("; ");
        throw new GraphError(this.graph.name, `${name}(${shown}): ${(error as Error).message}`);
      }
      return method.apply(this, given);
    };
  }
}
