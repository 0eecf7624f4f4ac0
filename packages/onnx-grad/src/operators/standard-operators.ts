// The operators as typed methods, under the standard's own names and with its order of inputs.
import { type Dim, divideDims, elementCount, multiplyDims } from "../graph/dim.js";
import { GraphError } from "../graph/errors.js";
import type { Value } from "../graph/graph.js";
import type { DType } from "../graph/tensor.js";
import { dataTypeNumbers } from "./conversion.js";
import { broadcastShapes, normaliseAxis } from "./definition.js";
import type { AutoPad, Dims, Flag, Loss, Operand, Product, Reduction, Scatter, Window } from "./operands.js";
import { OperatorBase } from "./operator-base.js";
import { isValue } from "./parameters.js";

/**
 * ONNX operators as methods. Semantics, attribute names and defaults are the standard's (opset 23); operators of
 * onnxruntime's own (`FusedMatMul`) are the exception and are rewritten by {@link toPortable}. Every method throws
 * {@link GraphError} where the inputs do not fit.
 */
export class StandardOperators extends OperatorBase {
  // Arithmetic with broadcasting
  Add = (a: Operand, b: Operand) => this.pair("Add", a, b);
  Sub = (a: Operand, b: Operand) => this.pair("Sub", a, b);
  Mul = (a: Operand, b: Operand) => this.pair("Mul", a, b);
  Div = (a: Operand, b: Operand) => this.pair("Div", a, b);
  Pow = (a: Operand, b: Operand) => this.pair("Pow", a, b);
  Min = (...operands: Value[]) => this.one("Min", operands);
  Max = (...operands: Value[]) => this.one("Max", operands);
  Sum = (...operands: Value[]) => this.one("Sum", operands);
  Mean = (...operands: Value[]) => this.one("Mean", operands);

  // Integers
  Mod = (a: Operand, b: Operand, attributes?: { fmod?: Flag }) => this.pair("Mod", a, b, { ...attributes });
  BitwiseAnd = (a: Operand, b: Operand) => this.pair("BitwiseAnd", a, b);
  BitwiseXor = (a: Operand, b: Operand) => this.pair("BitwiseXor", a, b);

  // Comparisons, logic, choice
  Equal = (a: Operand, b: Operand) => this.pair("Equal", a, b);
  Less = (a: Operand, b: Operand) => this.pair("Less", a, b);
  LessOrEqual = (a: Operand, b: Operand) => this.pair("LessOrEqual", a, b);
  Greater = (a: Operand, b: Operand) => this.pair("Greater", a, b);
  GreaterOrEqual = (a: Operand, b: Operand) => this.pair("GreaterOrEqual", a, b);
  And = (a: Value, b: Value) => this.one("And", [a, b]);
  Or = (a: Value, b: Value) => this.one("Or", [a, b]);
  Xor = (a: Value, b: Value) => this.one("Xor", [a, b]);
  Not = (x: Value) => this.one("Not", [x]);
  IsNaN = (x: Value) => this.one("IsNaN", [x]);
  IsInf = (x: Value) => this.one("IsInf", [x]);
  Where = (condition: Value, yes: Value, no: Value) => this.one("Where", [condition, yes, no]);

