// Operators that onnxruntime 1.30's WebGPU provider has no kernel for but can compute in others: left as they are, the
// products of every backward pass would run on the CPU.
import type { Graph } from "../../graph/graph.js";
import { type Lowering, rewrite } from "../../transform/rewrite.js";

/** The same graph for WebGPU. */
export function forWebGpu(graph: Graph): Graph {
  return rewrite(graph, ({ type }) => lowerings.get(type));
}

const lowerings: ReadonlyMap<string, Lowering> = new Map<string, Lowering>([
  [
    "FusedMatMul",
    (c) => {
      const { op } = c;
      const [a, b] = [c.input(0), c.input(1)];
      const [transA, transB] = [c.flag("transA"), c.flag("transB")];
      const alpha = c.float("alpha");
      // Gemm reads matrices transposed without a copy; batches of them (attention) have to be turned over.
      if (a.rank === 2 && b.rank === 2)
        return [op.Gemm(a, b, undefined, { alpha, transA: Number(transA), transB: Number(transB) })];
      const product = op.MatMul(transA ? op.swapLast(a) : a, transB ? op.swapLast(b) : b);
      return [alpha === 1 ? product : op.Mul(product, alpha)];
    },
  ],
  [
    "LogSoftmax",
    (c) => {
      const { op } = c;
      const x = c.input(0);
      const axes = [c.axis("axis", x.rank)];
      const shifted = op.Sub(x, op.ReduceMax(x, axes, { keepdims: 1 }));
      return [op.Sub(shifted, op.Log(op.ReduceSum(op.Exp(shifted), axes, { keepdims: 1 })))];
    },
  ],
]);
