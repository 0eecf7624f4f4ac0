// The transpose of broadcasting: a gradient summed back to the shape that was broadcast.
import { formatShape, type Shape, sameShape } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import type { Operators } from "./operators.js";

/** `gradient` summed over the axes along which `shape` was broadcast to the gradient's shape. */
export function reduceTo(op: Operators, gradient: Value, shape: Shape): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const leading = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((dim, i) => (i < leading || (shape[i - leading] === 1 && dim !== 1) ? [i] : []));
  const summed = op.ReduceSum(gradient, axes, { keepdims: 1 });
  if (leading === 0) return summed;
  const result = op.Squeeze(
    summed,
    Array.from({ length: leading }, (_, i) => i),
  );
  if (!sameShape(result.shape, shape)) {
    throw new RangeError(`gradient ${formatShape(gradient.shape)} can't be reduced to ${formatShape(shape)}`);
  }
  return result;
}
