// Dropout whose mask is a pure function of (seed, stream, position), written in integer operators: a resumed run drops
// the same elements.
import { elementCount } from "../graph/dim.js";
import { GraphError } from "../graph/errors.js";
import type { Graph, Value } from "../graph/graph.js";
import type { Operators } from "../operators/operators.js";

export interface SeededDropoutOptions {
  /** The probability with which an element is dropped, 0 ≤ ratio < 1; what is kept is multiplied by 1 / (1 − ratio). */
  readonly ratio: number;
  /** An int64 scalar, usually a graph input that the caller sets to a new number every step. */
  readonly seed: Value;
  /**
   * Tells the dropouts of one graph apart: equal seeds and different streams give independent masks. An integer from 0
   * to 2³² − 1.
   */
  readonly stream: number;
}

/**
 * Drops elements of `x` at random (Srivastava et al. 2014) and scales the rest.
 *
 * Unlike ONNX's own Dropout, whose generator keeps hidden state in the engine, the mask depends on nothing but `seed`,
 * `stream` and the element's position (row-major), so that a run that was stopped and resumed computes the same bits.
 * The gradient passes through the same mask. One thing is asked of the engine beyond the standard: int32 products wrap
 * around, as they do in onnxruntime and in numpy.
 *
 * @param x a float tensor of rank 1 or more, symbolic dimensions allowed.
 * @throws GraphError where the ratio, the stream, the seed's type or x's rank is wrong.
 */
export function seededDropout(graph: Graph, x: Value, { ratio, seed, stream }: SeededDropoutOptions): Value {
  const fail = (detail: string) => new GraphError(graph.name, `seededDropout of ${x}: ${detail}`);
  if (!(ratio >= 0 && ratio < 1)) throw fail(`ratio ${ratio}, at least 0 and less than 1 is expected`);
  if (!Number.isInteger(stream) || stream < 0 || stream > word) throw fail(`stream ${stream} is no integer below 2^32`);
  if (seed.dtype !== "int64" || seed.rank !== 0) throw fail(`seed ${seed} is no int64 scalar`);
  if (x.rank === 0) throw fail("a tensor of rank 1 or more is expected");
  if (ratio === 0) return x;
  return graph.scope("dropout", () => {
    const { op } = graph;
    const dropped = op.Less(randomWords(graph, x, seed, stream), Math.round(ratio * 2 ** 32) - 2 ** 31);
    return op.Where(dropped, op.scalar(0, x.dtype), op.Mul(x, 1 / (1 - ratio)));
  });
}

const word = 2 ** 32 - 1;

/**
 * A uniform int32 for every element of `x`. Rows (all axes but the last) and columns are hashed on their own, in int64
 * below 2⁶³; only the last two rounds run over every element, in int32, which costs a fifth.
 */
function randomWords(graph: Graph, x: Value, seed: Value, stream: number): Value {
  const { op } = graph;
  const leading = x.shape.slice(0, -1);
  const count = (dim: Value) => op.Range(op.scalar(0, "int64"), op.Squeeze(dim, [0]), op.scalar(1, "int64"));
  const [low, high] = [op.BitwiseAnd(seed, word), op.BitwiseAnd(op.Div(seed, 2 ** 32), word)];
  const key = scramble(op, op.BitwiseXor(scramble(op, op.BitwiseXor(low, scrambledStream(stream))), high));
  const rows = scramble(op, op.BitwiseXor(op.BitwiseAnd(count(op.dims([elementCount(leading)])), word), key));
  const columns = scramble(op, op.Add(count(op.dims([x.dim(-1)])), 0x2545f491));
  const signed = (x: Value) => op.Cast(op.Sub(x, 2 ** 31), "int32");
  // [..., 1] ⊕ [K] → [..., K]
  const words = op.BitwiseXor(signed(op.reshapeTo(rows, [...leading, 1])), signed(columns));
  return op.Mul(shiftXor(op, op.Mul(words, first), 15), second);
}

// The two-round hash with multipliers 21f0aaad and 735a2d97, found by a search for low bias (Wellons, hash-prospector,
// 2018/2023).
const first = 0x21f0aaad;
const second = 0x735a2d97;

/** x ⊕ x / 2ᵇⁱᵗˢ. */
const shiftXor = (op: Operators, x: Value, bits: number) => op.BitwiseXor(x, op.Div(x, 2 ** bits));

/** The low 32 bits of x · factor, for x < 2³² and factor < 2³¹. */
const multiply = (op: Operators, x: Value, factor: number) => op.BitwiseAnd(op.Mul(x, factor), word);

function scramble(op: Operators, x: Value): Value {
  const inner = multiply(op, shiftXor(op, x, 16), first);
  return shiftXor(op, multiply(op, shiftXor(op, inner, 15), second), 15);
}

/** The same function of a number. */
function scrambledStream(stream: number): number {
  let x = stream ^ (stream >>> 16);
  x = Math.imul(x, first);
  x = Math.imul(x ^ (x >>> 15), second);
  return (x ^ (x >>> 15)) >>> 0;
}
