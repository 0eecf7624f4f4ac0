// Operators that move elements without computing on them: reshape, transpose, join, cut, repeat and pad.

import {
  addDims,
  type Dim,
  divideDims,
  elementCount,
  multiplyDims,
  type Shape,
  sameShape,
  subtractDims,
} from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import {
  broadcastShapes,
  define,
  flag,
  normaliseAxis,
  type OperatorContext,
  type OperatorDefinition,
} from "./definition.js";
import { input, many, optional } from "./parameters.js";
import { reduceTo } from "./reduce-to.js";

function reshapedShape(c: OperatorContext): Shape {
  const from = c.input(0).shape;
  const target = c.input(1).content;
  if (!target)
    throw new RangeError("the target shape must be a constant, or made of dimensions by Shape, Gather and Concat");
  const keepZero = !c.flag("allowzero");
  const shape = target.map((dim, i): Dim => {
    if (dim !== 0 || !keepZero) return dim;
    if (i >= from.length) throw new RangeError(`0 at position ${i} copies a dimension that the input does not have`);
    return from[i]!;
  });
  const open = shape.indexOf(-1);
  if (open !== shape.lastIndexOf(-1)) throw new RangeError(`[${shape.join(", ")}] has more than one -1`);
  const known = elementCount(shape.filter((_, i) => i !== open));
  if (open >= 0) {
    const rest = divideDims(elementCount(from), known);
    if (rest === undefined) throw new RangeError(`[${from.join(", ")}] can't be reshaped to [${shape.join(", ")}]`);
    return shape.map((dim, i) => (i === open ? rest : dim));
  }
  if (known !== elementCount(from)) {
    throw new RangeError(`[${from.join(", ")}] has ${elementCount(from)} elements, [${shape.join(", ")}] has ${known}`);
  }
  return shape;
}

/** The axes of Squeeze and Unsqueeze, sorted. */
function sortedAxes(c: OperatorContext, rank: number): number[] {
  const axes = c.constantInts(1, "axes")?.map((axis) => normaliseAxis(axis, rank)) ?? [];
  if (new Set(axes).size !== axes.length) throw new RangeError("an axis is repeated");
  return axes.sort((a, b) => a - b);
}

/** A Slice bound that means "to the end of the axis". */
const sliceEnd = 2 ** 31 - 1;

interface SliceRange {
  readonly axis: number;
  readonly start: Dim;
  readonly length: Dim;
  readonly step: number;
}

/**
 * The ranges of a Slice by the standard's clamping rules. On symbolic axes or with symbolic bounds the step must be 1,
 * and the bounds must lie inside the axis at run time: nothing is known to clamp to.
 */
function sliceRanges(c: OperatorContext): readonly SliceRange[] {
  const { shape, rank } = c.input(0);
  const starts = knownContent(c, 1, "starts");
  const ends = knownContent(c, 2, "ends");
  const axes = c.constantInts(3, "axes") ?? starts.map((_, i) => i);
  const steps = c.constantInts(4, "steps") ?? starts.map(() => 1);
  return axes.map((rawAxis, i) => {
    const axis = normaliseAxis(rawAxis, rank);
    const [start, end, step, size] = [starts[i]!, ends[i]!, steps[i]!, shape[axis]!];
    if (step === 0) throw new RangeError("a step is 0");
    if (typeof size === "number" && typeof start === "number" && typeof end === "number") {
      const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x < 0 ? x + size : x, low), high);
      const [from, to] =
        step > 0 ? [clamp(start, 0, size), clamp(end, 0, size)] : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)];
      return { axis, start: from, length: Math.max(0, Math.ceil((to - from) / step)), step };
    }
    if (step !== 1) throw new RangeError(`axis ${axis} of symbolic size or bounds can only be cut with step 1`);
    const from = typeof start === "number" && start < 0 ? subtractDims(size, -start) : start;
    const to = typeof end !== "number" ? end : end >= sliceEnd ? size : end < 0 ? subtractDims(size, -end) : end;
    const length = subtractDims(to, from);
    return { axis, start: from, length: typeof length === "number" ? Math.max(0, length) : length, step };
  });
}

