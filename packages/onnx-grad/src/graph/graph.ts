// The graph: inputs, constants, nodes in topological order, outputs. Every node is checked and shape-inferred as it is
// added.

import type { AttributeValue, InferredOutput, OperatorDefinition } from "../operators/definition.js";
import { Operators } from "../operators/operators.js";
import { describe as describeValue, isValue } from "../operators/parameters.js";
import { findOperator } from "../operators/table.js";
import { canonicalDim, type Dim, dimTerms, formatShape, type Shape } from "./dim.js";
import { GraphError } from "./errors.js";
import { type ConstantTensor, checkTensor, type DType, fromNumbers, requireDType } from "./tensor.js";

/** Node attributes, completed by the standard's defaults. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A tensor-valued edge of the graph. */
export class Value {
  constructor(
    readonly graph: Graph,
    readonly name: string,
    readonly dtype: DType,
    readonly shape: Shape,
    /** What computes it; `undefined` for graph inputs and constants. */
    readonly producer: Node | undefined,
    /** The constant it is, for initializers. */
    readonly constant?: ConstantTensor,
    /** Known elements of a small integer tensor, possibly symbolic: what `Shape` yields and `Reshape` consumes. */
    readonly content?: Shape,
  ) {}

  get rank(): number {
    return this.shape.length;
  }

  /** The dimension at `axis`; negative axes count from the end. */
  dim(axis: number): Dim {
    return this.shape[axis < 0 ? axis + this.rank : axis]!;
  }

  toString(): string {
    return `${this.name}: ${this.dtype} ${formatShape(this.shape)}`;
  }
}

/** One application of an operator. Optional inputs and outputs that are absent are `undefined`. */
export class Node {
  readonly outputs: (Value | undefined)[] = [];

  constructor(
    readonly graph: Graph,
    readonly name: string,
    readonly definition: OperatorDefinition,
    readonly inputs: readonly (Value | undefined)[],
    readonly attributes: Attributes,
    private readonly inferred: readonly InferredOutput[],
  ) {}

  get type(): string {
    return this.definition.type;
  }

  /**
   * Output `index`, added to the node when it is an optional one that nobody has asked for yet (e.g.
   * LayerNormalization's Mean).
   */
  output(index: number): Value {
    const existing = this.outputs[index];
    if (existing) return existing;
    const type = this.inferred[index];
    if (!type) throw new GraphError(this.graph.name, `${this.type} ${this.name} has no output ${index}`);
    const suffix = index === 0 ? "" : `.${index}`;
    const value = new Value(this.graph, `${this.name}${suffix}`, type.dtype, type.shape, this, undefined, type.content);
    this.outputs[index] = value;
    return value;
  }
}

/**
 * A graph of ONNX operators under construction. Operators are methods of {@link Graph.op}, under the standard's own
 * names:
 *
 * ```ts
 * const graph = new Graph("affine");
 * const x = graph.input("x", "float32", ["B", 3]);
 * const w = graph.constant([1, 2, 3], { shape: [3, 1] });
 * graph.output("y", graph.op.MatMul(x, w)); // float32 [B, 1]
 * ```
 */
export class Graph {
  readonly inputs = new Map<string, Value>();
  readonly outputs = new Map<string, Value>();
  readonly initializers: Value[] = [];
  readonly nodes: Node[] = [];
  readonly op: Operators;

  private readonly names = new Set<string>();
  private readonly counters = new Map<string, number>();
  private readonly smallConstants = new Map<string, Value>();
  private readonly dimensions = new Map<Dim, Value>();
  private readonly counts = new Map<Value, string>();
  private prefix = "";

  constructor(readonly name = "graph") {
    this.op = new Operators(this);
  }

  /** Declares a graph input. @throws GraphError where the name is taken or a dimension malformed. */
  input(name: string, dtype: DType, shape: Shape): Value {
    this.named(`input ${name}: `, () => requireDType(dtype));
    const canonical = this.canonicalShape(name, shape);
    this.claimName(name);
    const value = new Value(this, name, dtype, canonical, undefined);
    this.inputs.set(name, value);
    return value;
  }

  /** Names a value as graph output. One value may have several names. @throws GraphError where the name is taken. */
  output(name: string, value: Value): void {
    this.checkName(name);
    if (!isValue(value))
      throw new GraphError(this.name, `output ${name}: a tensor of the graph is expected, not ${describeValue(value)}`);
    if (value.graph !== this)
      throw new GraphError(this.name, `output ${name}: ${value} belongs to graph ${value.graph.name}`);
    if (this.outputs.has(name)) throw new GraphError(this.name, `there is an output named ${name} already`);
    if (this.inputs.has(name)) throw new GraphError(this.name, `output ${name} has the name of an input`);
    this.outputs.set(name, value);
  }

