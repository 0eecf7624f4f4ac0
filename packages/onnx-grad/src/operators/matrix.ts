// Matrix products: the standard's MatMul and Gemm, and onnxruntime's FusedMatMul, which reads its operands transposed
// without a copy.
import { type Dim, elementCount, type Shape } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import {
  broadcastShapes,
  define,
  flag,
  type GradientContext,
  type OperatorContext,
  type OperatorDefinition,
} from "./definition.js";
import { input, optional } from "./parameters.js";
import { reduceTo } from "./reduce-to.js";

/** [..., M, C] × [..., C, P] → [..., M, P]; vectors are treated as numpy.matmul does. */
function productShape(a: Shape, b: Shape, transA: boolean, transB: boolean): Shape {
  if (a.length === 0 || b.length === 0) throw new RangeError("scalars can't be multiplied as matrices");
  const left: Shape = a.length === 1 ? [1, a[0]!] : a;
  const right: Shape = b.length === 1 ? [b[0]!, 1] : b;
  const [m, inner] = lastTwo(left, transA);
  const [innerB, p] = lastTwo(right, transB);
  if (inner !== innerB) throw new RangeError(`inner dimensions ${inner} and ${innerB} differ`);
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  return [...batch, ...(a.length === 1 ? [] : [m]), ...(b.length === 1 ? [] : [p])];
}

function lastTwo(shape: Shape, transposed: boolean): [Dim, Dim] {
  const [row, column] = shape.slice(-2) as [Dim, Dim];
  return transposed ? [column, row] : [row, column];
}

/**
 * For C = α·op(A)·op(B): ∂A = α·∂C·op(B)ᵀ and ∂B = α·op(A)ᵀ·∂C, each written so that the result comes out in the
 * operand's own layout. A matrix B shared by a batch of A (a linear layer) is summed over the batch inside one flat
 * product.
 */
function productGradient(c: GradientContext, transA: boolean, transB: boolean, alpha: number): (Value | undefined)[] {
  const { op } = c;
  let a = c.input(0);
  let b = c.input(1);
  let dy = c.outputGradient();
  const shapes = [a.shape, b.shape] as const;
  if (a.rank === 1) {
    a = op.Unsqueeze(a, [0]);
    dy = op.Unsqueeze(dy, [shapes[1].length === 1 ? 0 : -2]);
  }
  if (b.rank === 1) {
    b = op.Unsqueeze(b, [1]);
    dy = op.Unsqueeze(dy, [-1]);
  }
  const da = c.needs(0)
    ? transA
      ? op.FusedMatMul(b, dy, { transA: Number(transB), transB: 1, alpha })
      : op.FusedMatMul(dy, b, { transB: Number(!transB), alpha })
    : undefined;
  let db: Value | undefined;
  if (c.needs(1)) {
    if (b.rank === 2 && a.rank > 2 && !transA) {
      a = op.reshapeTo(a, [elementCount(a.shape.slice(0, -1)), a.dim(-1)]);
      dy = op.reshapeTo(dy, [elementCount(dy.shape.slice(0, -1)), dy.dim(-1)]);
    }
    const [tall, thin] = transB ? [dy, a] : [a, dy];
    if (!transA && b.rank > 2 && isThin(thin.dim(-1), tall.dim(-1))) {
      db = op.swapLast(op.FusedMatMul(thin, tall, { transA: 1, alpha }));
    } else {
      db = transB
        ? op.FusedMatMul(dy, a, { transA: 1, transB: Number(transA), alpha })
        : op.FusedMatMul(a, dy, { transA: Number(!transA), alpha });
    }
  }
  const restore = (gradient: Value | undefined, shape: Shape, matrix: Value) =>
    gradient && op.reshapeTo(reduceTo(op, gradient, matrix.shape), shape);
  return [
    shapes[0].length === 1 ? restore(da, shapes[0], a) : da && reduceTo(op, da, shapes[0]),
    shapes[1].length === 1 ? restore(db, shapes[1], b) : db && reduceTo(op, db, shapes[1]),
  ];
}

/**
 * Whether it pays to read the thin factor of AᵀB transposed and to turn the small product over: onnxruntime's CPU reads
 * a transposed matrix slowly, and a narrow product gives that little to do (heads of 16: 1.6 times as fast on two
 * threads, 2.6 times on one; of 64: no difference).
 */
function isThin(width: Dim, other: Dim): boolean {
  return typeof width === "number" && width <= 32 && !(typeof other === "number" && other <= width);
}

const requireFloats = (c: OperatorContext) => {
  c.requireFloat();
  return c.sameDType();
};

export const matrix: readonly OperatorDefinition[] = [
  define({
    type: "MatMul",
    inputs: [input("A"), input("B")],
    infer: (c) => [{ dtype: c.sameDType(), shape: productShape(c.input(0).shape, c.input(1).shape, false, false) }],
    gradient: (c) => productGradient(c, false, false, 1),
  }),
  define({
    type: "FusedMatMul",
    domain: "com.microsoft",
    inputs: [input("A"), input("B")],
    attributes: {
      alpha: { kind: "float", default: 1 },
      transA: flag(0),
      transB: flag(0),
    },
    infer: (c) => {
      const [a, b] = [c.input(0), c.input(1)];
      if (a.rank < 2 || b.rank < 2) throw new RangeError("operands of rank 2 or more are expected");
      return [{ dtype: requireFloats(c), shape: productShape(a.shape, b.shape, c.flag("transA"), c.flag("transB")) }];
    },
    gradient: (c) => productGradient(c, c.flag("transA"), c.flag("transB"), c.float("alpha")),
    lower: (c) => {
      const { op } = c;
      const [a, b] = [c.input(0), c.input(1)];
      const product = op.MatMul(c.flag("transA") ? op.swapLast(a) : a, c.flag("transB") ? op.swapLast(b) : b);
      return [c.float("alpha") === 1 ? product : op.Mul(product, c.float("alpha"))];
    },
  }),
  define({
    type: "Gemm",
    inputs: [input("A"), input("B"), optional("C")],
    attributes: {
      alpha: { kind: "float", default: 1 },
      beta: { kind: "float", default: 1 },
      transA: flag(0),
      transB: flag(0),
    },
    infer: (c) => {
      const [a, b, bias] = [c.input(0), c.input(1), c.optional(2)];
      if (a.rank !== 2 || b.rank !== 2) throw new RangeError("matrices are expected");
      const shape = productShape(a.shape, b.shape, c.flag("transA"), c.flag("transB"));
      if (bias && broadcastShapes(shape, bias.shape).some((dim, i) => dim !== shape[i])) {
        throw new RangeError(`C does not broadcast to [${shape.join(", ")}]`);
      }
      return [{ dtype: requireFloats(c), shape }];
    },
    gradient: (c) => {
      const [da, db] = productGradient(c, c.flag("transA"), c.flag("transB"), c.float("alpha"));
      const bias = c.optional(2);
      if (!bias || !c.needs(2)) return [da, db];
      const dBias = reduceTo(c.op, c.outputGradient(), bias.shape);
      return [da, db, c.float("beta") === 1 ? dBias : c.op.Mul(dBias, c.float("beta"))];
    },
  }),
];
