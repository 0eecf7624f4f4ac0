// What plain JavaScript may hand in is checked as strictly as the types check it, from the operators' definitions:
// nothing is taken for something else, and nothing fails later in another's words.
import { availableParallelism } from "node:os";
import {
  EngineError,
  Graph,
  GraphError,
  gradients,
  type OnnxRuntimeEngine,
  onnxRuntime,
  operatorNames,
} from "@cllm4rec/onnx-grad";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultThreads } from "../src/engine/onnxruntime/threads.js";
import { findOperator } from "../src/operators/table.js";

/** The operators as plain JavaScript sees them. */
type Untyped = Record<string, (...given: unknown[]) => unknown>;
const untyped = (graph: Graph) => graph.op as unknown as Untyped;

function setUp() {
  const graph = new Graph("g");
  const x = graph.input("x", "float32", [2, 3]);
  const labels = graph.input("labels", "int64", [2]);
  return { graph, x, labels, op: untyped(graph) };
}

type Given = ReturnType<typeof setUp>;
const refusals: readonly (readonly [string, (given: Given) => unknown, string])[] = [
  [
    "an axis where a list is expected",
    ({ op, x }) => op.ReduceSum!(x, 0),
    "graph g: ReduceSum(x: float32 [2, 3]; 0): axes must be a list of integers, e.g. [0], not 0",
  ],
  [
    "an axis where attributes are expected",
    ({ op, x }) => op.Softmax!(x, 0),
    "graph g: Softmax(x: float32 [2, 3]; 0): attributes must be an object ({ axis }), not 0",
  ],
  [
    "a squeezed axis that is no list",
    ({ op, x }) => op.Squeeze!(x, 0),
    "graph g: Squeeze(x: float32 [2, 3]; 0): axes must be a list of integers, e.g. [0], not 0",
  ],
  [
    "attributes where axes are expected",
    ({ op, x }) => op.ReduceSum!(x, { keepdims: 0 }),
    "graph g: ReduceSum(x: float32 [2, 3]; { keepdims: 0 }): axes must be a list of integers, e.g. [0], not { " +
      "keepdims: 0 }",
  ],
  [
    "an unknown reduction of a loss",
    ({ op, x, labels }) => op.SoftmaxCrossEntropyLoss!(x, labels, undefined, { reduction: "average" }),
    'graph g: SoftmaxCrossEntropyLoss(x: float32 [2, 3]; labels: int64 [2]) {reduction: "average"}: attribute ' +
      'reduction must be none or sum or mean, not "average"',
  ],
  [
    "an unknown reduction of a scatter",
    ({ op, graph, x }) => op.ScatterElements!(x, graph.input("i", "int64", [2, 3]), x, { reduction: "mean" }),
    'graph g: ScatterElements(x: float32 [2, 3]; i: int64 [2, 3]; x: float32 [2, 3]) {reduction: "mean"}: ' +
      'attribute reduction must be none or add, not "mean"',
  ],
  [
    "an unknown approximation",
    ({ op, x }) => op.Gelu!(x, { approximate: "erf" }),
    'graph g: Gelu(x: float32 [2, 3]) {approximate: "erf"}: attribute approximate must be none or tanh, not "erf"',
  ],
  [
    "a flag that is neither 0 nor 1",
    ({ op, x }) => op.ReduceSum!(x, [0], { keepdims: 2 }),
    "graph g: ReduceSum(x: float32 [2, 3]; constant: int64 [1]) {keepdims: 2}: attribute keepdims must be 0 or 1, " +
      "not 2",
  ],
  [
    "a flag that is a boolean",
    ({ op, x }) => op.ReduceSum!(x, [0], { keepdims: false }),
    "graph g: ReduceSum(x: float32 [2, 3]; constant: int64 [1]) {keepdims: false}: attribute keepdims must be " +
      "int, not false",
  ],
  [
    "an attribute that is no number",
    ({ op, x }) => op.LeakyRelu!(x, { alpha: Number.NaN }),
    "graph g: LeakyRelu(x: float32 [2, 3]) {alpha: null}: attribute alpha must be float, not NaN",
  ],
  [
    "an attribute of Object's",
    ({ op, x }) => op.Softmax!(x, { constructor: 1 }),
    "graph g: Softmax(x: float32 [2, 3]) {constructor: 1}: unknown attribute constructor; known: axis",
  ],
  [
    "an operand that is not there",
    ({ op, x }) => op.Add!(x, undefined),
    "graph g: Add(x: float32 [2, 3]; undefined): B must be a tensor of the graph or a number, not undefined",
  ],
  [
    "an operand left out",
    ({ op, x }) => op.Mul!(x),
    "graph g: Mul(x: float32 [2, 3]): B must be a tensor of the graph or a number, not undefined",
  ],
  [
    "null",
    ({ op, x }) => op.MatMul!(x, null),
    "graph g: MatMul(x: float32 [2, 3]; null): B must be a tensor of the graph, not null",
  ],
  [
    "a number where a tensor is expected",
    ({ op, x }) => op.MatMul!(x, 2),
    "graph g: MatMul(x: float32 [2, 3]; 2): B must be a tensor of the graph, not 2",
  ],
  [
    "an array as an operand",
    ({ op, x }) => op.Add!(x, [1, 2, 3]),
    "graph g: Add(x: float32 [2, 3]; [1, 2, 3]): B must be a tensor of the graph or a number, not [1, 2, 3]",
  ],
  [
    "one operand too many",
    ({ op, x }) => op.Exp!(x, x),
    "graph g: Exp(x: float32 [2, 3]; x: float32 [2, 3]): 2 arguments, at most 1 are expected; unexpected: x: " +
      "float32 [2, 3]",
  ],
  [
    "a list of one undefined part",
    ({ op, x }) => op.Concat!([x, undefined], { axis: 0 }),
    "graph g: Concat([x: float32 [2, 3], undefined]; { axis: 0 }): inputs must be a list of tensors of the graph, " +
      "not [x: float32 [2, 3], undefined]",
  ],
  [
    "parts that are no list",
    ({ op, x }) => op.Concat!(x, x),
    "graph g: Concat(x: float32 [2, 3]; x: float32 [2, 3]): inputs must be a list of tensors of the graph, not x: " +
      "float32 [2, 3]",
  ],
  [
    "a required attribute left out with its object",
    ({ op, x }) => op.Concat!([x, x]),
    "graph g: Concat([x: float32 [2, 3], x: float32 [2, 3]]): attributes must be an object ({ axis }), not undefined",
  ],
  [
    "no parts",
    ({ op, x }) => op.Split!(x, 0),
    "graph g: Split(x: float32 [2, 3]; 0): parts must be a number of equal parts or a list of sizes, not 0",
  ],
  [
    "an element type that does not exist",
    ({ op, x }) => op.Cast!(x, "float16"),
    'graph g: Cast(x: float32 [2, 3]; "float16"): to must be an element type such as float32, not "float16"',
  ],
  [
    "a fraction as k",
    ({ op, x }) => op.TopK!(x, 1.5),
    "graph g: TopK(x: float32 [2, 3]; 1.5): K must be an integer of 0 or more, not 1.5",
  ],
  [
    "an undefined operand among many",
    ({ op, x }) => op.Max!(x, undefined),
    "graph g: Max(x: float32 [2, 3]; undefined): data must be a tensor of the graph, not undefined",
  ],
  [
    "operands in a list",
    ({ op, x }) => op.Sum!([x, x]),
    "graph g: Sum([x: float32 [2, 3], x: float32 [2, 3]]): data must be a tensor of the graph, not [x: float32 " +
      "[2, 3], x: float32 [2, 3]]",
  ],
  [
    "a short-hand without its tensor",
    ({ op }) => op.zerosLike!(undefined),
    "graph g: zerosLike(undefined): x must be a tensor of the graph, not undefined",
  ],
  ["a scalar that is no number", ({ op }) => op.scalar!("1"), 'graph g: scalar("1"): number must be a number, not "1"'],
  [
    "a node's input that is no tensor",
    ({ graph, x }) => graph.node("Add", [x, 3 as never]),
    "graph g: Add(x: float32 [2, 3]; 3): input 1 must be a tensor of the graph",
  ],
  [
    "a node's attributes that are no object",
    ({ graph, x }) => graph.node("Softmax", [x], 1 as never),
    "graph g: Softmax(x: float32 [2, 3]) 1: attributes must be an object, not 1",
  ],
  [
    "an input of float16",
    ({ graph }) => graph.input("half", "float16" as never, [2]),
    "graph g: input half: element type float16 is not supported; float32, float64, int64, int32, int8, uint8, " +
      "bool are; convert to float32 first",
  ],
  [
    "an input's shape that is a number",
    ({ graph }) => graph.input("v", "float32", 3 as never),
    "graph g: input v: a list of dimensions is expected as its shape, not 3",
  ],
  [
    "an initializer of float16",
    ({ graph }) => graph.initializer("w", { dtype: "float16", shape: [2], data: new Uint16Array(2) } as never),
    "graph g: initializer w: element type float16 is not supported; float32, float64, int64, int32, int8, uint8, " +
      "bool are; convert to float32 first",
  ],
  [
    "a bare array as initializer",
    ({ graph }) => graph.initializer("w", new Float32Array(3) as never),
    "graph g: initializer w: a tensor { dtype, shape, data } is expected, not a Float32Array",
  ],
  [
    "a plain array as an initializer's data",
    ({ graph }) => graph.initializer("w", { dtype: "float32", shape: [2], data: [1, 2] } as never),
    "graph g: initializer w: float32 is carried by a Float32Array, not a Array",
  ],
  [
    "an initializer without data",
    ({ graph }) => graph.initializer("w", { dtype: "float32", shape: [2] } as never),
    "graph g: initializer w: it has neither data nor a file",
  ],
  [
    "a constant that is no number",
    ({ graph }) => graph.constant(undefined as never),
    "graph g: constant: a number or a list of numbers is expected, not undefined",
  ],
  [
    "an output that is no tensor",
    ({ graph }) => graph.output("y", undefined as never),
    "graph g: output y: a tensor of the graph is expected, not undefined",
  ],
  [
    "a loss that is not there",
    ({ graph, x }) => gradients(graph, undefined as never, [x]),
    "graph g: gradients: the loss must be a tensor of the graph, not undefined",
  ],
  [
    "a target that is not there",
    ({ graph, x }) => gradients(graph, graph.op.ReduceSum(x, undefined, { keepdims: 0 }), [undefined as never]),
    "graph g: gradients: target 0 must be a tensor of the graph, not undefined",
  ],
];