  // Elementary functions and activations
  Identity = (x: Value) => this.one("Identity", [x]);
  Neg = (x: Value) => this.one("Neg", [x]);
  Abs = (x: Value) => this.one("Abs", [x]);
  Sign = (x: Value) => this.one("Sign", [x]);
  Floor = (x: Value) => this.one("Floor", [x]);
  Ceil = (x: Value) => this.one("Ceil", [x]);
  Round = (x: Value) => this.one("Round", [x]);
  Exp = (x: Value) => this.one("Exp", [x]);
  Log = (x: Value) => this.one("Log", [x]);
  Sqrt = (x: Value) => this.one("Sqrt", [x]);
  Reciprocal = (x: Value) => this.one("Reciprocal", [x]);
  Sin = (x: Value) => this.one("Sin", [x]);
  Cos = (x: Value) => this.one("Cos", [x]);
  Tan = (x: Value) => this.one("Tan", [x]);
  Atan = (x: Value) => this.one("Atan", [x]);
  Sinh = (x: Value) => this.one("Sinh", [x]);
  Cosh = (x: Value) => this.one("Cosh", [x]);
  Softsign = (x: Value) => this.one("Softsign", [x]);
  Tanh = (x: Value) => this.one("Tanh", [x]);
  Sigmoid = (x: Value) => this.one("Sigmoid", [x]);
  Relu = (x: Value) => this.one("Relu", [x]);
  LeakyRelu = (x: Value, attributes?: { alpha?: number }) => this.one("LeakyRelu", [x], { ...attributes });
  Elu = (x: Value, attributes?: { alpha?: number }) => this.one("Elu", [x], { ...attributes });
  Celu = (x: Value, attributes?: { alpha?: number }) => this.one("Celu", [x], { ...attributes });
  Selu = (x: Value, attributes?: { alpha?: number; gamma?: number }) => this.one("Selu", [x], { ...attributes });
  PRelu = (x: Value, slope: Value) => this.one("PRelu", [x, slope]);
  ThresholdedRelu = (x: Value, attributes?: { alpha?: number }) => this.one("ThresholdedRelu", [x], { ...attributes });
  HardSigmoid = (x: Value, attributes?: { alpha?: number; beta?: number }) =>
    this.one("HardSigmoid", [x], { ...attributes });
  HardSwish = (x: Value) => this.one("HardSwish", [x]);
  Mish = (x: Value) => this.one("Mish", [x]);
  Softplus = (x: Value) => this.one("Softplus", [x]);
  Erf = (x: Value) => this.one("Erf", [x]);
  Gelu = (x: Value, attributes?: { approximate?: "none" | "tanh" }) => this.one("Gelu", [x], { ...attributes });
  /** Bounds are scalars; `undefined` leaves a side open. */
  Clip = (x: Value, min?: Operand, max?: Operand) => {
    const bound = (b: Operand | undefined) => (typeof b === "number" ? this.scalar(b, x.dtype) : b);
    return this.one("Clip", [x, bound(min), bound(max)]);
  };
  Cast = (x: Value, to: DType) => (x.dtype === to ? x : this.one("Cast", [x], { to: dataTypeNumbers[to] }));

  // Reductions; `axes` undefined means all axes
  ReduceSum = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceSum", x, axes, attributes);
  ReduceMean = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceMean", x, axes, attributes);
  ReduceMax = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceMax", x, axes, attributes);
  ReduceMin = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceMin", x, axes, attributes);
  ReduceProd = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceProd", x, axes, attributes);
  ReduceL1 = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceL1", x, axes, attributes);
  ReduceL2 = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceL2", x, axes, attributes);
  ReduceSumSquare = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceSumSquare", x, axes, attributes);
  ReduceLogSumExp = (x: Value, axes?: readonly number[], attributes?: Reduction) =>
    this.reduce("ReduceLogSumExp", x, axes, attributes);
  ArgMax = (x: Value, attributes?: { axis?: number; keepdims?: Flag; select_last_index?: Flag }) =>
    this.one("ArgMax", [x], { ...attributes });
  ArgMin = (x: Value, attributes?: { axis?: number; keepdims?: Flag; select_last_index?: Flag }) =>
    this.one("ArgMin", [x], { ...attributes });
  CumSum = (x: Value, axis: Value | number, attributes?: { exclusive?: number; reverse?: number }) =>
    this.one("CumSum", [x, typeof axis === "number" ? this.scalar(axis, "int64") : axis], { ...attributes });
  /** [values, indices]. */
  TopK = (x: Value, k: number, attributes?: { axis?: number; largest?: Flag; sorted?: Flag }) =>
    this.many("TopK", [x, this.ints([k])], 2, { ...attributes }) as [Value, Value];

  // Matrix products
  MatMul = (a: Value, b: Value) => this.one("MatMul", [a, b]);
  Gemm = (a: Value, b: Value, c?: Value, attributes?: Product & { beta?: number }) =>
    this.one("Gemm", [a, b, c], { ...attributes });
  /** onnxruntime's: alpha · op(A) · op(B) without materialising the transposes. */
  FusedMatMul = (a: Value, b: Value, attributes?: Product) => this.one("FusedMatMul", [a, b], { ...attributes });

