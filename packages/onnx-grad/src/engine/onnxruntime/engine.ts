// The default engine: onnxruntime-node in a worker thread, weights memory-mapped from the files that the graph points
// into.
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { Graph } from "../../graph/graph.js";
import { describe } from "../../operators/parameters.js";
import { type CompiledGraph, compileGraph } from "../compiled-graph.js";
import { EngineError, type LoadOptions, type Tensor } from "../engine.js";
import type { DeviceTensor, OnnxRuntimeEngine, OnnxRuntimeOptions } from "./contract.js";
import { type Placement, placementNotice } from "./placement.js";
import type { ExecutionProvider, Message, Request, Response, SessionSettings, WorkerData } from "./protocol.js";
import { endSafely } from "./safe-exit.js";
import {
  type Answer,
  type HeldTensor,
  toEngineError,
  type Unsent,
  unknownOutput,
  type WorkerClient,
  WorkerSession,
} from "./session.js";
import { checkThreads, defaultThreads } from "./threads.js";

interface Pending {
  resolve(response: Answer): void;
  reject(error: Error): void;
}

/**
 * Starts onnxruntime-node in a worker thread of its own.
 * @throws RangeError where the number of threads or the provider is none that onnxruntime takes
 * @example
 * const engine = onnxRuntime();
 * const session = await engine.load(graph);
 * const { y } = await session.run({ x: { dtype: "float32", shape: [2, 3], data: new Float32Array(6) } });
 * await engine.dispose();
 */
export function onnxRuntime(options: OnnxRuntimeOptions = {}): OnnxRuntimeEngine {
  return new WorkerEngine(options);
}

class WorkerEngine implements OnnxRuntimeEngine, WorkerClient {
  readonly description: string;
  private readonly settings: SessionSettings;
  private readonly onNotice: ((notice: string) => void) | undefined;
  private readonly reported = new Set<string>();
  private readonly copiers = new Map<string, Promise<WorkerSession>>();
  private readonly worker: Worker;
  private readonly ended: Promise<void>;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private nextSession = 0;
  private closed: Error | undefined;

