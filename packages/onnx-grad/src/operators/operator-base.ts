// What the operator methods are made of: constants, dimensions, and nodes added to the graph.
import type { Graph, Value } from "../graph/graph.js";
import type { DType } from "../graph/tensor.js";
import type { Dims, Given, Operand, Reduction } from "./operands.js";
import { isValue } from "./parameters.js";

/** Adds constants and nodes to a graph. */
export abstract class OperatorBase {
  constructor(protected readonly graph: Graph) {}

  scalar = (number: number, dtype: DType = "float32") => this.graph.constant(number, { dtype });
  /** A constant vector. */
  vector = (numbers: readonly number[], dtype: DType = "float32") => this.graph.constant(numbers, { dtype });
  /** A constant int64 vector. */
  ints = (numbers: readonly number[]) => this.graph.constant(numbers, { dtype: "int64" });

  /**
   * An int64 vector of dimensions. Symbols are read at run time from the graph inputs that carry them.
   * @throws GraphError where a symbol is the dimension of no input.
   */
  dims(dims: Dims): Value {
    if (isValue(dims)) return dims;
    if (dims.every((dim): dim is number => typeof dim === "number")) return this.ints(dims);
    const parts = dims.map((dim) => (typeof dim === "number" ? this.ints([dim]) : this.graph.dimension(dim)));
    return parts.length === 1 ? parts[0]! : this.one("Concat", parts, { axis: 0 });
  }

  protected pair(type: string, a: Operand, b: Operand, attributes?: Given): Value {
    const like = isValue(a) ? a : isValue(b) ? b : undefined;
    const value = (operand: Operand) => (isValue(operand) ? operand : this.scalar(operand, like?.dtype));
    return this.one(type, [value(a), value(b)], attributes);
  }

  protected reduce(type: string, x: Value, axes: readonly number[] | undefined, attributes?: Reduction): Value {
    return this.one(type, axes ? [x, this.ints(axes)] : [x], { ...attributes });
  }

  protected one(type: string, inputs: readonly (Value | undefined)[], attributes?: Given): Value {
    return this.graph.node(type, trimmed(inputs), attributes).output(0);
  }

  protected many(type: string, inputs: readonly (Value | undefined)[], count: number, attributes?: Given): Value[] {
    const node = this.graph.node(type, trimmed(inputs), attributes);
    return Array.from({ length: count }, (_, i) => node.output(i));
  }
}

/** Absent optional inputs at the end are left out. */
function trimmed(inputs: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  const last = inputs.findLastIndex((value) => value !== undefined);
  return inputs.slice(0, last + 1);
}