function knownContent(c: OperatorContext, index: number, what: string): Shape {
  const { content } = c.input(index);
  if (!content) throw new RangeError(`${what} (input ${index}) must be known`);
  return content;
}

function splitSizes(c: OperatorContext): readonly Dim[] {
  const axis = c.axis("axis", c.input(0).rank);
  const size = c.input(0).shape[axis]!;
  const sizes = c.constantInts(1, "split");
  const count = c.attributes.num_outputs as number | undefined;
  if (sizes) {
    const total = sizes.reduce((a, b) => a + b, 0);
    if (typeof size === "number" && total !== size) throw new RangeError(`split sizes add up to ${total}, not ${size}`);
    if (typeof size !== "number")
      throw new RangeError(`axis ${axis} of symbolic size ${size} can't be split into fixed sizes`);
    return sizes;
  }
  if (count === undefined) throw new RangeError("split sizes or num_outputs are needed");
  if (typeof size !== "number") {
    const part = divideDims(size, count);
    if (part === undefined) throw new RangeError(`axis ${axis} of symbolic size ${size} has no ${count} equal parts`);
    return Array.from({ length: count }, () => part);
  }
  const chunk = Math.ceil(size / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(chunk, size - i * chunk)));
}

export const layout: readonly OperatorDefinition[] = [
  define({
    type: "Reshape",
    inputs: [input("data"), input("shape", "dims")],
    attributes: { allowzero: flag(0) },
    infer: (c) => [{ dtype: c.input(0).dtype, shape: reshapedShape(c) }],
    gradient: (c) => [c.op.reshapeLike(c.outputGradient(), c.input(0))],
  }),
  define({
    type: "Flatten",
    inputs: [input("input")],
    attributes: { axis: { kind: "int", default: 1 } },
    infer: (c) => {
      const { shape, rank, dtype } = c.input(0);
      const axis = c.int("axis") === rank ? rank : normaliseAxis(c.int("axis"), rank);
      return [{ dtype, shape: [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))] }];
    },
    gradient: (c) => [c.op.reshapeLike(c.outputGradient(), c.input(0))],
  }),
  define({
    type: "Squeeze",
    inputs: [input("data"), optional("axes", "ints")],
    infer: (c) => {
      const { shape, rank, dtype } = c.input(0);
      const axes = c.optional(1) ? sortedAxes(c, rank) : shape.flatMap((dim, i) => (dim === 1 ? [i] : []));
      for (const axis of axes)
        if (shape[axis] !== 1) throw new RangeError(`axis ${axis} has size ${shape[axis]}, not 1`);
      return [{ dtype, shape: shape.filter((_, i) => !axes.includes(i)), content: c.input(0).content }];
    },
    gradient: (c) => [c.op.reshapeLike(c.outputGradient(), c.input(0))],
  }),
  define({
    type: "Unsqueeze",
    inputs: [input("data"), input("axes", "ints")],
    infer: (c) => {
      const { shape, rank, dtype } = c.input(0);
      const axes = sortedAxes(c, rank + (c.constantInts(1, "axes")?.length ?? 0));
      const result = [...shape];
      for (const axis of axes) result.splice(axis, 0, 1);
      return [{ dtype, shape: result, content: result.length <= 1 ? c.input(0).content : undefined }];
    },
    gradient: (c) => [c.op.Squeeze(c.outputGradient(), sortedAxes(c, c.output().rank))],
  }),
  define({
    type: "Transpose",
    inputs: [input("data")],
    attributes: { perm: { kind: "ints" } },
    infer: (c) => {
      const { shape, rank, dtype } = c.input(0);
      const perm = c.ints("perm") ?? shape.map((_, i) => rank - 1 - i);
      if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i) || perm.length !== rank) {
        throw new RangeError(`perm [${perm}] is no permutation of ${rank} axes`);
      }
      return [{ dtype, shape: perm.map((axis) => shape[axis]!) }];
    },
    gradient: (c) => {
      const perm = c.ints("perm");
      const inverse = perm?.map((_, i) => perm.indexOf(i));
      return [c.op.Transpose(c.outputGradient(), inverse ? { perm: inverse } : {})];
    },
  }),
  define({
    type: "Expand",
    inputs: [input("input"), input("shape", "dims")],
    infer: (c) => {
      const target = c.input(1).content;
      if (!target) throw new RangeError("the target shape must be known");
      return [{ dtype: c.input(0).dtype, shape: broadcastShapes(c.input(0).shape, target) }];
    },
    gradient: (c) => [reduceTo(c.op, c.outputGradient(), c.input(0).shape)],
  }),
  define({
    type: "Concat",
    inputs: [many("inputs")],
    method: [input("inputs", "tensors"), input("attributes", "attributes")],
    attributes: { axis: { kind: "int", required: true } },
    infer: (c) => {
      const first = c.input(0);
      const axis = c.axis("axis", first.rank);
      const shapes = c.inputs.map((_, i) => c.input(i).shape);
      for (const shape of shapes) {
        if (!sameShape(shape.toSpliced(axis, 1), first.shape.toSpliced(axis, 1)) || shape.length !== first.rank) {
          throw new RangeError(`shapes differ in more than axis ${axis}`);
        }
      }
      const contents = c.inputs.map((value) => value!.content);
      const content = first.rank === 1 && contents.every((part) => part !== undefined) ? contents.flat() : undefined;
      return [
        { dtype: c.sameDType(), shape: first.shape.with(axis, shapes.map((s) => s[axis]!).reduce(addDims)), content },
      ];
    },
    gradient: (c) => {
      const { op } = c;
      const axis = c.axis("axis", c.input(0).rank);
      const sizes = c.inputs.map((_, i) => c.input(i).dim(axis));
      let start: Dim = 0;
      return c.inputs.map((_, i) => {
        const from: Dim = start;
        start = addDims(from, sizes[i]!);
        return c.needs(i) ? op.Slice(c.outputGradient(), [from], [start], [axis]) : undefined;
      });
    },
  }),
  define({
    type: "Split",
    inputs: [input("input"), optional("split", "ints")],
    method: [input("input"), input("parts", "parts"), optional("attributes", "attributes")],
    attributes: { axis: { kind: "int", default: 0 }, num_outputs: { kind: "int" } },
    infer: (c) => {
      const { shape, rank, dtype } = c.input(0);
      const axis = c.axis("axis", rank);
      return splitSizes(c).map((size) => ({ dtype, shape: shape.with(axis, size) }));
    },
    gradient: (c) => [
      c.op.Concat(
        splitSizes(c).map((_, i) => c.outputGradient(i)),
        { axis: c.int("axis") },
      ),
    ],
  }),
  define({
    type: "Slice",
    inputs: [
      input("data"),
      input("starts", "dims"),
      input("ends", "dims"),
      optional("axes", "ints"),
      optional("steps", "ints"),
    ],
    infer: (c) => {
      const { shape, dtype, content } = c.input(0);
      const ranges = sliceRanges(c);
      const result = [...shape];
      for (const { axis, length } of ranges) result[axis] = length;
      const only = ranges[0];
      const kept =
        content && only && typeof only.start === "number" && typeof only.length === "number"
          ? Array.from({ length: only.length }, (_, i) => content[(only.start as number) + i * only.step]!)
          : undefined;
      return [{ dtype, shape: result, content: kept }];
    },
    gradient: (c) => {
      const { op } = c;
      const x = c.input(0);
      const ranges = sliceRanges(c);
      if (ranges.every(({ step }) => step === 1)) {
        const before = x.shape.map((): Dim => 0);
        const after = x.shape.map((): Dim => 0);
        for (const { axis, start, length } of ranges) {
          before[axis] = start;
          after[axis] = subtractDims(subtractDims(x.shape[axis]!, start), length);
        }
        return [op.Pad(c.outputGradient(), op.dims([...before, ...after]))];
      }
      let gradient = c.outputGradient();
      // Strided: scattered axis by axis, last axis first, into zeros of the axis' full size.
      for (const { axis, start, length, step } of [...ranges].reverse()) {
        const positions = Array.from({ length: length as number }, (_, i) => (start as number) + i * step);
        const base = op.Expand(op.scalar(0, x.dtype), gradient.shape.with(axis, x.shape[axis]!));
        const index = op.Reshape(
          op.ints(positions),
          gradient.shape.map((_, i) => (i === axis ? -1 : 1)),
        );
        gradient = op.ScatterElements(base, op.Expand(index, gradient.shape), gradient, { axis });
      }
      return [gradient];
    },
  }),
  define({
    type: "Pad",
    inputs: [input("data"), input("pads", "dims"), optional("constant_value", "operand"), optional("axes", "ints")],
    attributes: { mode: { kind: "string", default: "constant", values: ["constant"] } },
    infer: (c) => {
      const { shape, rank, dtype } = c.input(0);
      const pads = c.input(1).content;
      const axes = c.constantInts(3, "axes")?.map((axis) => normaliseAxis(axis, rank)) ?? shape.map((_, i) => i);
      if (!pads || pads.length !== 2 * axes.length)
        throw new RangeError(`pads must hold ${2 * axes.length} known integers`);
      const result = [...shape];
      axes.forEach((axis, i) => {
        result[axis] = addDims(addDims(result[axis]!, pads[i]!), pads[i + axes.length]!);
      });
      return [{ dtype, shape: result }];
    },
    gradient: (c) => {
      const { op } = c;
      const x = c.input(0);
      const pads = c.input(1).content!;
      const axes = c.constantInts(3, "axes")?.map((axis) => normaliseAxis(axis, x.rank)) ?? x.shape.map((_, i) => i);
      const half = axes.length;
      const ends = axes.map((axis, i) => addDims(pads[i]!, x.shape[axis]!));
      const dy = c.outputGradient();
      // Padding is cut off; what a negative pad cut off comes back as zeros.
      const crops = pads.some((pad) => typeof pad === "number" && pad < 0);
      const inner = crops
        ? op.Pad(dy, op.dims(pads.map((pad) => subtractDims(0, pad))), undefined, axes)
        : op.Slice(dy, pads.slice(0, half), ends, axes);
      if (!c.needs(2)) return [inner];
      const total = (value: Value) => op.ReduceSum(value, undefined, { keepdims: 0 });
      return [c.needs(0) ? inner : undefined, undefined, op.Sub(total(dy), total(inner))];
    },
  }),
  define({
    type: "Tile",
    inputs: [input("input"), input("repeats", "ints")],
    infer: (c) => {
      const { shape, dtype } = c.input(0);
      const repeats = c.constantInts(1, "repeats")!;
      if (repeats.length !== shape.length) throw new RangeError(`${repeats.length} repeats for rank ${shape.length}`);
      return [{ dtype, shape: shape.map((dim, i) => multiplyDims(dim, repeats[i]!)) }];
    },
    gradient: (c) => {
      const { op } = c;
      const x = c.input(0);
      const repeats = c.constantInts(1, "repeats")!;
      // [r₀·d₀, r₁·d₁, …] → [r₀, d₀, r₁, d₁, …], summed over the repeats
      const parted = op.reshapeTo(
        c.outputGradient(),
        x.shape.flatMap((dim, i): Dim[] => [repeats[i]!, dim]),
      );
      return [
        op.ReduceSum(
          parted,
          x.shape.map((_, i) => 2 * i),
          { keepdims: 0 },
        ),
      ];
    },
  }),
  define({
    type: "Trilu",
    inputs: [input("input"), optional("k", "index")],
    attributes: { upper: flag(1) },
    infer: (c) => {
      if (c.input(0).rank < 2) throw new RangeError("a matrix or a batch of them is expected");
      return [{ dtype: c.input(0).dtype, shape: c.input(0).shape }];
    },
    gradient: (c) => [c.op.Trilu(c.outputGradient(), c.optional(1), { upper: c.int("upper") })],
  }),
];