  /** A named constant, e.g. a weight: embedded data, or bytes that stay in a file. */
  initializer(name: string, tensor: ConstantTensor): Value {
    this.named("", () => checkTensor(`initializer ${name}`, tensor));
    this.claimName(name);
    return this.addInitializer(name, tensor);
  }

  /**
   * An unnamed constant from plain numbers, embedded; float32 by default. A bare number is a scalar, an array a vector
   * unless `shape` says otherwise. Equal small constants are shared.
   */
  constant(numbers: number | readonly number[], options: { dtype?: DType; shape?: readonly number[] } = {}): Value {
    const dtype = options.dtype ?? "float32";
    this.named("constant: ", () => {
      requireDType(dtype);
      const shown: unknown = numbers;
      if (typeof shown === "number" || (Array.isArray(shown) && shown.every((x) => typeof x === "number"))) return;
      throw new TypeError(`a number or a list of numbers is expected, not ${describeValue(shown)}`);
    });
    const list = typeof numbers === "number" ? [numbers] : numbers;
    const shape = options.shape ?? (typeof numbers === "number" ? [] : [list.length]);
    const key =
      list.length <= 16 ? `${dtype}[${shape}](${list.map((x) => (Object.is(x, -0) ? "-0" : String(x)))})` : undefined;
    const shared = key === undefined ? undefined : this.smallConstants.get(key);
    if (shared) return shared;
    const tensor = { dtype, shape, data: this.named("constant: ", () => fromNumbers(dtype, list)) };
    this.named("", () => checkTensor("constant", tensor));
    const value = this.addInitializer(this.freshName("constant"), tensor);
    if (key !== undefined) this.smallConstants.set(key, value);
    return value;
  }

  /**
   * A symbolic dimension as an int64 vector of one element, computed at run time from the shapes of the graph's inputs.
   * @throws GraphError where a symbol, or a multiple of it, is the dimension of no input.
   */
  dimension(dim: Dim): Value {
    const known = this.dimensions.get(dim);
    if (known) return known;
    const { op } = this;
    const symbol = (name: string): Value => {
      const carrier = this.findCarrier(name) ?? this.findComputed(name);
      if (!carrier) throw new GraphError(this.name, `dimension ${dim}: no input has a dimension ${name}`);
      const size = op.Shape(carrier.value, { start: carrier.axis, end: carrier.axis + 1 });
      return carrier.multiple === 1 ? size : op.Div(size, op.ints([carrier.multiple]));
    };
    const terms = dimTerms(dim).map(({ coefficient, symbols }) => {
      const factors = symbols.map((name) =>
        symbols.length === 1 && coefficient === 1 ? symbol(name) : this.dimension(name),
      );
      if (coefficient !== 1 || factors.length === 0) factors.push(op.ints([coefficient]));
      return factors.reduce((a, b) => op.Mul(a, b));
    });
    const value = terms.reduce((a, b) => op.Add(a, b));
    this.dimensions.set(dim, value);
    return value;
  }

  /** The input axis whose size is a symbol, or the smallest multiple of it. */
  private findCarrier(symbol: string): { value: Value; axis: number; multiple: number } | undefined {
    let best: { value: Value; axis: number; multiple: number } | undefined;
    for (const value of this.inputs.values()) {
      value.shape.forEach((dim, axis) => {
        const terms = dimTerms(dim);
        const only = terms[0];
        if (terms.length !== 1 || only!.symbols.length !== 1 || only!.symbols[0] !== symbol) return;
        if (!best || only!.coefficient < best.multiple) best = { value, axis, multiple: only!.coefficient };
      });
    }
    return best;
  }

  /** The first computed tensor with a {@link nonZeroCount} among its sizes. */
  private findComputed(symbol: string): { value: Value; axis: number; multiple: number } | undefined {
    for (const node of this.nodes) {
      for (const value of node.outputs) {
        const axis = value?.shape.indexOf(symbol) ?? -1;
        if (axis >= 0) return { value: value!, axis, multiple: 1 };
      }
    }
    return undefined;
  }