  constructor({
    threads = defaultThreads(),
    executionProvider = "cpu",
    prepacking = false,
    providerOptions = {},
    entries = {},
    profile,
    onNotice,
  }: OnnxRuntimeOptions) {
    checkOptions(threads, executionProvider);
    this.description =
      `onnxruntime-node ${installedVersion()} (${executionProvider}, ${threads} ` +
      `thread${threads === 1 ? "" : "s"})`;
    this.onNotice = onNotice;
    this.settings = {
      executionProvider,
      threads,
      providerOptions: executionProvider === "cpu" ? {} : providerOptions,
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
    this.worker.on("message", (response: Response) => this.resolveRequest(response));
    this.worker.on("error", (error) => this.close(error));
    this.worker.on("exit", (code) => this.close(new Error(`the onnxruntime thread ended (exit code ${code})`)));
  }

  get compilesFor(): ExecutionProvider {
    return this.settings.executionProvider;
  }

  async load(
    graph: Graph,
    options: LoadOptions & { readonly onDevice?: readonly string[] } = {},
  ): Promise<WorkerSession> {
    options.signal?.throwIfAborted();
    const stranger = options.onDevice?.find((name) => !graph.outputs.has(name));
    if (stranger !== undefined) throw unknownOutput(graph.name, stranger, [...graph.outputs.keys()]);
    return this.loadCompiled(compileGraph(graph, this.compilesFor), options);
  }

  async loadCompiled(
    compiled: CompiledGraph,
    { signal, onDevice = [] }: LoadOptions & { readonly onDevice?: readonly string[] } = {},
  ): Promise<WorkerSession> {
    signal?.throwIfAborted();
    const { name, bytes, externalFolder, executionProvider, outputs, limits } = compiled;
    const names = outputs.map((output) => output.name);
    const stranger = onDevice.find((output) => !names.includes(output));
    if (stranger !== undefined) throw unknownOutput(name, stranger, names);
    if (executionProvider !== this.compilesFor) {
      throw new EngineError(
        name,
        `the graph was compiled for ${executionProvider}, this engine computes with ${this.compilesFor}; compile ` +
          "it for the engine's compilesFor",
      );
    }
    const session = this.nextSession++;
    const entries = {
      ...this.settings.entries,
      ...(externalFolder === undefined
        ? {}
        : { "session.model_external_initializers_file_folder_path": externalFolder }),
    };
    const settings = { ...this.settings, entries, kept: onDevice, ...(limits && { onCpu: limits.onCpu }) };
    try {
      await this.send({ kind: "load", session, model: bytes, settings }, signal, [bytes.buffer as ArrayBuffer]);
    } catch (error) {
      if (signal?.aborted) this.release(session).catch(() => {});
      throw toEngineError(name, error, signal);
    }
    return new WorkerSession(this, session, compiled, new Set(onDevice));
  }

  async place(tensor: Tensor): Promise<DeviceTensor> {
    const { onDevice } = await (await this.copier(tensor, "place")).runOnDevice({ x: tensor });
    return onDevice.y!;
  }

  /** The values of a tensor that the worker holds. */
  async read(tensor: HeldTensor): Promise<Tensor> {
    const { y } = await (await this.copier(tensor, "read")).run({ x: tensor });
    return y!;
  }

  /**
   * onnxruntime-node has no call that copies from or to a GPU buffer, so a graph of one Identity does; one session for
   * each kind of tensor.
   */
  private copier(
    { dtype, shape }: Pick<Tensor, "dtype" | "shape">,
    direction: "place" | "read",
  ): Promise<WorkerSession> {
    const kind = `${direction} ${dtype} of rank ${shape.length}`;
    let session = this.copiers.get(kind);
    if (!session) {
      const graph = new Graph(kind);
      const x = graph.input(
        "x",
        dtype,
        shape.map((_, axis) => `n${axis}`),
      );
      graph.output("y", graph.op.Identity(x));
      session = this.load(graph, { onDevice: direction === "place" ? ["y"] : [] });
      session.catch(() => this.copiers.delete(kind));
      this.copiers.set(kind, session);
    }
    return session;
  }

  /** Reports where a graph's operators were computed, each operator once. */
  reportPlacement(graphName: string, placement: Placement): void {
    const notice = placementNotice(graphName, this.settings.executionProvider, placement, this.reported);
    if (notice !== undefined) this.onNotice?.(notice);
  }

  async dispose(): Promise<void> {
    this.close(new Error("the engine has been disposed of"));
    // Not terminate(): a thread that is ended inside onnxruntime's native code takes the process down.
    this.worker.ref();
    this.worker.postMessage({ kind: "close" } satisfies Message);
    await this.ended;
  }

  async drop(held: number): Promise<void> {
    if (!this.closed) await this.send({ kind: "drop", held });
  }

  async release(session: number): Promise<void> {
    if (!this.closed) await this.send({ kind: "release", session });
  }

  /** Sends a request; the worker keeps the process alive only while an answer is awaited. */
  send(request: Unsent<Request>, signal?: AbortSignal, moved: ArrayBuffer[] = []): Promise<Answer> {
    if (this.closed) return Promise.reject(this.closed);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      // The worker skips a request that still waits when it gets this; one under way finishes, and its answer is
      // dropped.
      const onAbort = () => {
        this.worker.postMessage({ kind: "cancel", id } satisfies Message);
        reject(signal!.reason as Error);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const release = () => {
        signal?.removeEventListener("abort", onAbort);
        if (this.pending.size === 0) this.worker.unref();
      };
      this.pending.set(id, {
        resolve: (response) => {
          release();
          if (signal?.aborted) this.forget(response);
          resolve(response);
        },
        reject: (error) => {
          release();
          reject(error);
        },
      });
      this.worker.ref();
      try {
        this.worker.postMessage({ ...request, id } as Request, moved);
      } catch (error) {
        this.pending.delete(id);
        release();
        reject(error as Error);
      }
    });
  }

  private resolveRequest(response: Response): void {
    const pending = this.pending.get(response.id);
    this.pending.delete(response.id);
    if (response.ok) pending?.resolve(response);
    else pending?.reject(new Error(response.message));
  }

  /** Frees what a run kept on the device that nobody waits for any more. */
  private forget({ held = {} }: Answer): void {
    for (const tensor of Object.values(held)) this.drop(tensor.held).catch(() => {});
  }

  private close(reason: Error): void {
    this.closed ??= reason;
    for (const pending of this.pending.values()) pending.reject(this.closed);
    this.pending.clear();
  }
}

const providers: readonly unknown[] = ["cpu", "webgpu", "cuda"];

function checkOptions(threads: unknown, executionProvider: unknown): void {
  checkThreads(threads);
  if (!providers.includes(executionProvider)) {
    const known = providers.join(", ");
    throw new RangeError(`onnxRuntime: executionProvider must be one of ${known}, not ${describe(executionProvider)}`);
  }
}

/**
 * Where the package is missing, the worker cannot load it either, and {@link explain} says so when a graph is loaded.
 */
function installedVersion(): string {
  try {
    return (createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string }).version;
  } catch {
    return "(not installed)";
  }
}
