// The TensorFlow.js backends that tests run on: those among the dev dependencies, and a tfjs-node of the developer's
// where one is named (tfjs-node-gpu where it holds that).
import fs from "node:fs";
import path from "node:path";
import { type TfjsBackend, type TfjsEngine, tfjs } from "@cllm4rec/onnx-grad/tfjs";

/** A folder whose node_modules hold a working @tensorflow/tfjs-node, e.g. what scripts/build-tfjs-node.mjs made. */
const nodeFolder = process.env.ONNX_GRAD_TFJS_NODE;
if (!nodeFolder)
  console.warn("skipping tfjs-node: ONNX_GRAD_TFJS_NODE names no folder with a built @tensorflow/tfjs-node");

const gpu = nodeFolder !== undefined && fs.existsSync(path.join(nodeFolder, "node_modules/@tensorflow/tfjs-node-gpu"));

export const installedBackends: readonly TfjsBackend[] = nodeFolder
  ? [gpu ? "tfjs-node-gpu" : "tfjs-node"]
  : ["cpu", "wasm"];

export const openTfjs = (backend: TfjsBackend): Promise<TfjsEngine> =>
  tfjs({ backend, ...(nodeFolder && backend.startsWith("tfjs-node") && { from: nodeFolder }) });