  /**
   * Sums of products over named axes, e.g. `{ equation: "bhqd,bhkd->bhqk" }`; `ii` reads a diagonal, `...` stands for
   * any axes.
   */
  Einsum = (inputs: readonly Value[], attributes: { equation: string }) =>
    this.one("Einsum", inputs, { ...attributes });
  /**
   * X [N, C, L…], W [M, C/group, k…], B [M] → [N, M, O…]. `pads` holds the beginnings of all spatial axes, then the
   * ends: a causal convolution of one axis has pads [dilation · (k − 1), 0].
   */
  Conv = (x: Value, w: Value, bias?: Value, attributes?: Window & { auto_pad?: AutoPad }) =>
    this.one("Conv", [x, w, bias], { ...attributes });
  /**
   * X [N, C, L…], W [C, M/group, k…], B [M] → [N, M, stride · (L − 1) + output_padding + dilation · (k − 1) + 1 −
   * pads…].
   */
  ConvTranspose = (x: Value, w: Value, bias?: Value, attributes?: Window & { output_padding?: readonly number[] }) =>
    this.one("ConvTranspose", [x, w, bias], { ...attributes });
  /**
   * softmax(scale · QKᵀ + mask) V: Q [B, H, Tq, d], K and V [B, Hk, Tk, d] where Hk divides H, a mask of bools (true:
   * seen) or of floats that broadcasts to [B, H, Tq, Tk].
   */
  Attention = (
    q: Value,
    k: Value,
    v: Value,
    mask?: Value,
    attributes?: { is_causal?: Flag; scale?: number; softcap?: number },
  ) => this.one("Attention", [q, k, v, mask], { ...attributes });
  /**
   * Rotated positions: X [B, H, T, d] or [B, T, H·d] (with num_heads), caches [positions, r/2] with ids [B, T], or [B,
   * T, r/2] without.
   */
  RotaryEmbedding = (
    x: Value,
    cos: Value,
    sin: Value,
    positionIds?: Value,
    attributes?: { interleaved?: Flag; num_heads?: number; rotary_embedding_dim?: number },
  ) => this.one("RotaryEmbedding", [x, cos, sin, positionIds], { ...attributes });

  // Layout
  Reshape = (x: Value, shape: Dims, attributes?: { allowzero?: Flag }) =>
    this.one("Reshape", [x, isValue(shape) ? shape : this.reshapeTarget(x, shape)], { ...attributes });
  Flatten = (x: Value, attributes?: { axis?: number }) => this.one("Flatten", [x], { ...attributes });
  Squeeze = (x: Value, axes?: readonly number[]) => this.one("Squeeze", axes ? [x, this.ints(axes)] : [x]);
  Unsqueeze = (x: Value, axes: readonly number[]) => this.one("Unsqueeze", [x, this.ints(axes)]);
  Transpose = (x: Value, attributes?: { perm?: readonly number[] }) => this.one("Transpose", [x], { ...attributes });
  Expand = (x: Value, shape: Dims) => this.expandedToNothing(x, shape) ?? this.one("Expand", [x, this.dims(shape)]);
  Concat = (parts: readonly Value[], attributes: { axis: number }) => this.one("Concat", parts, { ...attributes });
  /** Into parts of the given sizes, or into a number of equal parts (of which the last may be smaller). */
  Split = (x: Value, parts: readonly number[] | number, attributes?: { axis?: number }) =>
    typeof parts === "number"
      ? this.many("Split", [x], parts, { ...attributes, num_outputs: parts })
      : this.many("Split", [x, this.ints(parts)], parts.length, { ...attributes });
  Slice = (x: Value, starts: Dims, ends: Dims, axes?: readonly number[], steps?: readonly number[]) =>
    this.one("Slice", [x, this.dims(starts), this.dims(ends), axes && this.ints(axes), steps && this.ints(steps)]);
  Pad = (x: Value, pads: Dims, value?: Operand, axes?: readonly number[], attributes?: { mode?: "constant" }) => {
    const full = axes ? this.padsOfAllAxes(x, pads, axes) : this.dims(pads);
    return this.one("Pad", [x, full, typeof value === "number" ? this.scalar(value, x.dtype) : value], {
      ...attributes,
    });
  };
  Tile = (x: Value, repeats: readonly number[]) => this.one("Tile", [x, this.ints(repeats)]);
  Trilu = (x: Value, k?: Value | number, attributes?: { upper?: number }) =>
    this.one("Trilu", [x, typeof k === "number" ? this.scalar(k, "int64") : k], { ...attributes });

