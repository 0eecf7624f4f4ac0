// What an operator is here: arity, attributes with the standard's defaults, shape inference, gradient rule, and (for
// operators outside the standard) how it is written in standard operators.
import type { Dim, Shape } from "../graph/dim.js";
import type { Attributes, Node, Value } from "../graph/graph.js";
import type { DType } from "../graph/tensor.js";
import type { Operators } from "./operators.js";
import { checkArguments, describe, input, isPlainObject, optional, type Parameter } from "./parameters.js";

export type AttributeValue = number | string | readonly number[];
export type AttributeKind = "int" | "float" | "string" | "ints" | "floats";

export interface AttributeSpec {
  readonly kind: AttributeKind;
  /** The standard's default; an attribute with neither default nor `required` may be absent. */
  readonly default?: AttributeValue;
  readonly required?: boolean;
  /** All values that are supported, where they can be counted. */
  readonly values?: readonly (number | string)[];
}

/** An attribute that is 0 or 1. */
export const flag = (byDefault: 0 | 1) => ({ kind: "int", default: byDefault, values: [0, 1] }) as const;

export interface InferredOutput {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Known elements of a small integer tensor (see {@link Value.content}). */
  readonly content?: Shape | undefined;
}

/** Gradients by input; `undefined` where nothing flows or nobody asked. */
export type InputGradients = readonly (Value | undefined)[];

export interface OperatorSpec {
  readonly type: string;
  /** `""` (the standard) by default; `com.microsoft` for onnxruntime's contrib operators. */
  readonly domain?: "" | "com.microsoft";
  /**
   * The inputs in the standard's order. The method of {@link Operators} takes them in this order too, and the
   * attributes behind them.
   */
  readonly inputs: readonly Parameter[];
  /** What the method takes, where that is something else. */
  readonly method?: readonly Parameter[];
  readonly attributes?: Readonly<Record<string, AttributeSpec>>;
  /** Whether the standard requires all outputs, even unused ones. */
  readonly everyOutput?: boolean;
  /** One entry an output, optional outputs included. Throws with a short reason where the inputs do not fit. */
  infer(context: OperatorContext): readonly InferredOutput[];
  /**
   * Vector–Jacobian product; `"none"` where the outputs are not differentiable (integers, comparisons); absent: no rule
   * is known.
   */
  readonly gradient?: ((context: GradientContext) => InputGradients) | "none";
  /** Whether onnxruntime 1.30's CPU provider has no float64 kernel for it (or one that computes in float32). */
  readonly float32Only?: boolean;
  /** For operators outside the standard: the same outputs in standard operators. */
  readonly lower?: (context: LoweringContext) => readonly Value[];
}

/** An operator's inputs and attributes, with the checks that shape inference and rules share. */
export class OperatorContext {
  constructor(
    readonly inputs: readonly (Value | undefined)[],
    readonly attributes: Attributes,
  ) {}

  /** Input `index`, which must be there. */
  input(index: number): Value {
    const value = this.inputs[index];
    if (!value) throw new RangeError(`input ${index} is missing`);
    return value;
  }

  optional(index: number): Value | undefined {
    return this.inputs[index];
  }

  int(name: string): number {
    return this.attributes[name] as number;
  }

  float(name: string): number {
    return this.attributes[name] as number;
  }

  text(name: string): string {
    return this.attributes[name] as string;
  }

  ints(name: string): readonly number[] | undefined {
    return this.attributes[name] as readonly number[] | undefined;
  }

  flag(name: string): boolean {
    return this.attributes[name] === 1;
  }

  /** The attribute `name` as an axis of a tensor of `rank`, made non-negative. */
  axis(name: string, rank: number): number {
    return normaliseAxis(this.int(name), rank);
  }

  /** The known integers of a constant input, e.g. ReduceSum's axes; `undefined` where the input is absent. */
  constantInts(index: number, what: string): readonly number[] | undefined {
    const value = this.inputs[index];
    if (!value) return undefined;
    const content = value.content;
    if (!content?.every((element): element is number => typeof element === "number")) {
      throw new RangeError(`${what} (input ${index}) must be a constant int64 vector`);
    }
    return content;
  }

  /** All present inputs must have one element type, which is returned. */
  sameDType(...indices: number[]): DType {
    const present = (indices.length > 0 ? indices.map((i) => this.inputs[i]) : this.inputs).filter(
      (v) => v !== undefined,
    );
    const first = present[0];
    if (!first) throw new RangeError("no inputs");
    for (const value of present) {
      if (value.dtype !== first.dtype) throw new RangeError(`element types ${first.dtype} and ${value.dtype} differ`);
    }
    return first.dtype;
  }

  requireFloat(index = 0): DType {
    const { dtype } = this.input(index);
    if (dtype !== "float32" && dtype !== "float64") throw new RangeError(`a float tensor is expected, not ${dtype}`);
    return dtype;
  }

  requireInteger(index: number, what: string): DType {
    const { dtype } = this.input(index);
    if (dtype !== "int64" && dtype !== "int32") throw new RangeError(`${what} must be int64 or int32, not ${dtype}`);
    return dtype;
  }
}

/** What a gradient rule sees. */
export class GradientContext extends OperatorContext {
  constructor(
    private readonly node: Node,
    readonly op: Operators,
    private readonly outputGradients: readonly (Value | undefined)[],
    private readonly needed: readonly boolean[],
  ) {
    super(node.inputs, node.attributes);
  }

