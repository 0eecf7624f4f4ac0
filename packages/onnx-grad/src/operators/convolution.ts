// Conv and ConvTranspose (ONNX Conv-22, ConvTranspose-22) over any number of spatial axes, each the gradient of the
// other. X [N, C, L…] and W [M, C/g, k…] → Y [N, M, O…] for g groups; transposed: X [N, C, L…] and W [C, M/g, k…] → Y
// [N, M, O…].
import {
  addDims,
  type Dim,
  floorDivideDims,
  formatShape,
  multiplyDims,
  type Shape,
  subtractDims,
} from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { define, type GradientContext, type OperatorContext, type OperatorDefinition } from "./definition.js";
import type { Operators } from "./operators.js";
import { input, optional } from "./parameters.js";

/**
 * The window of a convolution, one entry a spatial axis; pads with all beginnings before all ends, as in the standard.
 */
export interface ConvolutionWindow {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly group: number;
}

const window = {
  kernel_shape: { kind: "ints" },
  strides: { kind: "ints" },
  dilations: { kind: "ints" },
  pads: { kind: "ints" },
  group: { kind: "int", default: 1 },
} as const;

/** The number of padded positions along a spatial axis. */
const padding = ({ pads }: ConvolutionWindow, axis: number): number => pads[axis]! + pads[axis + pads.length / 2]!;

/** How far a kernel of size k reaches: d(k − 1) + 1. */
const reach = (k: Dim, dilation: number): Dim => addDims(multiplyDims(subtractDims(k, 1), dilation), 1);

/**
 * The window of a node with the defaults filled in. @throws RangeError where an attribute does not fit the spatial
 * axes.
 */
export function windowOf(c: OperatorContext): ConvolutionWindow {
  const [x, w] = [c.input(0), c.input(1)];
  const axes = x.rank - 2;
  if (axes < 1)
    throw new RangeError("X must have shape [N, C, L, ...]: a batch, channels and at least one spatial axis");
  if (w.rank !== x.rank) throw new RangeError(`X has rank ${x.rank}, W ${w.rank}: both have as many spatial axes`);
  const list = (name: string, length: number, byDefault: number) => {
    const given = c.ints(name) ?? Array.from({ length }, () => byDefault);
    if (given.length !== length || given.some((value) => value < byDefault))
      throw new RangeError(`${name} must be ${length} integers of ${byDefault} or more, not [${given}]`);
    return given;
  };
  const kernel = c.ints("kernel_shape");
  if (kernel && (kernel.length !== axes || kernel.some((size, i) => size !== w.shape[i + 2])))
    throw new RangeError(`kernel_shape [${kernel}] is not that of W, ${formatShape(w.shape)}`);
  const group = c.int("group");
  if (group < 1) throw new RangeError(`group must be 1 or more, not ${group}`);
  const plain = {
    strides: list("strides", axes, 1),
    dilations: list("dilations", axes, 1),
    pads: list("pads", 2 * axes, 0),
    group,
  };
  return automaticPads(c, plain);
}

/**
 * auto_pad as explicit pads: SAME puts ⌈L/stride⌉ positions out, the odd one of the padding behind (UPPER) or before
 * (LOWER).
 */
function automaticPads(c: OperatorContext, window: ConvolutionWindow): ConvolutionWindow {
  const mode = (c.attributes.auto_pad as string | undefined) ?? "NOTSET";
  if (mode === "NOTSET") return window;
  if (c.ints("pads")) throw new RangeError(`pads and auto_pad ${mode} exclude each other`);
  if (mode === "VALID") return window;
  const totals = window.strides.map((stride, axis) => {
    const length = c.input(0).shape[axis + 2]!;
    const far = reach(c.input(1).shape[axis + 2]!, window.dilations[axis]!);
    if (typeof far !== "number" || (typeof length !== "number" && stride !== 1))
      throw new RangeError(`auto_pad ${mode} needs a known length and kernel, or stride 1`);
    if (typeof length !== "number") return far - 1;
    return Math.max(0, (Math.ceil(length / stride) - 1) * stride + far - length);
  });
  const [less, more] = [totals.map((total) => total >> 1), totals.map((total) => total - (total >> 1))];
  return { ...window, pads: mode === "SAME_UPPER" ? [...less, ...more] : [...more, ...less] };
}

