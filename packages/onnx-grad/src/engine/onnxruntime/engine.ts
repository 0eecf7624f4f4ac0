// The default engine: onnxruntime-node in a worker thread, weights memory-mapped from the files that the graph points into.
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Graph, Value } from "../../graph/graph.js";
import { allocate } from "../../graph/tensor.js";
import { serializeModel } from "../../onnx/serialize.js";
import { checkFeeds, checkReuse } from "../check-feeds.js";
import {
  type Engine,
  EngineError,
  type Feeds,
  type LoadOptions,
  type RunOptions,
  type Session,
  type Tensor,
} from "../engine.js";
import { explain } from "./explain.js";
import { type Placement, placementNotice } from "./placement.js";
import type { ExecutionProvider, Message, Request, Response, SessionSettings, WorkerData } from "./protocol.js";
import { endSafely } from "./safe-exit.js";
import { checkProducts, type WebGpuLimits, webGpuLimits } from "./webgpu-limits.js";
import { forWebGpu } from "./webgpu-lowering.js";

export interface OnnxRuntimeOptions {
  /** Threads of onnxruntime's pool; as many as the process may use where absent. */
  readonly threads?: number;
  /**
   * What computes; the CPU where absent. Nodes that a GPU's provider has no kernel for, float64 among them, run on the CPU. Whether there
   * is such a GPU shows when the first graph is loaded.
   */
  readonly executionProvider?: ExecutionProvider;
  /**
   * Takes one line for operators that run on the CPU although a GPU was asked for, after the first run of the graph in which they occur;
   * each is told once an engine. The run that tells is slower.
   */
  readonly onNotice?: (notice: string) => void;
  /**
   * Whether onnxruntime may copy weights into a layout of its own. Off by default: weights then stay memory-mapped, opening takes
   * milliseconds, and pages are shared between sessions and processes; speed is the same.
   */
  readonly prepacking?: boolean;
  /** Further session configuration entries, by onnxruntime's names. */
  readonly entries?: Readonly<Record<string, string>>;
  /** Writes a profile of every session in Chrome's trace format to files with this prefix, when the session is disposed of. */
  readonly profile?: string;
}

type Unsent<T> = T extends Request ? Omit<T, "id"> : never;

interface Pending {
  resolve(response: Extract<Response, { ok: true }>): void;
  reject(error: Error): void;
}

/**
 * Starts onnxruntime-node in a worker thread of its own.
 * @example
 * const engine = onnxRuntime();
 * const session = await engine.load(graph);
 * const { y } = await session.run({ x: { dtype: "float32", shape: [2, 3], data: new Float32Array(6) } });
 * await engine.dispose();
 */
export function onnxRuntime(options: OnnxRuntimeOptions = {}): Engine {
  return new OnnxRuntimeEngine(options);
}

class OnnxRuntimeEngine implements Engine {
  readonly description: string;
  private readonly settings: SessionSettings;
  private readonly onNotice: ((notice: string) => void) | undefined;
  private readonly told = new Set<string>();
  private readonly worker: Worker;
  private readonly ended: Promise<void>;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private nextSession = 0;
  private closed: Error | undefined;

  constructor({
    threads = availableParallelism(),
    executionProvider = "cpu",
    prepacking = false,
    entries = {},
    profile,
    onNotice,
  }: OnnxRuntimeOptions) {
    const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
    this.description = `onnxruntime-node ${version} (${executionProvider}, ${threads} thread${threads === 1 ? "" : "s"})`;
    this.onNotice = onNotice;
    this.settings = {
      executionProvider,
      threads,
      entries: { ...(prepacking ? {} : { "session.disable_prepacking": "1" }), ...entries },
      ...(profile === undefined ? {} : { profile }),
      // A session has one profile, the caller's first.
      placement: onNotice !== undefined && profile === undefined && executionProvider !== "cpu",
    };
    const flags = new Int32Array(new SharedArrayBuffer(8));
    this.worker = new Worker(new URL("./onnxruntime-worker.js", import.meta.url), {
      name: "onnxruntime",
      // The worker is plain JavaScript: loaders and the like that the process was started with are not for it.
      execArgv: [],
      workerData: { flags } satisfies WorkerData,
    });
    this.worker.unref();
    const stopGuarding = endSafely(flags);
    this.ended = new Promise((resolve) => {
      this.worker.once("exit", () => {
        stopGuarding();
        resolve();
      });
    });
    this.worker.on("message", (response: Response) => this.settle(response));
    this.worker.on("error", (error) => this.close(error));
    this.worker.on("exit", (code) => this.close(new Error(`the onnxruntime thread ended (exit code ${code})`)));
  }

  async load(graph: Graph, { signal }: LoadOptions = {}): Promise<Session> {
    signal?.throwIfAborted();
    const onWebGpu = this.settings.executionProvider === "webgpu";
    const lowered = onWebGpu ? forWebGpu(graph) : graph;
    const { bytes, externalFolder } = serializeModel(lowered);
    const session = this.nextSession++;
    const entries = {
      ...this.settings.entries,
      ...(externalFolder === undefined
        ? {}
        : { "session.model_external_initializers_file_folder_path": externalFolder }),
    };
    const limits = onWebGpu ? webGpuLimits(lowered) : undefined;
    const settings = { ...this.settings, entries, ...(limits && { onCpu: limits.onCpu }) };
    try {
      await this.send({ kind: "load", session, model: bytes, settings }, signal, [bytes.buffer as ArrayBuffer]);
    } catch (error) {
      if (signal?.aborted) this.release(session).catch(() => {});
      throw toEngineError(graph.name, error, signal);
    }
    return new OnnxRuntimeSession(this, session, graph, limits);
  }

