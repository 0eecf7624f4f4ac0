// @cllm4rec/onnx-grad: build ONNX graphs, differentiate them graph to graph, run them.

export { gradients } from "./autodiff/gradients.js";
export { type SeededDropoutOptions, seededDropout } from "./compose/seeded-dropout.js";
export { type CompiledGraph, compileGraph, type GraphPort } from "./engine/compiled-graph.js";
export {
  type Engine,
  EngineError,
  type Feeds,
  type LoadOptions,
  type RunOptions,
  type Session,
  type Tensor,
} from "./engine/engine.js";
export { type MatmulRate, matmulRate } from "./engine/matmul-rate.js";
export type {
  DeviceFeeds,
  DeviceTensor,
  OnnxRuntimeEngine,
  OnnxRuntimeOptions,
  OnnxRuntimeSession,
} from "./engine/onnxruntime/contract.js";
export { onnxRuntime } from "./engine/onnxruntime/engine.js";
export type { ExecutionProvider } from "./engine/onnxruntime/protocol.js";
export { type OnnxRuntimeChoice, type ProviderTrial, selectOnnxRuntime } from "./engine/onnxruntime/select.js";
export { type Dim, formatShape, type Shape } from "./graph/dim.js";
export { GraphError } from "./graph/errors.js";
export { type Attributes, Graph, Node, Value } from "./graph/graph.js";
export type { ConstantTensor, DType, EmbeddedTensor, ExternalTensor, TensorData, TypedArrays } from "./graph/tensor.js";
export { opsetVersion, type SerializedModel, serializeModel } from "./onnx/serialize.js";
export type { Dims, Operand, Operators } from "./operators/operators.js";
export { differentiableOperatorNames, operatorNames } from "./operators/table.js";
export { toPortable } from "./transform/portable.js";
