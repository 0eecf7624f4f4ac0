// A graph as the bytes that onnxruntime loads: what takes long is done where the graph is, in another thread perhaps,
// and posted.
import type { Shape } from "../graph/dim.js";
import type { Graph, Value } from "../graph/graph.js";
import type { DType } from "../graph/tensor.js";
import { serializeModel } from "../onnx/serialize.js";
import { checkKernels } from "./onnxruntime/cpu-limits.js";
import { forCpu } from "./onnxruntime/cpu-lowering.js";
import type { ExecutionProvider } from "./onnxruntime/protocol.js";
import { type WebGpuLimits, webGpuLimits } from "./onnxruntime/webgpu-limits.js";
import { forWebGpu } from "./onnxruntime/webgpu-lowering.js";

/** A declared input or output. */
export interface GraphPort {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * A graph, serialised: plain data, for `structuredClone` and `postMessage` (the bytes are the whole of their own
 * buffer).
 */
export interface CompiledGraph {
  readonly name: string;
  /** What it was compiled for. */
  readonly executionProvider: ExecutionProvider;
  readonly bytes: Uint8Array;
  /** The folder that the paths of external weights are relative to; `undefined` where there are none. */
  readonly externalFolder: string | undefined;
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
  /** What the WebGPU provider must not be given. */
  readonly limits?: WebGpuLimits;
}

/**
 * Serialises a graph for an engine's `loadCompiled`. The work is proportional to the graph: about 0.3 s for the step of
 * an LM of 30 layers.
 * @param executionProvider the engine's `compilesFor`
 * @throws GraphError where the graph has no output; EngineError where onnxruntime has no kernel for a node's element
 *   type
 */
export function compileGraph(graph: Graph, executionProvider: ExecutionProvider = "cpu"): CompiledGraph {
  const onWebGpu = executionProvider === "webgpu";
  checkKernels(graph);
  const lowered = onWebGpu ? forWebGpu(forCpu(graph)) : forCpu(graph);
  return {
    name: graph.name,
    executionProvider,
    ...serializeModel(lowered),
    inputs: ports(graph.inputs),
    outputs: ports(graph.outputs),
    ...(onWebGpu ? { limits: webGpuLimits(lowered) } : {}),
  };
}

const ports = (values: ReadonlyMap<string, Value>): GraphPort[] =>
  [...values].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
