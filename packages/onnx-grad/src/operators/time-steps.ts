// What the recurrent operators share: products over all steps at once, and single steps out of them.
import { formatShape, type Shape, sameShape } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import type { OperatorContext } from "./definition.js";
import type { Operators } from "./operators.js";

/** @throws RangeError naming the first input, of those that are there, that has another shape. */
export function requireShapes(c: OperatorContext, names: readonly string[], expected: readonly Shape[]): void {
  expected.forEach((shape, i) => {
    const value = c.optional(i);
    if (value && !sameShape(value.shape, shape))
      throw new RangeError(`${names[i]} must have shape ${formatShape(shape)}`);
  });
}

/** x Wᵀ: [T, B, N] × [M, N] → [T, B, M]. */
export const times = (op: Operators, x: Value, w: Value): Value => op.FusedMatMul(x, w, { transB: 1 });

/** Step t: [T, B, H] → [B, H]. */
export const stepOf = (op: Operators, x: Value, t: number): Value => op.Squeeze(op.Slice(x, [t], [t + 1], [0]), [0]);

/** Steps one behind the other: T of [B, H] → [T, B, H]. */
export const stackSteps = (op: Operators, parts: readonly Value[]): Value =>
  op.Concat(
    parts.map((part) => op.Unsqueeze(part, [0])),
    { axis: 0 },
  );

/** Σ over steps and sequences of gradient ⊗ operand: [T, B, M], [T, B, N] → [M, N]. */
export function outerSum(op: Operators, gradient: Value, operand: Value): Value {
  const flat = (x: Value) => op.Reshape(x, [-1, x.dim(2)]);
  return op.FusedMatMul(flat(gradient), flat(operand), { transA: 1 });
}

/** Σ over steps and sequences: [T, B, N] → [N]. */
export const stepSum = (op: Operators, x: Value): Value => op.ReduceSum(x, [0, 1], { keepdims: 0 });
