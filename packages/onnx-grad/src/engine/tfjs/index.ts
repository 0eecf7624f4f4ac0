// @cllm4rec/onnx-grad/tfjs: the same graphs on TensorFlow.js.
export type { TfjsBackend } from "./backends.js";
export { type TfjsEngine, type TfjsOptions, tfjs } from "./engine.js";