test.each(refusals)("%s", (_, make, message) => {
  const given = setUp();
  let thrown: unknown;
  try {
    make(given);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(GraphError);
  expect((thrown as GraphError).message).toBe(message);
  expect(given.graph.nodes.filter(({ type }) => type === message.split(/[ (]/)[2])).toEqual([]);
});

describe("every operator", () => {
  const strange = [
    undefined,
    null,
    "x",
    true,
    { a: 1 },
    [undefined],
    Symbol.iterator,
    new Float32Array(2),
    0.5,
    () => 0,
  ];

  test.each(operatorNames())("%s refuses what is no argument of it, in our words", (name) => {
    for (const first of strange) {
      const { op } = setUp();
      const isScalar = typeof first === "number"; // an operand may be a number
      if (isScalar) expect(() => op[name]!(first, undefined, undefined, undefined)).toThrow(GraphError);
      else expect(() => op[name]!(first)).toThrow(GraphError);
    }
  });

  test.each(operatorNames())("%s refuses an argument too many", (name) => {
    const { op, x } = setUp();
    const inputs = Array.from({ length: 12 }, () => x);
    const takesMany = ["Max", "Min", "Sum", "Mean"].includes(name);
    if (takesMany) expect(() => op[name]!(...inputs, {})).toThrow(GraphError);
    else expect(() => op[name]!(...inputs)).toThrow(/arguments, at most \d+ are expected/);
  });

  test.each(operatorNames())("%s: an unknown attribute is refused by name", (name) => {
    const { graph, x } = setUp();
    expect(() => graph.node(name, [x], { nonesuch: 1 })).toThrow(/unknown attribute nonesuch; known: /);
    expect(() => findOperator(name)!.complete(null)).toThrow("attributes must be an object, not null");
  });
});

describe("engines", () => {
  let engine: OnnxRuntimeEngine;
  beforeAll(() => {
    engine = onnxRuntime({ threads: 1 });
  });
  afterAll(() => engine.dispose());

  const shape = [3];
  const data = new Float32Array(3);
  test.each([
    ["a typed array", { x: data }, "graph f: input x: a tensor { dtype, shape, data } is expected, not a Float32Array"],
    ["an array", { x: [1, 2, 3] }, "graph f: input x: a tensor { dtype, shape, data } is expected, not [1, 2, 3]"],
    ["null", { x: null }, "graph f: input x: a tensor { dtype, shape, data } is expected, not null"],
    [
      "plain numbers as data",
      { x: { dtype: "float32", shape, data: [1, 2, 3] } },
      "graph f: input x: a tensor { dtype, shape, data } is expected, not one with [1, 2, 3] as data",
    ],
    [
      "no data",
      { x: { dtype: "float32", shape } },
      "graph f: input x: a tensor { dtype, shape, data } is expected, not one with no data",
    ],
    [
      "no shape",
      { x: { dtype: "float32", data } },
      'graph f: input x: a tensor { dtype, shape, data } is expected, not { dtype: "float32", data: a Float32Array }',
    ],
    ["no feeds", undefined, "graph f: feeds must be an object of tensors by input name, not undefined"],
    [
      "feeds in a list",
      [{ dtype: "float32", shape, data }],
      "graph f: feeds must be an object of tensors by input name, not",
    ],
    [
      "float16",
      { x: { dtype: "float16", shape, data: new Uint16Array(3) } },
      "graph f: input x: float16 [3] given, float32 [3] expected",
    ],
  ])("feeds: %s", async (_, feeds, message) => {
    const graph = new Graph("f");
    graph.output("y", graph.op.Exp(graph.input("x", "float32", [3])));
    const session = await engine.load(graph);
    const run = session.run(feeds as never);
    await expect(run).rejects.toThrow(EngineError);
    await expect(run).rejects.toThrow(message);
    await session.dispose();
  });

  test.each([0, -1, 1.5, Number.NaN, "2", 2000])("threads: %s", (threads) => {
    expect(() => onnxRuntime({ threads: threads as number })).toThrow(RangeError);
    expect(() => onnxRuntime({ threads: threads as number })).toThrow(
      /threads must be an integer from 1 to 1024, not /,
    );
  });

  test("CLLM4REC_THREADS is what the threads are by default", () => {
    expect(defaultThreads({ CLLM4REC_THREADS: "3" })).toBe(3);
    expect(defaultThreads({ CLLM4REC_THREADS: "" })).toBe(availableParallelism());
    for (const wish of ["0", "two", "1.5"])
      expect(() => defaultThreads({ CLLM4REC_THREADS: wish })).toThrow(
        /^the environment variable CLLM4REC_THREADS must be an integer from 1 to 1024, not /,
      );
  });

  test("an unknown provider", () => {
    expect(() => onnxRuntime({ executionProvider: "gpu" as never })).toThrow(
      'onnxRuntime: executionProvider must be one of cpu, webgpu, cuda, not "gpu"',
    );
  });

  test("float64 where onnxruntime computes in float32 only is refused in our words when the graph is loaded", async () => {
    const graph = new Graph("double");
    const x = graph.input("x", "float64", ["B", 2]);
    graph.output(
      "y",
      graph.scope("mlp", () => graph.op.Gelu(x)),
    );
    await expect(engine.load(graph)).rejects.toThrow(
      "graph double, node mlp/Gelu: onnxruntime 1.30 computes Gelu in float32 only, and x: float64 [B, 2] is " +
        "float64; build the graph in float32, or Cast in front of this node and behind it",
    );
  });

  test("NaN in feeds is computed with, as IEEE 754 has it: the engine does not refuse it (ReduceMax and ReduceMin pass over it)", async () => {
    const graph = new Graph("nan");
    const x = graph.input("x", "float32", [3]);
    const { op } = graph;
    const values = {
      sum: op.ReduceSum(x),
      pairs: op.Max(x, op.vector([0, 0, 0])),
      relu: op.Relu(x),
      clip: op.Clip(x, -1, 1),
      softmax: op.Softmax(x),
    };
    for (const [name, value] of Object.entries(values)) graph.output(name, value);
    const session = await engine.load(graph);
    const results = await session.run({ x: { dtype: "float32", shape, data: Float32Array.of(1, Number.NaN, 2) } });
    const isNaNs = Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [name, Array.from(tensor.data as Float32Array, Number.isNaN)]),
    );
    expect(isNaNs).toEqual({
      sum: [true],
      pairs: [false, true, false],
      relu: [false, true, false],
      clip: [false, true, false],
      softmax: [true, true, true],
    });
    await session.dispose();
  });
});
