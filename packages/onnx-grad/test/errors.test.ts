// A mistake is refused where the node is added, in one message that names graph, operator, inputs and shapes.
import { Graph, GraphError, gradients, seededDropout } from "@cllm4rec/onnx-grad";
import { expect, test } from "vitest";
import { define } from "../src/operators/definition.js";
import { input } from "../src/operators/parameters.js";

type Mistake = (g: Graph) => unknown;
const f = (g: Graph, name: string, shape: readonly (number | string)[]) => g.input(name, "float32", shape);
const i = (g: Graph, name: string, shape: readonly (number | string)[]) => g.input(name, "int64", shape);

const mistakes: readonly (readonly [string, Mistake, string])[] = [
  [
    "broadcast",
    (g) => g.op.Add(f(g, "a", ["B", 3]), f(g, "b", [4])),
    "graph g: Add(a: float32 [B, 3]; b: float32 [4]): dimensions 3 and 4 do not broadcast",
  ],
  [
    "broadcast of symbols",
    (g) => g.op.Mul(f(g, "a", ["B", 3]), f(g, "b", ["T", 3])),
    "graph g: Mul(a: float32 [B, 3]; b: float32 [T, 3]): dimensions B and T do not broadcast",
  ],
  [
    "inner dimensions",
    (g) => g.op.MatMul(f(g, "a", [2, 3]), f(g, "b", [2, 3])),
    "graph g: MatMul(a: float32 [2, 3]; b: float32 [2, 3]): inner dimensions 3 and 2 differ",
  ],
  [
    "rank",
    (g) => g.op.Gemm(f(g, "a", [1, 2, 3]), f(g, "b", [3, 2])),
    "graph g: Gemm(a: float32 [1, 2, 3]; b: float32 [3, 2]): matrices are expected",
  ],
  [
    "element types",
    (g) => g.op.Add(f(g, "a", [2]), i(g, "b", [2])),
    "graph g: Add(a: float32 [2]; b: int64 [2]): element types float32 and int64 differ",
  ],
  [
    "float wanted",
    (g) => g.op.Exp(i(g, "a", [2])),
    "graph g: Exp(a: int64 [2]): a float tensor is expected, not int64",
  ],
  [
    "bool wanted",
    (g) => g.op.Where(f(g, "c", [2]), f(g, "a", [2]), f(g, "b", [2])),
    "graph g: Where(c: float32 [2]; a: float32 [2]; b: float32 [2]): the condition must be bool",
  ],
  [
    "integer indices",
    (g) => g.op.Gather(f(g, "a", [2]), f(g, "b", [2])),
    "graph g: Gather(a: float32 [2]; b: float32 [2]): indices must be int64 or int32, not float32",
  ],
  ["unknown operator", (g) => g.node("Frobnicate", []), "graph g: unknown operator Frobnicate"],
  [
    "unknown attribute",
    (g) => g.node("Softmax", [f(g, "a", [2])], { axes: 1 }),
    "graph g: Softmax(a: float32 [2]) {axes: 1}: unknown attribute axes; known: axis",
  ],
  [
    "attribute of the wrong kind",
    (g) => g.node("Softmax", [f(g, "a", [2])], { axis: 0.5 }),
    "graph g: Softmax(a: float32 [2]) {axis: 0.5}: attribute axis must be int, not 0.5",
  ],
  [
    "a required attribute",
    (g) => g.node("Concat", [f(g, "a", [2])]),
    "graph g: Concat(a: float32 [2]): attribute axis is required",
  ],
  [
    "too many inputs",
    (g) => g.node("Exp", [f(g, "a", [2]), f(g, "b", [2])]),
    "graph g: Exp(a: float32 [2]; b: float32 [2]): 2 inputs, expected 1",
  ],
  ["too few inputs", (g) => g.node("Clip", []), "graph g: Clip(): 0 inputs, expected 1 to 3"],
  [
    "a required input left out",
    (g) => g.node("Add", [undefined, f(g, "a", [2])]),
    "graph g: Add(–; a: float32 [2]): input 0 is missing",
  ],
  [
    "axis",
    (g) => g.op.ReduceSum(f(g, "a", [2, 3]), [2]),
    "graph g: ReduceSum(a: float32 [2, 3]; constant: int64 [1]): axis 2 is outside rank 2",
  ],
  [
    "an axis twice",
    (g) => g.op.ReduceSum(f(g, "a", [2, 3]), [1, -1]),
    "graph g: ReduceSum(a: float32 [2, 3]; constant: int64 [2]): axes [1,-1] repeat an axis",
  ],
  [
    "element count",
    (g) => g.op.Reshape(f(g, "a", [2, 3]), [4, 2]),
    "graph g: Reshape(a: float32 [2, 3]; constant: int64 [2]): [2, 3] has 6 elements, [4, 2] has 8",
  ],
  [
    "an undivisible remainder",
    (g) => g.op.Reshape(f(g, "a", ["B", 3]), [-1, 2]),
    "graph g: Reshape(a: float32 [B, 3]; constant: int64 [2]): [B, 3] can't be reshaped to [-1, 2]",
  ],
  [
    "a shape that is not known",
    (g) => g.op.Reshape(f(g, "a", [6]), i(g, "s", [2])),
    "graph g: Reshape(a: float32 [6]; s: int64 [2]): the target shape must be a constant, or made of dimensions " +
      "by Shape, Gather and Concat",
  ],
  [
    "permutation",
    (g) => g.op.Transpose(f(g, "a", [2, 3]), { perm: [0, 0] }),
    "graph g: Transpose(a: float32 [2, 3]) {perm: [0,0]}: perm [0,0] is no permutation of 2 axes",
  ],
  [
    "a dimension that a shape does not have",
    (g) => g.op.Gather(g.op.Shape(f(g, "a", [2, 3])), g.op.ints([2])),
    "graph g: Gather(Shape: int64 [2]; constant: int64 [1]): index 2 is outside the 2 known elements",
  ],
  [
    "concatenated shapes",
    (g) => g.op.Concat([f(g, "a", [2, 3]), f(g, "b", [2, 4])], { axis: 0 }),
    "graph g: Concat(a: float32 [2, 3]; b: float32 [2, 4]) {axis: 0}: shapes differ in more than axis 0",
  ],
  [
    "split sizes",
    (g) => g.op.Split(f(g, "a", [5]), [2, 2]),
    "graph g: Split(a: float32 [5]; constant: int64 [2]) {}: split sizes add up to 4, not 5".replace(" {}", ""),
  ],
  [
    "labels",
    (g) => g.op.SoftmaxCrossEntropyLoss(f(g, "a", ["B", 7]), i(g, "y", ["T"])),
    "graph g: SoftmaxCrossEntropyLoss(a: float32 [B, 7]; y: int64 [T]): labels must have shape [B]",
  ],
  [
    "GRU weights",
    (g) => g.op.GRU([f(g, "x", [4, "B", 2]), f(g, "w", [1, 6, 2]), f(g, "r", [1, 9, 3])], { hidden_size: 3 }),
    "graph g: GRU(x: float32 [4, B, 2]; w: float32 [1, 6, 2]; r: float32 [1, 9, 3]) {hidden_size: 3}: W must have " +
      "shape [1, 9, 2]",
  ],
  [
    "an Einsum of another rank",
    (g) => g.op.Einsum([f(g, "a", [2, 3]), f(g, "b", [3])], { equation: "ij,jk->ik" }),
    'graph g: Einsum(a: float32 [2, 3]; b: float32 [3]) {equation: "ij,jk->ik"}: "jk" does not fit rank 1',
  ],
  [
    "an Einsum of other sizes",
    (g) => g.op.Einsum([f(g, "a", [2, 3]), f(g, "b", [4, 5])], { equation: "ij,jk->ik" }),
    'graph g: Einsum(a: float32 [2, 3]; b: float32 [4, 5]) {equation: "ij,jk->ik"}: axis j has sizes 3 and 4',
  ],
  [
    "an Einsum's output axis from nowhere",
    (g) => g.op.Einsum([f(g, "a", [2, 3])], { equation: "ij->ik" }),
    'graph g: Einsum(a: float32 [2, 3]) {equation: "ij->ik"}: no operand has the output\'s axis k',
  ],
  [
    "a diagonal as an Einsum's output",
    (g) => g.op.Einsum([f(g, "a", [2])], { equation: "i->ii" }),
    'graph g: Einsum(a: float32 [2]) {equation: "i->ii"}: the output "ii" repeats an axis',
  ],
  [
    "an ellipsis for different ranks",
    (g) => g.op.Einsum([f(g, "a", [5, 2, 3]), f(g, "b", [3])], { equation: "...i,...i->..." }),
    'graph g: Einsum(a: float32 [5, 2, 3]; b: float32 [3]) {equation: "...i,...i->..."}: ... stands for 2 and 0 ' +
      "axes; the standard requires the same number in all operands",
  ],
  [
    "a malformed equation",
    (g) => g.op.Einsum([f(g, "a", [2])], { equation: "i1->i" }),
    'graph g: Einsum(a: float32 [2]) {equation: "i1->i"}: "i1": letters and one ... are expected',
  ],
  [
    "channels of a convolution",
    (g) => g.op.Conv(f(g, "x", ["B", 4, "T"]), f(g, "w", [6, 3, 2])),
    "graph g: Conv(x: float32 [B, 4, T]; w: float32 [6, 3, 2]): X has 4 channels, W takes 3",
  ],
  [
    "a kernel longer than the input",
    (g) => g.op.Conv(f(g, "x", ["B", 1, 4]), f(g, "w", [1, 1, 3]), undefined, { dilations: [3] }),
    "graph g: Conv(x: float32 [B, 1, 4]; w: float32 [1, 1, 3]) {dilations: [3]}: spatial axis 0: a kernel that " +
      "reaches over 7 positions for 4, pads included",
  ],
  [
    "strides over a symbolic length",
    (g) => g.op.Conv(f(g, "x", ["B", 1, "T"]), f(g, "w", [1, 1, 3]), undefined, { strides: [2] }),
    "graph g: Conv(x: float32 [B, 1, T]; w: float32 [1, 1, 3]) {strides: [2]}: spatial axis 0 of symbolic size T " +
      "can't be passed in strides of 2; fix its size",
  ],
  [
    "pads for one side only",
    (g) => g.op.Conv(f(g, "x", ["B", 1, 4]), f(g, "w", [1, 1, 3]), undefined, { pads: [2] }),
    "graph g: Conv(x: float32 [B, 1, 4]; w: float32 [1, 1, 3]) {pads: [2]}: pads must be 2 integers of 0 or more, " +
      "not [2]",
  ],
  [
    "an output padding as large as the stride",
    (g) => g.op.ConvTranspose(f(g, "x", [1, 1, 4]), f(g, "w", [1, 1, 3]), undefined, { output_padding: [1] }),
    "graph g: ConvTranspose(x: float32 [1, 1, 4]; w: float32 [1, 1, 3]) {output_padding: [1]}: output_padding " +
      "must be one integer an axis, less than its stride, not [1]",
  ],
  [
    "LSTM weights",
    (g) => g.op.LSTM([f(g, "x", [4, "B", 2]), f(g, "w", [1, 9, 2]), f(g, "r", [1, 12, 3])], { hidden_size: 3 }),
    "graph g: LSTM(x: float32 [4, B, 2]; w: float32 [1, 9, 2]; r: float32 [1, 12, 3]) {hidden_size: 3}: W must " +
      "have shape [1, 12, 2]",
  ],
  [
    "heads that do not divide",
    (g) => g.op.Attention(f(g, "q", ["B", 4, "T", 8]), f(g, "k", ["B", 3, "T", 8]), f(g, "v", ["B", 3, "T", 8])),
    "graph g: Attention(q: float32 [B, 4, T, 8]; k: float32 [B, 3, T, 8]; v: float32 [B, 3, T, 8]): 4 heads of " +
      "queries for 3 of keys: known numbers are expected, the first a multiple",
  ],
  [
    "heads that are not split",
    (g) => g.op.Attention(f(g, "q", ["B", "T", 8]), f(g, "k", ["B", "T", 8]), f(g, "v", ["B", "T", 8])),
    "graph g: Attention(q: float32 [B, T, 8]; k: float32 [B, T, 8]; v: float32 [B, T, 8]): Q must have shape [B, " +
      "H, T, d]: split the heads by Reshape and Transpose first",
  ],
  [
    "a condition that is too long",
    (g) => g.op.Compress(f(g, "x", [2]), g.input("m", "bool", [3])),
    "graph g: Compress(x: float32 [2]; m: bool [3]): a condition of 3 for 2 elements",
  ],
  [
    "batch statistics of another size",
    (g) => {
      const [x, c, d] = [f(g, "x", ["B", 3]), f(g, "c", [3]), f(g, "d", [4])];
      return g.op.BatchNormalization(x, c, c, c, d);
    },
    "graph g: BatchNormalization(x: float32 [B, 3]; c: float32 [3]; c: float32 [3]; c: float32 [3]; d: float32 " +
      "[4]): input_var must have shape [3]",
  ],
  [
    "an LSTM over a symbolic number of steps, differentiated",
    (g) => {
      const x = f(g, "x", ["T", 1, 2]);
      const [, last] = g.op.LSTM([x, f(g, "w", [1, 4, 2]), f(g, "r", [1, 4, 1])], { hidden_size: 1 });
      return gradients(g, g.op.ReduceSum(last, undefined, { keepdims: 0 }), [x]);
    },
    "graph g: gradient of LSTM (node LSTM): the gradient needs a sequence length known in advance, not T",
  ],
  [
    "the gradient of rotary caches",
    (g) => {
      const cos = f(g, "cos", [1, 2, 2]);
      const y = g.op.RotaryEmbedding(f(g, "x", [1, 1, 2, 4]), cos, cos);
      return gradients(g, g.op.ReduceSum(y, undefined, { keepdims: 0 }), [cos]);
    },
    "graph g: gradient of RotaryEmbedding (node RotaryEmbedding): there is no gradient with respect to cos_cache " +
      "and sin_cache",
  ],
  [
    "a value of another graph",
    (g) => g.op.Exp(f(new Graph("other"), "a", [2])),
    "graph g: Exp(a: float32 [2]): a belongs to another graph, other",
  ],
  [
    "an output of another graph",
    (g) => g.output("y", f(new Graph("other"), "a", [2])),
    "graph g: output y: a: float32 [2] belongs to graph other",
  ],
  ["a name taken", (g) => [f(g, "a", [2]), f(g, "a", [2])], "graph g: there is a value named a already"],
  ["an empty name", (g) => f(g, "", [2]), "graph g: a name is empty"],
  [
    "an output name taken",
    (g) => [g.output("y", f(g, "a", [2])), g.output("y", f(g, "b", [2]))],
    "graph g: there is an output named y already",
  ],
  [
    "an output named as an input",
    (g) => g.output("a", g.op.Exp(f(g, "a", [2]))),
    "graph g: output a has the name of an input",
  ],
  [
    "a malformed dimension",
    (g) => f(g, "a", ["B/2"]),
    'graph g: input a: dimension "B/2": sums and products of integers and names are expected',
  ],
  [
    "a negative dimension",
    (g) => f(g, "a", [-1]),
    "graph g: input a: dimension -1: a non-negative integer or a symbol is expected",
  ],
  [
    "an output that the node does not have",
    (g) => g.node("Exp", [f(g, "a", [2])]).output(1),
    "graph g: Exp Exp has no output 1",
  ],
  [
    "a symbol that no input carries",
    (g) => g.op.Expand(f(g, "a", [1]), ["T"]),
    "graph g: dimension T: no input has a dimension T",
  ],
  [
    "a loss that is no scalar",
    (g) => gradients(g, g.op.Exp(f(g, "a", [2])), []),
    "graph g: gradients: Exp: float32 [2] is no scalar; give a seed of its shape",
  ],
  [
    "a seed of another shape",
    (g) => gradients(g, g.op.Exp(f(g, "a", [2])), [], f(g, "s", [3])),
    "graph g: gradients: seed s: float32 [3] differs in shape from Exp: float32 [2]",
  ],
  [
    "an integer target",
    (g) => gradients(g, g.op.ReduceSum(f(g, "a", [2]), undefined, { keepdims: 0 }), [i(g, "n", [2])]),
    "graph g: gradients: n: int64 [2] is no float tensor",
  ],
  [
    "a target of another graph",
    (g) => gradients(g, f(g, "a", []), [f(new Graph("other"), "b", [])]),
    "graph g: gradients: b: float32 [] belongs to graph other",
  ],
  [
    "an operator without a rule on the way",
    (g) => {
      const a = f(g, "a", []);
      const y = g.scope("layer", () => g.op.Exp(a));
      const infer = () => [{ dtype: "float32", shape: [] } as const];
      Object.assign(y.producer!, { definition: define({ type: "Frobnicate", inputs: [input("X")], infer }) });
      return gradients(g, y, [a]);
    },
    "graph g: operator Frobnicate (node layer/Exp) has no gradient rule",
  ],
  [
    "the gradient of a dropout's ratio",
    (g) => {
      const [x, ratio] = [f(g, "x", [2]), f(g, "ratio", [])];
      const [y] = g.op.Dropout(x, ratio, g.constant(1, { dtype: "bool" }));
      return gradients(g, g.op.ReduceSum(y, undefined, { keepdims: 0 }), [ratio]);
    },
    "graph g: gradient of Dropout (node Dropout): there is no gradient with respect to the ratio",
  ],
  [
    "a GRU over a symbolic number of steps, differentiated",
    (g) => {
      const x = f(g, "x", ["T", 1, 2]);
      const [, last] = g.op.GRU([x, f(g, "w", [1, 3, 2]), f(g, "r", [1, 3, 1])], { hidden_size: 1 });
      return gradients(g, g.op.ReduceSum(last, undefined, { keepdims: 0 }), [x]);
    },
    "graph g: gradient of GRU (node GRU): the gradient needs a sequence length known in advance, not T",
  ],
  [
    "a dropout ratio of 1",
    (g) => seededDropout(g, f(g, "x", [2]), { ratio: 1, seed: i(g, "seed", []), stream: 0 }),
    "graph g: seededDropout of x: float32 [2]: ratio 1, at least 0 and less than 1 is expected",
  ],
  [
    "a dropout seed of the wrong type",
    (g) => seededDropout(g, f(g, "x", [2]), { ratio: 0.5, seed: f(g, "seed", []), stream: 0 }),
    "graph g: seededDropout of x: float32 [2]: seed seed: float32 [] is no int64 scalar",
  ],
  [
    "a dropout stream that is no integer",
    (g) => seededDropout(g, f(g, "x", [2]), { ratio: 0.5, seed: i(g, "seed", []), stream: 0.5 }),
    "graph g: seededDropout of x: float32 [2]: stream 0.5 is no integer below 2^32",
  ],
];