  // Indexing and construction
  Gather = (data: Value, indices: Value, attributes?: { axis?: number }) =>
    this.one("Gather", [data, indices], { ...attributes });
  GatherElements = (data: Value, indices: Value, attributes?: { axis?: number }) =>
    this.one("GatherElements", [data, indices], { ...attributes });
  GatherND = (data: Value, indices: Value, attributes?: { batch_dims?: 0 }) =>
    this.one("GatherND", [data, indices], { ...attributes });
  ScatterElements = (data: Value, indices: Value, updates: Value, attributes?: Scatter) =>
    this.one("ScatterElements", [data, indices, updates], { ...attributes });
  ScatterND = (data: Value, indices: Value, updates: Value, attributes?: { reduction?: "none" | "add" }) =>
    this.one("ScatterND", [data, indices, updates], { ...attributes });
  /** `values` is [off, on]. */
  OneHot = (indices: Value, depth: number, values: Value, attributes?: { axis?: number }) =>
    this.one("OneHot", [indices, this.ints([depth]), values], { ...attributes });
  Shape = (x: Value, attributes?: { start?: number; end?: number }) => this.one("Shape", [x], { ...attributes });
  Range = (start: Value, limit: Value, delta: Value) => this.one("Range", [start, limit, delta]);

  /** Positions of all elements that are not zero: [rank, how many], a size that only the data tell. */
  NonZero = (x: Value) => this.one("NonZero", [x]);
  /** The parts along an axis (or, without one, the elements) for which a bool vector is true. */
  Compress = (x: Value, condition: Value, attributes?: { axis?: number }) =>
    this.one("Compress", [x, condition], { ...attributes });

  // Recurrence
  /**
   * [Y, Y_h]: X [T, B, I], W [1, 3H, I], R [1, 3H, H], B [1, 6H], initial_h [1, B, H] → all states [T, 1, B, H] and the
   * last [1, B, H]. Gates lie in the order update, reset, hidden; `linear_before_reset: 1` is what PyTorch computes.
   */
  GRU = (
    [X, W, R, B, initialState]: readonly [
      X: Value,
      W: Value,
      R: Value,
      B?: Value | undefined,
      initial_h?: Value | undefined,
    ],
    attributes: { hidden_size: number; linear_before_reset?: Flag; direction?: "forward" },
  ) => this.many("GRU", [X, W, R, B, undefined, initialState], 2, { ...attributes }) as [Value, Value];

  /**
   * [Y, Y_h, Y_c]: X [T, B, I], W [1, 4H, I], R [1, 4H, H], B [1, 8H], initial_h and initial_c [1, B, H] → all states
   * [T, 1, B, H], the last one and the last cell [1, B, H]. Gates lie in the order input, output, forget, cell.
   */
  LSTM = (
    [X, W, R, B, initialState, initialCell]: readonly [
      X: Value,
      W: Value,
      R: Value,
      B?: Value | undefined,
      initial_h?: Value | undefined,
      initial_c?: Value | undefined,
    ],
    attributes: { hidden_size: number; direction?: "forward" },
  ) =>
    this.many("LSTM", [X, W, R, B, undefined, initialState, initialCell], 3, { ...attributes }) as [
      Value,
      Value,
      Value,
    ];