/** ⌊(L + pads − reach)/stride⌋ + 1. */
function outputLength(length: Dim, kernel: Dim, window: ConvolutionWindow, axis: number): Dim {
  const stride = window.strides[axis]!;
  const room = subtractDims(addDims(length, padding(window, axis)), reach(kernel, window.dilations[axis]!));
  if (typeof room === "number" && room < 0)
    throw new RangeError(
      `spatial axis ${axis}: a kernel that reaches over ${reach(kernel, window.dilations[axis]!)} positions for ` +
        `${addDims(length, padding(window, axis))}, pads included`,
    );
  const steps = floorDivideDims(room, stride);
  if (steps === undefined)
    throw new RangeError(
      `spatial axis ${axis} of symbolic size ${length} can't be passed in strides of ${stride}; fix its size`,
    );
  return addDims(steps, 1);
}

/** stride·(L − 1) + output_padding + reach − pads. */
function transposedLength(length: Dim, kernel: Dim, extra: number, window: ConvolutionWindow, axis: number): Dim {
  const spread = multiplyDims(subtractDims(length, 1), window.strides[axis]!);
  const far = addDims(addDims(spread, extra), reach(kernel, window.dilations[axis]!));
  return subtractDims(far, padding(window, axis));
}

/** Channels: C = g · C/g, M divisible by g, one bias for each of M. */
function requireChannels(c: OperatorContext, group: number, transposed: boolean): Dim {
  const [x, w, b] = [c.input(0), c.input(1), c.optional(2)];
  const given = transposed ? w.dim(0) : multiplyDims(w.dim(1), group);
  if (given !== x.dim(1)) throw new RangeError(`X has ${x.dim(1)} channels, W takes ${given}`);
  const [divided, what] = transposed ? [x.dim(1), "input"] : [w.dim(0), "output"];
  if (typeof divided === "number" && divided % group !== 0)
    throw new RangeError(`${divided} ${what} channels do not divide into ${group} groups`);
  const outputs = transposed ? multiplyDims(w.dim(1), group) : w.dim(0);
  if (b && (b.rank !== 1 || b.dim(0) !== outputs)) throw new RangeError(`B must have shape [${outputs}]`);
  return outputs;
}

function outputPadding(c: OperatorContext, { strides }: ConvolutionWindow): readonly number[] {
  const given = c.ints("output_padding") ?? strides.map(() => 0);
  if (given.length !== strides.length || given.some((extra, i) => extra < 0 || extra >= strides[i]!))
    throw new RangeError(`output_padding must be one integer an axis, less than its stride, not [${given}]`);
  return given;
}

/**
 * ∂/∂W of a convolution: the input convolved with the output's gradient, strides and dilations exchanged, batch and
 * channels exchanged. x [N, C, L…], dy [N, M, O…] → [M, C/g, k…].
 */
function weightGradient(op: Operators, x: Value, dy: Value, kernel: Shape, window: ConvolutionWindow): Value {
  const { strides, dilations, pads, group } = window;
  const spatial = kernel.map((_, i) => i + 2);
  const swapped = (value: Value) => op.Transpose(value, { perm: [1, 0, ...spatial] });
  const exchanged = { strides: dilations, dilations: strides, pads, group };
  let y = op.Conv(group === 1 ? swapped(x) : byGroups(op, x, group), swapped(dy), undefined, exchanged); // [C/g, M, k…]
  // Positions of the input that the last stride did not reach make the result longer than the kernel.
  const longer = kernel.flatMap((size, i) => (y.shape[i + 2] === size ? [] : [i]));
  if (longer.length > 0) {
    const to = (i: number) => kernel[i]!;
    y = op.Slice(y, longer.map(() => 0), longer.map(to), longer.map((i) => i + 2)); // biome-ignore format: one line
  }
  return swapped(y);
}