  /** ∂loss/∂output, zero-filled where the loss does not depend on that output but on another one. */
  outputGradient(index = 0): Value {
    return this.outputGradients[index] ?? this.op.zerosLike(this.output(index));
  }

  /** The same, `undefined` where the loss does not depend on that output. */
  optionalOutputGradient(index: number): Value | undefined {
    return this.outputGradients[index];
  }

  /** A forward output; an optional one is added to the forward node when a rule asks for it. */
  output(index = 0): Value {
    return this.node.output(index);
  }

  /** Whether the gradient of input `index` is wanted. */
  needs(index: number): boolean {
    return this.needed[index] ?? false;
  }
}

/** What a lowering sees: inputs already lowered. */
export class LoweringContext extends OperatorContext {
  constructor(
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    readonly op: Operators,
  ) {
    super(inputs, attributes);
  }
}

export class OperatorDefinition {
  readonly type: string;
  readonly domain: string;
  private readonly fewest: number;
  private readonly most: number;

  constructor(private readonly spec: OperatorSpec) {
    this.type = spec.type;
    this.domain = spec.domain ?? "";
    this.fewest = spec.inputs.findLastIndex(({ presence }) => presence !== "optional") + 1;
    this.most = spec.inputs.at(-1)?.presence === "many" ? Number.POSITIVE_INFINITY : spec.inputs.length;
  }

  get gradient(): OperatorSpec["gradient"] {
    return this.spec.gradient;
  }

  get lower(): OperatorSpec["lower"] {
    return this.spec.lower;
  }

  get everyOutput(): boolean {
    return this.spec.everyOutput ?? false;
  }

  get float32Only(): boolean {
    return this.spec.float32Only ?? false;
  }

  attributeKind(name: string): AttributeKind {
    return this.spec.attributes![name]!.kind;
  }

  /**
   * Holds the arguments of the operator's method against its declaration. @throws RangeError naming the one that does
   * not fit.
   */
  checkArguments(given: readonly unknown[]): void {
    const names = Object.keys(this.spec.attributes ?? {});
    const attributes = Object.values(this.spec.attributes ?? {}).some(({ required }) => required) ? input : optional;
    const behind = names.length > 0 ? [attributes("attributes", "attributes")] : [];
    checkArguments(this.spec.method ?? [...this.spec.inputs, ...behind], given, names);
  }

  /**
   * Attributes with defaults filled in. @throws RangeError for an unknown name, a wrong kind or value, or a missing
   * required one.
   */
  complete(given: unknown): Attributes {
    const specs = this.spec.attributes ?? {};
    if (!isPlainObject(given)) throw new RangeError(`attributes must be an object, not ${describe(given)}`);
    const completed: Record<string, AttributeValue> = {};
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined) continue;
      const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
      if (!spec) throw new RangeError(`unknown attribute ${name}; known: ${Object.keys(specs).join(", ") || "none"}`);
      checkAttribute(name, value, spec);
      completed[name] = value;
    }
    for (const [name, spec] of Object.entries(specs)) {
      if (completed[name] !== undefined) continue;
      if (spec.required) throw new RangeError(`attribute ${name} is required`);
      if (spec.default !== undefined) completed[name] = spec.default;
    }
    return completed;
  }

  inferOutputs(inputs: readonly (Value | undefined)[], attributes: Attributes): readonly InferredOutput[] {
    const { fewest, most } = this;
    if (inputs.length < fewest || inputs.length > most) {
      const expected = most === Number.POSITIVE_INFINITY ? `${fewest} or more` : `${fewest} to ${most}`;
      throw new RangeError(`${inputs.length} inputs, expected ${fewest === most ? fewest : expected}`);
    }
    return this.spec.infer(new OperatorContext(inputs, attributes));
  }
}

function checkAttribute(
  name: string,
  value: unknown,
  { kind, values }: AttributeSpec,
): asserts value is AttributeValue {
  if (!hasKind(value, kind)) throw new RangeError(`attribute ${name} must be ${kind}, not ${describe(value)}`);
  if (values && !values.includes(value as number | string)) {
    throw new RangeError(`attribute ${name} must be ${values.join(" or ")}, not ${describe(value)}`);
  }
}

function hasKind(value: unknown, kind: AttributeKind): value is AttributeValue {
  const isNumber = (x: unknown) => typeof x === "number" && !Number.isNaN(x);
  switch (kind) {
    case "int":
      return Number.isSafeInteger(value);
    case "float":
      return isNumber(value);
    case "string":
      return typeof value === "string";
    case "ints":
      return Array.isArray(value) && value.every(Number.isSafeInteger);
    case "floats":
      return Array.isArray(value) && value.every(isNumber);
  }
}

/** A possibly negative axis as an index from the front. @throws RangeError outside the rank. */
export function normaliseAxis(axis: number, rank: number): number {
  if (axis < -rank || axis >= rank) throw new RangeError(`axis ${axis} is outside rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/**
 * The shape two shapes broadcast to (multidirectional, as in the ONNX standard). @throws RangeError where they do not.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i): Dim => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new RangeError(`dimensions ${x} and ${y} do not broadcast`);
  });
}

export const define = (spec: OperatorSpec): OperatorDefinition => new OperatorDefinition(spec);
