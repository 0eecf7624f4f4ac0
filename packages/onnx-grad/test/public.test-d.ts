// The types of the public surface, checked by the task `typecheck`.
import {
  type CompiledGraph,
  compileGraph,
  type DType,
  type Engine,
  type Feeds,
  Graph,
  gradients,
  type OnnxRuntimeEngine,
  onnxRuntime,
  operatorNames,
  type SerializedModel,
  type Session,
  seededDropout,
  serializeModel,
  type Tensor,
  type TypedArray,
  type Value,
} from "@cllm4rec/onnx-grad";
import { type TfjsEngine, tfjs } from "@cllm4rec/onnx-grad/tfjs";
import { expectTypeOf, test } from "vitest";

test("a graph is made of values", () => {
  const graph = new Graph("g");
  const x = graph.input("x", "float32", ["B", 2]);
  expectTypeOf(x).toEqualTypeOf<Value>();
  expectTypeOf(graph.op.MatMul(x, x)).toEqualTypeOf<Value>();
  expectTypeOf(graph.op.Add(x, 1)).toEqualTypeOf<Value>();
  expectTypeOf(gradients(graph, x, [x])).items.toEqualTypeOf<Value>();
  expectTypeOf(gradients).returns.not.toBeAny();
  expectTypeOf(seededDropout).returns.toEqualTypeOf<Value>();
  expectTypeOf(serializeModel(graph)).toEqualTypeOf<SerializedModel>();
  expectTypeOf(operatorNames()).items.toEqualTypeOf<string>();
  // @ts-expect-error there is no such element type
  graph.input("h", "float16", [1]);
  // @ts-expect-error there is no such operator
  graph.op.MatrixMultiply(x, x);
  // @ts-expect-error a matrix product has two operands
  graph.op.MatMul(x);
  // @ts-expect-error operands are values of the graph or numbers
  graph.op.Add(x, "1");
});

test("engines load graphs into sessions", () => {
  expectTypeOf(onnxRuntime).returns.toEqualTypeOf<OnnxRuntimeEngine>();
  expectTypeOf<OnnxRuntimeEngine>().toExtend<Engine>();
  expectTypeOf(tfjs).returns.resolves.toEqualTypeOf<TfjsEngine>();
  expectTypeOf<TfjsEngine>().toExtend<Engine>();
  expectTypeOf<Engine["load"]>().returns.resolves.toEqualTypeOf<Session>();
  expectTypeOf(compileGraph).returns.toEqualTypeOf<CompiledGraph>();
  expectTypeOf<Session["run"]>().parameter(0).toEqualTypeOf<Feeds>();
  expectTypeOf<Session["run"]>().returns.resolves.toEqualTypeOf<Record<string, Tensor>>();
  // @ts-expect-error there is no such provider
  onnxRuntime({ executionProvider: "metal" });
});

test("tensors hold typed arrays", () => {
  expectTypeOf<Tensor["dtype"]>().toEqualTypeOf<DType>();
  expectTypeOf<Tensor["data"]>().toEqualTypeOf<TypedArray>();
  expectTypeOf<Float32Array>().toExtend<TypedArray>();
  expectTypeOf<number[]>().not.toExtend<TypedArray>();
});