test.each(mistakes)("%s", (_, make, message) => {
  const graph = new Graph("g");
  let thrown: unknown;
  try {
    make(graph);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(GraphError);
  expect((thrown as GraphError).message).toBe(message);
  expect((thrown as GraphError).graph).toBe("g");
});

test("a refused node leaves the graph as it was", () => {
  const graph = new Graph("g");
  const a = f(graph, "a", [2, 3]);
  expect(() => graph.op.MatMul(a, a)).toThrow(GraphError);
  expect(graph.nodes).toEqual([]);
});

test.each([
  [
    "another typed array",
    { dtype: "float32", shape: [2], data: new Float64Array(2) },
    "graph g: initializer w: float32 is carried by a Float32Array, not a Float64Array",
  ],
  [
    "a wrong length",
    { dtype: "float32", shape: [2, 2], data: new Float32Array(3) },
    "graph g: initializer w: 3 elements for shape [2, 2], expected 4",
  ],
  [
    "a wrong byte length in a file",
    { dtype: "float32", shape: [2], file: "w.safetensors", offset: 8, byteLength: 4 },
    "graph g: initializer w: 4 bytes in w.safetensors for float32 [2], expected 8",
  ],
] as const)("initializer with %s", (_, tensor, message) => {
  expect(() => new Graph("g").initializer("w", tensor)).toThrow(new GraphError("g", message.replace("graph g: ", "")));
});

test("a number that does not fit the element type", () => {
  expect(() => new Graph("g").constant(300, { dtype: "uint8" })).toThrow(
    "graph g: constant: 300 does not fit the element type uint8",
  );
  expect(() => new Graph("g").constant(0.5, { dtype: "int64" })).toThrow(
    "graph g: constant: 0.5 does not fit the element type int64",
  );
});
