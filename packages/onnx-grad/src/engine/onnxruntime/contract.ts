// What the onnxruntime engine offers beyond every engine: its options, and tensors that stay on the device between
// runs.
import type { Graph } from "../../graph/graph.js";
import type { DType } from "../../graph/tensor.js";
import type { CompiledGraph } from "../compiled-graph.js";
import type { Engine, LoadOptions, RunOptions, Session, Tensor } from "../engine.js";
import type { ExecutionProvider } from "./protocol.js";

export interface OnnxRuntimeOptions {
  /**
   * Threads of onnxruntime's pool. Default: what the environment variable CLLM4REC_THREADS says, else as many as the
   * process may use.
   */
  readonly threads?: number;
  /**
   * What computes; the CPU where absent. Nodes that a GPU's provider has no kernel for, float64 among them, run on the
   * CPU. Whether there is such a GPU shows when the first graph is loaded.
   */
  readonly executionProvider?: ExecutionProvider;
  /**
   * Takes one line for operators that run on the CPU although a GPU was asked for, after the first run of the graph in
   * which they occur; each is reported once per engine. The run that reports is slower.
   */
  readonly onNotice?: (notice: string) => void;
  /**
   * Whether onnxruntime may copy weights into a layout of its own. Off by default: weights then stay memory-mapped,
   * opening takes milliseconds, and pages are shared between sessions and processes; speed is the same.
   */
  readonly prepacking?: boolean;
  /**
   * The GPU provider's own options, by the names of onnxruntime's JavaScript API, e.g.
   * `{ storageBufferCacheMode: "simple" }` for WebGPU or `{ deviceId: 1 }` for CUDA. Not for the CPU.
   */
  readonly providerOptions?: Readonly<Record<string, string | number | boolean>>;
  /** Further session configuration entries, by onnxruntime's names. */
  readonly entries?: Readonly<Record<string, string>>;
  /**
   * Writes a profile of every session in Chrome's trace format to files with this prefix, when the session is disposed
   * of.
   */
  readonly profile?: string;
}

/**
 * A tensor that stays where the engine computes: on the GPU with WebGPU, in the memory of the engine's thread with the
 * others, so that it is moved no more. It belongs to the session that computed it and is freed with it, if not before.
 */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** A copy of the values. */
  read(): Promise<Tensor>;
  /** Frees it; runs that are given it afterwards are rejected. */
  dispose(): Promise<void>;
}

/** What a run of onnxruntime takes: tensors from here, or ones that it has already. */
export type DeviceFeeds = Readonly<Record<string, Tensor | DeviceTensor>>;

/** A session that leaves some of its outputs on the device. */
export interface OnnxRuntimeSession extends Session {
  /** As {@link Session.run}; outputs that stay on the device are not among the results. */
  run(feeds: DeviceFeeds, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Gives all outputs asked for: those that the session was loaded to keep as `onDevice`, the others as `tensors`. */
  runOnDevice(
    feeds: DeviceFeeds,
    options?: RunOptions,
  ): Promise<{ readonly tensors: Record<string, Tensor>; readonly onDevice: Record<string, DeviceTensor> }>;
}

/** What {@link onnxRuntime} starts. */
export interface OnnxRuntimeEngine extends Engine {
  /**
   * @param options.onDevice names of outputs that stay on the device; every run of such a session computes all of its
   *   outputs
   */
  load(graph: Graph, options?: LoadOptions & { readonly onDevice?: readonly string[] }): Promise<OnnxRuntimeSession>;
  readonly compilesFor: ExecutionProvider;
  /** As `load`, of a graph that `compileGraph` has serialised. */
  loadCompiled(
    compiled: CompiledGraph,
    options?: LoadOptions & { readonly onDevice?: readonly string[] },
  ): Promise<OnnxRuntimeSession>;
  /**
   * Moves a tensor to the device once, for any number of runs of this engine's sessions. It is freed with the engine,
   * if not before.
   */
  place(tensor: Tensor): Promise<DeviceTensor>;
}