  /** Tells what a graph's first run showed, each operator once. */
  tell(graphName: string, placement: Placement): void {
    const notice = placementNotice(graphName, this.settings.executionProvider, placement, this.told);
    if (notice !== undefined) this.onNotice?.(notice);
  }

  async dispose(): Promise<void> {
    this.close(new Error("the engine has been disposed of"));
    // Not terminate(): a thread that is ended inside onnxruntime's native code takes the process down.
    this.worker.ref();
    this.worker.postMessage({ kind: "close" } satisfies Message);
    await this.ended;
  }

  async release(session: number): Promise<void> {
    if (!this.closed) await this.send({ kind: "release", session });
  }

  /** Sends a request; the worker keeps the process alive only while an answer is awaited. */
  send(
    request: Unsent<Request>,
    signal?: AbortSignal,
    moved: ArrayBuffer[] = [],
  ): Promise<Extract<Response, { ok: true }>> {
    if (this.closed) return Promise.reject(this.closed);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      // The worker is told, so that a request that still waits is skipped; one under way finishes and its answer is dropped.
      const onAbort = () => {
        this.worker.postMessage({ kind: "cancel", id } satisfies Message);
        reject(signal!.reason as Error);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const settled = () => {
        signal?.removeEventListener("abort", onAbort);
        if (this.pending.size === 0) this.worker.unref();
      };
      this.pending.set(id, {
        resolve: (response) => {
          settled();
          resolve(response);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.worker.ref();
      try {
        this.worker.postMessage({ ...request, id } as Request, moved);
      } catch (error) {
        this.pending.delete(id);
        settled();
        reject(error as Error);
      }
    });
  }

  private settle(response: Response): void {
    const pending = this.pending.get(response.id);
    this.pending.delete(response.id);
    if (response.ok) pending?.resolve(response);
    else pending?.reject(new Error(response.message));
  }

  private close(reason: Error): void {
    this.closed ??= reason;
    for (const pending of this.pending.values()) pending.reject(this.closed);
    this.pending.clear();
  }
}

class OnnxRuntimeSession implements Session {
  readonly graphName: string;
  private readonly inputs: ReadonlyMap<string, Value>;
  private readonly outputs: ReadonlyMap<string, Value>;
  private disposed = false;

  constructor(
    private readonly engine: OnnxRuntimeEngine,
    private readonly id: number,
    graph: Graph,
    private readonly limits: WebGpuLimits | undefined,
  ) {
    this.graphName = graph.name;
    this.inputs = new Map(graph.inputs);
    this.outputs = new Map(graph.outputs);
  }

  async run(
    feeds: Feeds,
    { outputs = [...this.outputs.keys()], reuse = {}, signal }: RunOptions = {},
  ): Promise<Record<string, Tensor>> {
    signal?.throwIfAborted();
    if (this.disposed) throw new EngineError(this.graphName, "the session has been disposed of");
    const bound = checkFeeds(this.graphName, this.inputs, feeds);
    for (const name of [...outputs, ...Object.keys(reuse)]) {
      if (!this.outputs.has(name)) {
        throw new EngineError(
          this.graphName,
          `unknown output ${name}; outputs are ${[...this.outputs.keys()].join(", ")}`,
        );
      }
    }
    if (this.limits) checkProducts(this.graphName, this.limits, bound);
    const targets = checkReuse(this.graphName, this.outputs, reuse, bound);
    const copies = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, ownCopy(tensor)]));
    const moved = [...Object.values(copies), ...Object.values(targets)].map(({ data }) => data.buffer as ArrayBuffer);
    const request = { kind: "run", session: this.id, feeds: copies, outputs, reuse: targets } as const;
    try {
      const response = await this.engine.send(request, signal, moved);
      if (response.placement) this.engine.tell(this.graphName, response.placement);
      return response.outputs!;
    } catch (error) {
      throw toEngineError(this.graphName, error, signal);
    }
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.engine.release(this.id);
  }
}

/** The caller may change or share its arrays after the call, so each run takes its own copy along; the copy itself is moved, not cloned. */
function ownCopy({ dtype, shape, data }: Tensor): Tensor {
  const copy = allocate(dtype, data.length);
  (copy as Float32Array).set(data as Float32Array);
  return { dtype, shape, data: copy };
}

/** onnxruntime names the failing node inside its message; an abort passes through untouched. */
function toEngineError(graph: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted && error === signal.reason) return error;
  const message = error instanceof Error ? error.message : String(error);
  const node = /(?:Name:|with name)\s*'([^']+)'|node\s*\(([^)]+)\)/i.exec(message);
  return new EngineError(graph, explain(message), node?.[1] ?? node?.[2]);
}
