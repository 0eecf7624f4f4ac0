// @cllm4rec/onnx-grad: build ONNX graphs, differentiate them graph to graph, run them.

export { gradients } from "./autodiff/gradients.js";
export { type EngineProduct, engineProduct } from "./compose/engine-product.js";
export { type SeededDropoutOptions, seededDropout } from "./compose/seeded-dropout.js";
export { type CompiledGraph, compileGraph } from "./engine/compiled-graph.js";
export {
  type Engine,
  EngineError,
  type Feeds,
  type LoadOptions,
  type RunOptions,
  type Session,
  type Tensor,
} from "./engine/engine.js";
export { matmulRate } from "./engine/matmul-rate.js";
export type {
  DeviceTensor,
  OnnxRuntimeEngine,
  OnnxRuntimeOptions,
  OnnxRuntimeSession,
} from "./engine/onnxruntime/contract.js";
export { onnxRuntime } from "./engine/onnxruntime/engine.js";
export { type OnnxRuntimeChoice, selectOnnxRuntime } from "./engine/onnxruntime/select.js";
export type { Dim, Shape } from "./graph/dim.js";
export { GraphError } from "./graph/errors.js";
export { Graph, type Value } from "./graph/graph.js";
export type { ConstantTensor, DType, TypedArray } from "./graph/tensor.js";
export { type SerializedModel, serializeModel } from "./onnx/serialize.js";
export { differentiableOperatorNames, operatorNames } from "./operators/table.js";
export { toPortable } from "./transform/portable.js";
