// Positions along axes as tensors: what masks are made of.
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import type { Operators } from "./operators.js";

/**
 * 0, 1, …, size − 1 as int64 along `axis` of a tensor of `rank`, all other axes of size 1. The size may be symbolic.
 */
export function positions(op: Operators, size: Dim, axis: number, rank: number): Value {
  const count = op.Squeeze(op.dims([size]), [0]);
  const along = op.Range(op.scalar(0, "int64"), count, op.scalar(1, "int64")); // [size]
  const others = Array.from({ length: rank }, (_, i) => i).toSpliced(axis, 1);
  return others.length === 0 ? along : op.Unsqueeze(along, others);
}