  /**
   * How many elements of a tensor are not zero, as a dimension: a number for a constant, otherwise a symbol whose size
   * the data tell at run time. It is the same one for all operators that select by this tensor.
   */
  nonZeroCount(value: Value): Dim {
    const { constant } = value;
    if (constant && "data" in constant) return Array.from(constant.data, Number).filter((x) => x !== 0).length;
    let symbol = this.counts.get(value);
    if (symbol === undefined) {
      const stem = `nonzero_of_${value.name.replace(/[^A-Za-z0-9]+/g, "_")}`;
      const taken = new Set(this.counts.values());
      for (let i = 0; symbol === undefined || taken.has(symbol); i++) symbol = i === 0 ? stem : `${stem}_${i}`;
      this.counts.set(value, symbol);
    }
    return symbol;
  }

  /** Nodes added inside carry `name/` in front of theirs, so that errors and profiles tell where they come from. */
  scope<T>(name: string, build: () => T): T {
    const outer = this.prefix;
    this.prefix = `${outer}${name}/`;
    try {
      return build();
    } finally {
      this.prefix = outer;
    }
  }

  /**
   * Adds a node by operator name; the typed methods of {@link Graph.op} end up here. Returns the node; `node.output(i)`
   * gives its outputs. The node is named after its operator or `name`, with a number behind it where that is taken.
   * @throws GraphError naming operator, inputs and shapes where the operator is unknown or its inputs do not fit.
   */
  node(
    type: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, AttributeValue | undefined> = {},
    name?: string,
  ): Node {
    const definition = findOperator(type);
    if (!definition) throw new GraphError(this.name, `unknown operator ${type}`);
    const describe = () => {
      const operands = inputs.map((value) => (value === undefined ? "–" : describeValue(value)));
      return `${type}(${operands.join("; ")})${formatAttributes(attributes)}`;
    };
    for (const [i, value] of inputs.entries()) {
      if (value !== undefined && !isValue(value))
        throw new GraphError(this.name, `${describe()}: input ${i} must be a tensor of the graph`);
      if (value && value.graph !== this) {
        throw new GraphError(this.name, `${describe()}: ${value.name} belongs to another graph, ${value.graph.name}`);
      }
    }
    let completed: Attributes;
    let inferred: readonly InferredOutput[];
    try {
      completed = definition.complete(attributes);
      inferred = definition.inferOutputs(inputs, completed);
    } catch (error) {
      throw new GraphError(this.name, `${describe()}: ${(error as Error).message}`);
    }
    const node = new Node(this, this.freshName(name ?? type), definition, inputs, completed, inferred);
    this.nodes.push(node);
    if (definition.everyOutput) for (const index of inferred.keys()) node.output(index);
    return node;
  }

  private addInitializer(name: string, tensor: ConstantTensor): Value {
    const small =
      "data" in tensor && tensor.dtype === "int64" && tensor.shape.length <= 1 && tensor.data.length <= 16
        ? Array.from(tensor.data as BigInt64Array, Number)
        : undefined;
    const content = small?.every(Number.isSafeInteger) ? small : undefined;
    const value = new Value(this, name, tensor.dtype, tensor.shape, undefined, tensor, content);
    this.initializers.push(value);
    return value;
  }

  private canonicalShape(name: string, shape: Shape): Shape {
    return this.named(`input ${name}: `, () => {
      if (!Array.isArray(shape))
        throw new TypeError(`a list of dimensions is expected as its shape, not ${describeValue(shape)}`);
      return shape.map(canonicalDim);
    });
  }

  /** Runs a check, whose error then names the graph and `what`. */
  private named<T>(what: string, check: () => T): T {
    try {
      return check();
    } catch (error) {
      throw new GraphError(this.name, `${what}${(error as Error).message}`);
    }
  }

  private checkName(name: unknown): void {
    if (typeof name !== "string")
      throw new GraphError(this.name, `a name must be a string, not ${describeValue(name)}`);
  }

  private claimName(name: string): void {
    this.checkName(name);
    if (name === "") throw new GraphError(this.name, "a name is empty");
    if (this.names.has(name)) throw new GraphError(this.name, `there is a value named ${name} already`);
    this.names.add(name);
  }

  private freshName(base: string): string {
    const stem = `${this.prefix}${base}`;
    for (;;) {
      const count = this.counters.get(stem) ?? 0;
      this.counters.set(stem, count + 1);
      const name = count === 0 ? stem : `${stem}_${count}`;
      if (!this.names.has(name)) {
        this.names.add(name);
        return name;
      }
    }
  }
}

function formatAttributes(attributes: Record<string, AttributeValue | undefined>): string {
  if (typeof attributes !== "object" || attributes === null) return ` ${describeValue(attributes)}`;
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return given.length === 0 ? "" : ` {${given.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ")}}`;
}
