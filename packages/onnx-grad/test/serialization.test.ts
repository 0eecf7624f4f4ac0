// Written models, read back field by field: names, dimensions, attributes, embedded and external constants, domains.
import path from "node:path";
import {
  type Engine,
  Graph,
  GraphError,
  gradients,
  onnxRuntime,
  serializeModel,
  type Tensor,
  toPortable,
} from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { expect, test } from "vitest";
import { ModelProto } from "../src/onnx/schema.js";
import { opsetVersion } from "../src/onnx/serialize.js";
import { toNumbers } from "./support/cases.js";

interface Decoded {
  irVersion: string;
  opsetImport: { domain?: string; version: string }[];
  graph: {
    name: string;
    node: {
      opType: string;
      name: string;
      domain?: string;
      input?: string[];
      output: string[];
      attribute?: { name: string; type: number; i?: string; f?: number; s?: string; ints?: string[] }[];
    }[];
    initializer?: {
      name: string;
      dims?: string[];
      dataType: number;
      rawData?: Uint8Array;
      dataLocation?: number;
      externalData?: { key: string; value: string }[];
    }[];
    input: {
      name: string;
      type: { tensorType: { elemType: number; shape: { dim?: { dimValue?: string; dimParam?: string }[] } } };
    }[];
    output: Decoded["graph"]["input"];
  };
}

const decode = (bytes: Uint8Array): Decoded =>
  ModelProto.toObject(ModelProto.decode(bytes), { longs: String }) as Decoded;

test("names, types, symbolic dimensions and attributes are written as the standard has them", () => {
  const graph = new Graph("whole");
  const { op } = graph;
  const x = graph.input("x", "float32", ["B", 3]);
  const w = graph.initializer("transformer.w", { dtype: "float32", shape: [3], data: Float32Array.of(1, -2, 0.5) });
  const y = graph.scope("block", () => op.LayerNormalization(x, w, undefined, { epsilon: 0.25 }));
  graph.output("y", op.Transpose(op.Concat([y, y], { axis: 0 }), { perm: [1, 0] }));
  const { bytes, externalFolder } = serializeModel(graph);
  expect(externalFolder).toBeUndefined();
  const model = decode(bytes);
  expect(model.opsetImport).toEqual([{ domain: "", version: String(opsetVersion) }]);
  expect(model.graph.input).toEqual([
    { name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: "B" }, { dimValue: "3" }] } } } },
  ]);
  expect(model.graph.output).toEqual([
    { name: "y", type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: "3" }, { dimParam: "2*B" }] } } } },
  ]);
  const [norm, concat, transpose] = model.graph.node;
  expect(norm).toMatchObject({
    opType: "LayerNormalization",
    name: "block/LayerNormalization",
    input: ["x", "transformer.w"],
  });
  expect(norm!.attribute).toEqual([
    { name: "epsilon", type: 1, f: 0.25 },
    { name: "axis", type: 2, i: "-1" },
  ]);
  expect(concat).toMatchObject({ opType: "Concat", input: ["block/LayerNormalization", "block/LayerNormalization"] });
  expect(transpose).toMatchObject({ output: ["y"], attribute: [{ name: "perm", type: 7, ints: ["1", "0"] }] });
  const [weight] = model.graph.initializer!;
  expect(weight).toMatchObject({ name: "transformer.w", dims: ["3"], dataType: 1 });
  expect(new Float32Array(weight!.rawData!.slice().buffer)).toEqual(Float32Array.of(1, -2, 0.5));
});

test("what no output needs is left out, absent optional inputs are empty names", () => {
  const graph = new Graph("pruned");
  const x = graph.input("x", "float32", [4]);
  graph.op.Exp(x);
  graph.initializer("unused", { dtype: "float32", shape: [1], data: new Float32Array(1) });
  graph.output("y", graph.op.Clip(x, undefined, 1));
  const { graph: written } = decode(serializeModel(graph).bytes);
  expect(written.node.map(({ opType }) => opType)).toEqual(["Clip"]);
  expect(written.node[0]!.input).toEqual(["x", "", "constant"]);
  expect(written.initializer!.map(({ name }) => name)).toEqual(["constant"]);
});

test("one value under two names, inputs and constants as outputs", () => {
  const graph = new Graph("names");
  const x = graph.input("x", "float32", [1]);
  const y = graph.op.Exp(x);
  graph.output("a", y);
  graph.output("b", y);
  graph.output("c", x);
  graph.output("d", graph.constant([3]));
  const { node } = decode(serializeModel(graph).bytes).graph;
  expect(node.map(({ opType, input, output }) => [opType, input, output])).toEqual([
    ["Exp", ["x"], ["a"]],
    ["Identity", ["a"], ["b"]],
    ["Identity", ["x"], ["c"]],
    ["Identity", ["constant"], ["d"]],
  ]);
});

