// The TensorFlow.js backends that tests run on: those among the dev dependencies, and a tfjs-node of the developer's where one is named.
import { type TfjsBackend, type TfjsEngine, tfjs } from "@cllm4rec/onnx-grad/tfjs";

/** A folder whose node_modules hold a working @tensorflow/tfjs-node, e.g. what scripts/build-tfjs-node.mjs made. */
const nodeFolder = process.env.ONNX_GRAD_TFJS_NODE;
if (!nodeFolder)
  console.warn("skipping tfjs-node: ONNX_GRAD_TFJS_NODE names no folder with a built @tensorflow/tfjs-node");

export const installedBackends: readonly TfjsBackend[] = nodeFolder ? ["tfjs-node"] : ["cpu", "wasm"];

export const openTfjs = (backend: TfjsBackend): Promise<TfjsEngine> =>
  tfjs({ backend, ...(nodeFolder && backend === "tfjs-node" && { from: nodeFolder }) });
