// Scaled dot-product attention and rotary positions as operators of the standard (ONNX Attention-23,
// RotaryEmbedding-23). B sequences, H heads (Hk of keys and values, each for G = H/Hk of the queries), Tq queries, Tk
// keys, d elements a head.
import { type Dim, formatShape, type Shape } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import {
  broadcastShapes,
  define,
  flag,
  type GradientContext,
  type InputGradients,
  type OperatorContext,
  type OperatorDefinition,
} from "./definition.js";
import { input, optional } from "./parameters.js";
import { positions } from "./positions.js";
import { reduceTo } from "./reduce-to.js";

interface AttentionSizes {
  readonly B: Dim;
  readonly H: number;
  readonly Hk: number;
  readonly Tq: Dim;
  readonly Tk: Dim;
  /** What the products are multiplied with; 1/√d where the attribute is absent. */
  readonly scale: number;
}

/** The sizes of a node. @throws RangeError where the inputs do not fit. */
export function attentionSizes(c: OperatorContext): AttentionSizes {
  const [q, k, v, mask] = [c.input(0), c.input(1), c.input(2), c.optional(3)];
  for (const [name, value] of Object.entries({ Q: q, K: k, V: v })) {
    if (value.rank !== 4)
      throw new RangeError(`${name} must have shape [B, H, T, d]: split the heads by Reshape and Transpose first`);
  }
  const [B, H, Tq, d] = q.shape as readonly [Dim, Dim, Dim, Dim];
  const [, Hk, Tk] = k.shape as readonly [Dim, Dim, Dim, Dim];
  const expected: [string, Value, Shape][] = [
    ["K", k, [B, Hk, Tk, d]],
    ["V", v, [B, Hk, Tk, v.dim(3)]],
  ];
  for (const [name, { shape }, wanted] of expected) {
    if (shape.some((dim, i) => dim !== wanted[i]))
      throw new RangeError(`${name} must have shape ${formatShape(wanted)}`);
  }
  if (typeof H !== "number" || typeof Hk !== "number" || H % Hk !== 0)
    throw new RangeError(`${H} heads of queries for ${Hk} of keys: known numbers are expected, the first a multiple`);
  if (mask && mask.dtype !== "bool" && mask.dtype !== q.dtype)
    throw new RangeError(`attn_mask must be bool or ${q.dtype}, not ${mask.dtype}`);
  const scores = [B, H, Tq, Tk];
  if (mask && (mask.rank > 4 || broadcastShapes(scores, mask.shape).some((dim, i) => dim !== scores[i])))
    throw new RangeError(`attn_mask does not broadcast to ${formatShape(scores)}`);
  const given = c.attributes.scale as number | undefined;
  if (given === undefined && typeof d !== "number") throw new RangeError("scale is needed where d is symbolic");
  return { B, H, Hk, Tq, Tk, scale: given ?? 1 / Math.sqrt(d as number) };
}

/** Keys or values, once for each head of queries: [B, Hk, T, d] → [B, H, T, d]. */
function repeatHeads(c: GradientContext, x: Value, { B, H, Hk }: AttentionSizes): Value {
  if (H === Hk) return x;
  const { op } = c;
  const [T, d] = [x.dim(2), x.dim(3)];
  return op.reshapeTo(op.Expand(op.Unsqueeze(x, [2]), [B, Hk, H / Hk, T, d]), [B, H, T, d]);
}

/** The other way: [B, H, T, d] → [B, Hk, T, d], summed over the heads that share one. */
function sumHeads(c: GradientContext, x: Value, { B, H, Hk }: AttentionSizes): Value {
  if (H === Hk) return x;
  const parted = c.op.reshapeTo(x, [B, Hk, H / Hk, x.dim(2), x.dim(3)]);
  return c.op.ReduceSum(parted, [2], { keepdims: 0 });
}

/**
 * P = softmax(cap(scale·QKᵀ) + mask), Y = PV, where cap(s) = softcap·tanh(s/softcap). P is computed again, from the
 * inputs.
 */