test("external constants point into their files, relative to the deepest common folder or to the one given", () => {
  const graph = new Graph("external");
  const root = path.resolve("models");
  const at = (file: string, offset: number) =>
    ({ dtype: "float32", shape: [2], file: path.join(root, file), offset, byteLength: 8 }) as const;
  const [a, b] = [
    graph.initializer("a", at("x/one.safetensors", 96)),
    graph.initializer("b", at("y/two.safetensors", 1024)),
  ];
  graph.output("sum", graph.op.Add(a, b));
  const { bytes, externalFolder } = serializeModel(graph);
  expect(externalFolder).toBe(root);
  expect(decode(bytes).graph.initializer).toEqual([
    {
      name: "a",
      dims: ["2"],
      dataType: 1,
      dataLocation: 1,
      externalData: [
        { key: "location", value: "x/one.safetensors" },
        { key: "offset", value: "96" },
        { key: "length", value: "8" },
      ],
    },
    {
      name: "b",
      dims: ["2"],
      dataType: 1,
      dataLocation: 1,
      externalData: [
        { key: "location", value: "y/two.safetensors" },
        { key: "offset", value: "1024" },
        { key: "length", value: "8" },
      ],
    },
  ]);
  const given = serializeModel(graph, { externalFolder: path.dirname(root) });
  expect(decode(given.bytes).graph.initializer![0]!.externalData![0]!.value).toBe("models/x/one.safetensors");
  expect(() => serializeModel(graph, { externalFolder: path.join(root, "x") })).toThrow(
    new GraphError(
      "external",
      `initializer b: ${path.join(root, "y/two.safetensors")} lies outside the external-data folder ` +
        `${path.join(root, "x")}`,
    ),
  );
});

test("a model without outputs is refused", () => {
  expect(() => serializeModel(new Graph("empty"))).toThrow("graph empty: a model needs at least one output");
});

test("the bytes own their buffer, so that they can be moved to another thread", () => {
  const graph = new Graph("tiny");
  graph.output("y", graph.constant(1));
  const { bytes } = serializeModel(graph);
  expect(bytes.constructor).toBe(Uint8Array);
  expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
});

test("portable mode: standard operators only, the same names, the same results", async () => {
  const graph = new Graph("fast");
  const x = graph.input("x", "float32", ["B", "T", 3]);
  const w = graph.initializer("w", {
    dtype: "float32",
    shape: [5, 3],
    data: Float32Array.from({ length: 15 }, (_, i) => Math.sin(i)),
  });
  const y = graph.scope("attention", () => graph.op.FusedMatMul(x, w, { transB: 1, alpha: 0.5 }));
  const loss = graph.op.ReduceSum(graph.op.Gelu(y, { approximate: "tanh" }), undefined, { keepdims: 0 });
  graph.output("loss", loss);
  const [dx, dw] = gradients(graph, loss, [x, w]);
  graph.output("dx", dx!);
  graph.output("dw", dw!);
  const portable = toPortable(graph);

  const fast = decode(serializeModel(graph).bytes);
  expect(fast.opsetImport.map(({ domain }) => domain)).toEqual(["", "com.microsoft"]);
  const model = decode(serializeModel(portable).bytes);
  expect(model.opsetImport).toEqual([{ domain: "", version: String(opsetVersion) }]);
  expect(model.graph.node.filter(({ domain }) => domain)).toEqual([]);
  const kept = (decoded: Decoded) =>
    decoded.graph.node
      .filter(({ opType, name }) => opType !== "MatMul" && !name.includes("FusedMatMul/"))
      .map(({ name }) => name);
  const standard = new Set(
    kept(fast).filter((name) => !name.endsWith("FusedMatMul") && !/FusedMatMul_\d+$/.test(name)),
  );
  expect([...standard].filter((name) => !kept(model).includes(name))).toEqual([]);
  expect(model.graph.node.map(({ name }) => name)).toContain("attention/FusedMatMul/MatMul");

  const feeds: Record<string, Tensor> = {
    x: { dtype: "float32", shape: [2, 4, 3], data: Float32Array.from({ length: 24 }, (_, i) => Math.cos(i)) },
  };
  const engine: Engine = onnxRuntime({ threads: 1 });
  const [a, b] = await Promise.all([graph, portable].map(async (g) => (await engine.load(g)).run(feeds)));
  for (const name of ["loss", "dx", "dw"]) {
    expect(b![name]!.shape).toEqual(a![name]!.shape);
    expectClose(toNumbers(b![name]!.data), toNumbers(a![name]!.data), { rtol: 1e-5, atol: 1e-6, label: name });
  }
  await engine.dispose();
});
