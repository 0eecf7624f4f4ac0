// Operators whose results are as large as the data say: NonZero and Compress.

import { elementCount } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { define, type OperatorDefinition } from "./definition.js";
import { input } from "./parameters.js";

export const selection: readonly OperatorDefinition[] = [
  define({
    type: "NonZero",
    float32Only: true,
    inputs: [input("X")],
    infer: (c) => {
      const x = c.input(0);
      if (x.rank === 0) throw new RangeError("a scalar has no positions; Unsqueeze it");
      return [{ dtype: "int64", shape: [x.rank, x.graph.nonZeroCount(x)] }];
    },
    gradient: "none",
  }),
  // Without an axis the elements are taken from the flattened input.
  define({
    type: "Compress",
    inputs: [input("input"), input("condition")],
    attributes: { axis: { kind: "int" } },
    infer: (c) => {
      const [x, condition] = [c.input(0), c.input(1)];
      if (condition.dtype !== "bool" || condition.rank !== 1)
        throw new RangeError("the condition must be a bool vector");
      const flat = c.attributes.axis === undefined;
      const axis = flat ? 0 : c.axis("axis", x.rank);
      const [size, length] = [flat ? elementCount(x.shape) : x.shape[axis]!, condition.dim(0)];
      if (typeof size === "number" && typeof length === "number" && length > size)
        throw new RangeError(`a condition of ${length} for ${size} elements`);
      const count = x.graph.nonZeroCount(condition);
      return [{ dtype: x.dtype, shape: flat ? [count] : x.shape.with(axis, count) }];
    },
    // What was taken goes back to where it was; the rest is zero.
    gradient: (c) => {
      const { op } = c;
      const [x, dy] = [c.input(0), c.outputGradient()];
      const taken = op.Squeeze(op.NonZero(c.input(1)), [0]); // [k]
      const scatter = (base: Value, axis: number) => {
        const index = op.Reshape(
          taken,
          dy.shape.map((_, i) => (i === axis ? -1 : 1)),
        );
        return op.ScatterElements(base, op.expandLike(index, dy), dy, { axis });
      };
      if (c.attributes.axis !== undefined) return [scatter(op.zerosLike(x), c.axis("axis", x.rank))];
      const flat = op.Expand(op.scalar(0, x.dtype), [elementCount(x.shape)]);
      return [op.reshapeLike(scatter(flat, 0), x)];
    },
  }),
];