function attentionGradient(c: GradientContext): InputGradients {
  const { op } = c;
  const sizes = attentionSizes(c);
  const { Tq, Tk, scale } = sizes;
  const [q, dy, mask] = [c.input(0), c.outputGradient(), c.optional(3)];
  const [k, v] = [repeatHeads(c, c.input(1), sizes), repeatHeads(c, c.input(2), sizes)];
  const none = op.scalar(Number.NEGATIVE_INFINITY, q.dtype);
  const cap = c.float("softcap");
  let scores = op.FusedMatMul(q, k, { transB: 1, alpha: scale }); // [B, H, Tq, Tk]
  const bent = cap === 0 ? undefined : op.Tanh(op.Div(scores, cap));
  if (bent) scores = op.Mul(bent, cap);
  if (mask) scores = mask.dtype === "bool" ? op.Where(mask, scores, none) : op.Add(scores, mask);
  if (c.flag("is_causal")) {
    scores = op.Where(op.GreaterOrEqual(positions(op, Tq, 0, 2), positions(op, Tk, 1, 2)), scores, none);
  }
  const p = op.Softmax(scores);
  const dP = op.FusedMatMul(dy, v, { transB: 1 });
  const dScores = op.Mul(p, op.Sub(dP, op.ReduceSum(op.Mul(dP, p), [3], { keepdims: 1 })));
  const dProducts = bent ? op.Sub(dScores, op.Mul(dScores, op.Mul(bent, bent))) : dScores;
  return [
    c.needs(0) ? op.FusedMatMul(dProducts, k, { alpha: scale }) : undefined,
    c.needs(1) ? sumHeads(c, op.FusedMatMul(dProducts, q, { transA: 1, alpha: scale }), sizes) : undefined,
    c.needs(2) ? sumHeads(c, op.FusedMatMul(p, dy, { transA: 1 }), sizes) : undefined,
    mask && c.needs(3) ? reduceTo(op, dScores, mask.shape) : undefined,
  ];
}

/**
 * Heads and rotated elements a head. x is [B, H, T, d], or [B, T, H·d] with num_heads. @throws RangeError where the
 * inputs do not fit.
 */
export function rotarySizes(c: OperatorContext): { H: number; T: Dim; d: number; rotated: number } {
  const [x, cos, sin, ids] = [c.input(0), c.input(1), c.input(2), c.optional(3)];
  const heads = c.int("num_heads");
  const last = x.dim(-1);
  if (x.rank !== 4 && (x.rank !== 3 || heads < 1))
    throw new RangeError("X must have shape [B, H, T, d], or [B, T, H·d] where num_heads is given");
  const [H, T] = x.rank === 4 ? [x.dim(1), x.dim(2)] : [heads, x.dim(1)];
  if (typeof last !== "number" || typeof H !== "number") throw new RangeError("heads and their size must be known");
  const d = x.rank === 4 ? last : last / heads;
  const rotated = c.int("rotary_embedding_dim") || d;
  if (!Number.isInteger(d) || rotated > d || rotated % 2 !== 0)
    throw new RangeError(`${rotated} rotated elements of ${d} a head: an even number of them is expected`);
  const wanted: Shape = ids ? [cos.dim(0), rotated / 2] : [x.dim(0), T, rotated / 2];
  for (const [name, { shape }] of Object.entries({ cos_cache: cos, sin_cache: sin })) {
    if (shape.length !== wanted.length || shape.some((dim, i) => dim !== wanted[i]))
      throw new RangeError(`${name} must have shape ${formatShape(wanted)}`);
  }
  if (ids && (ids.dtype !== "int64" || ids.rank !== 2 || ids.dim(0) !== x.dim(0) || ids.dim(1) !== T))
    throw new RangeError(`position_ids must be int64 of shape ${formatShape([x.dim(0), T])}`);
  return { H, T, d, rotated };
}

export const attention: readonly OperatorDefinition[] = [
  define({
    type: "Attention",
    float32Only: true,
    inputs: [input("Q"), input("K"), input("V"), optional("attn_mask")],
    attributes: { is_causal: flag(0), scale: { kind: "float" }, softcap: { kind: "float", default: 0 } },
    infer: (c) => {
      const dtype = c.requireFloat() && c.sameDType(0, 1, 2);
      const { B, H, Tq } = attentionSizes(c);
      return [{ dtype, shape: [B, H, Tq, c.input(2).dim(3)] }];
    },
    gradient: attentionGradient,
  }),
  // A rotation, so that its transpose is the rotation back: the same with −sin.
  define({
    type: "RotaryEmbedding",
    float32Only: true,
    inputs: [input("X"), input("cos_cache"), input("sin_cache"), optional("position_ids")],
    attributes: {
      interleaved: flag(0),
      num_heads: { kind: "int", default: 0 },
      rotary_embedding_dim: { kind: "int", default: 0 },
    },
    infer: (c) => {
      const dtype = c.requireFloat() && c.sameDType(0, 1, 2);
      rotarySizes(c);
      return [{ dtype, shape: c.input(0).shape }];
    },
    gradient: (c) => {
      if (c.needs(1) || c.needs(2))
        throw new RangeError("there is no gradient with respect to cos_cache and sin_cache");
      const { interleaved, num_heads, rotary_embedding_dim } = c.attributes as Record<string, number>;
      const attributes = {
        interleaved: interleaved as 0 | 1,
        num_heads: num_heads!,
        rotary_embedding_dim: rotary_embedding_dim!,
      };
      return [c.op.RotaryEmbedding(c.outputGradient(), c.input(1), c.op.Neg(c.input(2)), c.optional(3), attributes)];
    },
  }),
];
