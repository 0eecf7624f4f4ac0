// The product of all other elements, for each element: what ReduceProd's gradient is made of. Nothing is divided, so
// that zeros are no special case, and the result can be differentiated again.
import { type Dim, elementCount } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import type { Operators } from "./operators.js";
import { positions } from "./positions.js";

/** For every element of `x` the product of the others along `axes`, of x's shape. */
export function productsOfOthers(op: Operators, x: Value, axes: readonly number[]): Value {
  const kept = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const perm = [...kept, ...axes];
  const turned = op.Transpose(x, { perm });
  const width = elementCount(axes.map((axis) => x.shape[axis]!));
  const rows = op.reshapeTo(turned, [...kept.map((axis) => x.shape[axis]!), width]); // [..., n]
  const others = typeof width === "number" ? byRunningProducts(op, rows, width) : byMatrix(op, rows, width);
  return op.Transpose(op.reshapeTo(others, turned.shape), { perm: perm.map((_, i) => perm.indexOf(i)) });
}

/**
 * Products of all before times products of all behind, each in ⌈log₂ n⌉ steps of doubled distance (Hillis & Steele
 * 1986).
 */
function byRunningProducts(op: Operators, rows: Value, n: number): Value {
  const axis = rows.rank - 1;
  /** Elements moved along the axis, ones coming in. */
  const moved = (x: Value, by: number, pads: (by: number) => [number, number]) => {
    const [before] = pads(by);
    const part = before > 0 ? op.Slice(x, [0], [n - by], [axis]) : op.Slice(x, [by], [n], [axis]);
    return op.Pad(part, pads(by), 1, [axis]);
  };
  const running = (pads: (by: number) => [number, number]) => {
    let products = moved(rows, 1, pads);
    for (let by = 1; by < n; by *= 2) products = op.Mul(products, moved(products, by, pads));
    return products;
  };
  return op.Mul(
    running((by) => [by, 0]),
    running((by) => [0, by]),
  );
}

/**
 * For a width known at run time only: a matrix of n copies of each row, with a one in place of each copy's own element.
 */
function byMatrix(op: Operators, rows: Value, n: Dim): Value {
  const own = op.Equal(positions(op, n, 0, 2), positions(op, n, 1, 2)); // [n, n]
  const copies = op.Where(own, op.scalar(1, rows.dtype), op.Unsqueeze(rows, [-2])); // [..., n, n]
  return op.ReduceProd(copies, [-1], { keepdims: 0 });
}
