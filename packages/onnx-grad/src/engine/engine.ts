// What every engine offers: a graph goes in, a session comes out, and a session runs typed arrays.

import type { Graph } from "../graph/graph.js";
import type { DType, TypedArray } from "../graph/tensor.js";
import type { CompiledGraph } from "./compiled-graph.js";
import type { ExecutionProvider } from "./onnxruntime/protocol.js";

/** A tensor at run time: `data` row-major, of `dtype`'s typed array (`bool` as 0/1 bytes). */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

export type Feeds = Readonly<Record<string, Tensor>>;

export interface RunOptions {
  /** Which outputs to compute; all where absent. */
  readonly outputs?: readonly string[];
  /**
   * Arrays to write outputs into, by name: of the output's type and size, each the whole of its own buffer. Their
   * memory moves to the engine and comes back in the result, so that the array passed in is detached afterwards (also
   * after a failed or aborted run): use the returned tensor's `data`, and pass that again in the next run.
   */
  readonly reuse?: Readonly<Record<string, TypedArray>>;
  /**
   * Rejects the run with the signal's reason. A queued run is skipped; one under way finishes in the background, its
   * result is dropped.
   */
  readonly signal?: AbortSignal;
}

export interface Session {
  readonly graphName: string;
  /**
   * Computes the outputs. Runs of one engine are queued and executed one after another. Feeds are copied before this
   * returns; the caller may change them at once. They may lie in shared memory or be views.
   * @throws EngineError naming graph and input for a missing, unknown or mis-shaped input, graph and node for a failure
   *   while running.
   */
  run(feeds: Feeds, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Frees the session; later runs are rejected. */
  dispose(): Promise<void>;
}

export interface LoadOptions {
  /** Rejects with the signal's reason where it is aborted before the session is ready. */
  readonly signal?: AbortSignal;
}

export interface Engine {
  /** For messages and records, e.g. `onnxruntime-node 1.30.0 (cpu, 2 threads)`. */
  readonly description: string;
  load(graph: Graph, options?: LoadOptions): Promise<Session>;
  /** What graphs are compiled for where {@link loadCompiled} is there. */
  readonly compilesFor?: ExecutionProvider;
  /**
   * As {@link load}, of a graph that `compileGraph` has serialised, in another thread perhaps. Its bytes move to the
   * engine. Absent where the engine needs the graph itself.
   * @throws EngineError where it was compiled for another provider
   */
  loadCompiled?(compiled: CompiledGraph, options?: LoadOptions): Promise<Session>;
  /** Rejects what waits, frees all sessions and threads; resolves when a run that is under way has ended. */
  dispose(): Promise<void>;
}

/** A failure while loading or running a graph. */
export class EngineError extends Error {
  override readonly name = "EngineError";

  constructor(
    /** The graph's name. */
    readonly graph: string,
    detail: string,
    /** The node that failed, where the engine tells. */
    readonly node?: string,
  ) {
    super(`graph ${graph}${node ? `, node ${node}` : ""}: ${detail}`);
  }
}
