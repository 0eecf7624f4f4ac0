// T5's relative position biases (Raffel et al. 2020, §2.1): distances fall into buckets, and each bucket has a learned
// bias a head.
import type { Dim, Graph, Value } from "@cllm4rec/onnx-grad";

// Shape legend: H heads, T query positions, S key positions, D largest distance told apart.

export interface BucketOptions {
  readonly positionBuckets: number;
  readonly maxDistance: number;
}

/**
 * The bucket of every distance key − query from −D to D; farther ones are as far as D. Half of the buckets are single
 * distances, the rest widen logarithmically. Looking both ways, either direction has half of the buckets; looking back
 * only, keys ahead share bucket 0.
 */
export function distanceBuckets({ positionBuckets, maxDistance }: BucketOptions, bidirectional: boolean): number[] {
  const count = bidirectional ? Math.floor(positionBuckets / 2) : positionBuckets;
  const exact = Math.floor(count / 2);
  const bucket = (distance: number): number => {
    if (distance < exact) return distance;
    // In single precision step by step, as the models were trained: a limit between two buckets may fall on a whole
    // number.
    const { fround } = Math;
    const octaves = fround(fround(Math.log(fround(distance / exact))) / fround(Math.log(maxDistance / exact)));
    return Math.min(exact + Math.trunc(fround(octaves * (count - exact))), count - 1);
  };
  return Array.from({ length: 2 * maxDistance + 1 }, (_, i) => {
    const relative = i - maxDistance;
    if (bidirectional) return (relative > 0 ? count : 0) + bucket(Math.abs(relative));
    return relative > 0 ? 0 : bucket(Math.abs(relative));
  });
}

/**
 * Biases for all pairs of S keys and the last T of the same positions: [1, H, T, S]. Rows may hold several sequences
 * one after another: distances inside each are those along the row, and pairs across are masked anyway.
 * @param table the learned biases, [buckets, H]
 */
export function relativeBias(
  graph: Graph,
  table: Value,
  options: BucketOptions,
  bidirectional: boolean,
  [queries, keys]: readonly [queries: Dim, keys: Dim],
): Value {
  const { op } = graph;
  const { maxDistance } = options;
  const scalar = (n: number) => op.scalar(n, "int64");
  const keyPositions = op.Range(scalar(0), op.Squeeze(op.dims([keys]), [0]), scalar(1)); // [S]
  const before = queries === keys ? undefined : op.Sub(op.dims([keys]), op.dims([queries])); // [1]
  const own = op.Range(scalar(0), op.Squeeze(op.dims([queries]), [0]), scalar(1)); // [T]
  const queryPositions = before ? op.Add(own, before) : own;
  const relative = op.Sub(op.Unsqueeze(keyPositions, [0]), op.Unsqueeze(queryPositions, [1])); // [T, S]
  const index = op.Add(op.Clip(relative, -maxDistance, maxDistance), maxDistance);
  const byDistance = op.Gather(table, op.ints(distanceBuckets(options, bidirectional))); // [2D+1, H]
  return op.Unsqueeze(op.Transpose(op.Gather(byDistance, index), { perm: [2, 0, 1] }), [0]);
}