/** [N, C, L…] → [C/g, g·N, L…], group after group. */
function byGroups(op: Operators, x: Value, group: number): Value {
  const [N, C, ...lengths] = x.shape as readonly [Dim, number, ...Dim[]];
  const parted = op.reshapeTo(x, [N, group, C / group, ...lengths]);
  const turned = op.Transpose(parted, { perm: [2, 1, 0, ...lengths.map((_, i) => i + 3)] });
  return op.reshapeTo(turned, [C / group, multiplyDims(group, N), ...lengths]);
}

const biasGradient = (c: GradientContext, dy: Value) =>
  c.needs(2) ? c.op.ReduceSum(dy, [0, ...dy.shape.slice(2).map((_, i) => i + 2)], { keepdims: 0 }) : undefined;

export const convolution: readonly OperatorDefinition[] = [
  define({
    type: "Conv",
    float32Only: true,
    inputs: [input("X"), input("W"), optional("B")],
    attributes: {
      ...window,
      auto_pad: { kind: "string", default: "NOTSET", values: ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"] },
    },
    infer: (c) => {
      const dtype = c.requireFloat() && c.sameDType();
      const [x, w] = [c.input(0), c.input(1)];
      const shared = windowOf(c);
      const channels = requireChannels(c, shared.group, false);
      const lengths = x.shape.slice(2).map((length, i) => outputLength(length, w.shape[i + 2]!, shared, i));
      return [{ dtype, shape: [x.dim(0), channels, ...lengths] }];
    },
    gradient: (c) => {
      const { op } = c;
      const [x, w, dy] = [c.input(0), c.input(1), c.outputGradient()];
      const shared = windowOf(c);
      const kernel = w.shape.slice(2);
      // What the last stride left over at the end of the input.
      const left = kernel.map((k, i) =>
        subtractDims(x.shape[i + 2]!, transposedLength(dy.shape[i + 2]!, k, 0, shared, i)),
      );
      const extra = left.some((size) => size !== 0) ? { output_padding: left as number[] } : {};
      return [
        c.needs(0) ? op.ConvTranspose(dy, w, undefined, { ...shared, ...extra }) : undefined,
        c.needs(1) ? weightGradient(op, x, dy, kernel, shared) : undefined,
        biasGradient(c, dy),
      ];
    },
  }),
  define({
    type: "ConvTranspose",
    float32Only: true,
    inputs: [input("X"), input("W"), optional("B")],
    attributes: { ...window, output_padding: { kind: "ints" } },
    infer: (c) => {
      const dtype = c.requireFloat() && c.sameDType();
      const [x, w] = [c.input(0), c.input(1)];
      const shared = windowOf(c);
      const channels = requireChannels(c, shared.group, true);
      const extra = outputPadding(c, shared);
      const lengths = x.shape.slice(2).map((length, i) => {
        const size = transposedLength(length, w.shape[i + 2]!, extra[i]!, shared, i);
        if (typeof size === "number" && size < 0) throw new RangeError(`spatial axis ${i}: the pads leave nothing`);
        return size;
      });
      return [{ dtype, shape: [x.dim(0), channels, ...lengths] }];
    },
    gradient: (c) => {
      const { op } = c;
      const [x, w, dy] = [c.input(0), c.input(1), c.outputGradient()];
      const shared = windowOf(c);
      return [
        c.needs(0) ? op.Conv(dy, w, undefined, shared) : undefined,
        c.needs(1) ? weightGradient(op, dy, x, w.shape.slice(2), shared) : undefined,
        biasGradient(c, dy),
      ];
    },
  }),
];