  // Normalisation, losses, randomness
  Softmax = (x: Value, attributes?: { axis?: number }) => this.one("Softmax", [x], { ...attributes });
  LogSoftmax = (x: Value, attributes?: { axis?: number }) => this.one("LogSoftmax", [x], { ...attributes });
  LayerNormalization = (x: Value, scale: Value, bias?: Value, attributes?: { axis?: number; epsilon?: number }) =>
    this.one("LayerNormalization", [x, scale, bias], { ...attributes });
  RMSNormalization = (x: Value, scale: Value, attributes?: { axis?: number; epsilon?: number }) =>
    this.one("RMSNormalization", [x, scale], { ...attributes });
  /**
   * [output], in training [output, running mean, running variance]: x [N, C, …], the others [C]. The variance is the
   * population's.
   */
  BatchNormalization = (
    x: Value,
    scale: Value,
    bias: Value,
    mean: Value,
    variance: Value,
    attributes?: { epsilon?: number; momentum?: number; training_mode?: Flag },
  ) => {
    const count = attributes?.training_mode === 1 ? 3 : 1;
    return this.many("BatchNormalization", [x, scale, bias, mean, variance], count, { ...attributes }) as [
      Value,
      ...Value[],
    ];
  };
  NegativeLogLikelihoodLoss = (logProbabilities: Value, labels: Value, weights?: Value, attributes?: Loss) =>
    this.one("NegativeLogLikelihoodLoss", [logProbabilities, labels, weights], { ...attributes });
  /** [loss, log-probabilities]. */
  SoftmaxCrossEntropyLoss = (logits: Value, labels: Value, weights?: Value, attributes?: Loss) =>
    this.many("SoftmaxCrossEntropyLoss", [logits, labels, weights], 2, { ...attributes }) as [Value, Value];
  /** [output, mask]; without `training` (a bool scalar) it is the identity, as the standard has it. */
  Dropout = (x: Value, ratio?: Operand, training?: Value, attributes?: { seed?: number }) =>
    this.many("Dropout", [x, typeof ratio === "number" ? this.scalar(ratio, x.dtype) : ratio, training], 2, {
      ...attributes,
    }) as [Value, Value];

  /**
   * The target of a reshape with as little run-time arithmetic as possible: 0 copies a dimension, one -1 is worked out
   * by Reshape.
   */
  private reshapeTarget(x: Value, shape: readonly Dim[]): Value {
    const encoded = shape.map((dim, i) => (typeof dim === "string" && dim === x.shape[i] ? 0 : dim));
    const symbolic = encoded.filter((dim) => typeof dim === "string");
    const rest = shape.filter((dim) => dim !== symbolic[0]);
    const solvable = symbolic.length === 1 && !shape.includes(-1) && !shape.includes(0);
    if (solvable && divideDims(elementCount(x.shape), rest.reduce<Dim>(multiplyDims, 1)) === symbolic[0]) {
      return this.ints(encoded.map((dim) => (typeof dim === "string" ? -1 : dim)));
    }
    // 0 copies, unless a dimension of the target really is 0
    return this.dims(shape.includes(0) ? shape : encoded);
  }

  /**
   * What an Expand to a size of 0 gives: a constant without elements. onnxruntime 1.30 takes such an Expand for one
   * that changes nothing and removes it.
   */
  private expandedToNothing(x: Value, shape: Dims): Value | undefined {
    if (isValue(shape) || !shape.includes(0)) return undefined;
    const result = broadcastShapes(x.shape, shape);
    if (!result.every((dim): dim is number => typeof dim === "number")) return undefined;
    return this.graph.constant([], { dtype: x.dtype, shape: result });
  }

  /**
   * onnxruntime 1.30 mixes up the pads of chosen axes when it moves a Transpose past the Pad, so all axes are always
   * written.
   */
  private padsOfAllAxes(x: Value, pads: Dims, axes: readonly number[]): Value {
    const given = isValue(pads) ? pads.content : pads;
    if (given?.length !== 2 * axes.length) return this.one("Pad", [x, this.dims(pads), undefined, this.ints(axes)]);
    const full = Array.from({ length: 2 * x.rank }, (): Dim => 0);
    axes.forEach((axis, i) => {
      const at = normaliseAxis(axis, x.rank);
      full[at] = given[i]!;
      full[at + x.rank] = given[i + axes.length]!;
    });
    return this.dims(full);
  }
}
