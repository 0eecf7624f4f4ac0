// The default engine: onnxruntime-node in a worker thread, weights memory-mapped from the files that the graph points
// into.
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { reasonOf } from "../../graph/errors.js";
import { Graph } from "../../graph/graph.js";
import { allocate, type DType, type TypedArray } from "../../graph/tensor.js";
import { describe } from "../../operators/parameters.js";
import { checkFeeds, checkReuse } from "../check-feeds.js";
import { type CompiledGraph, compileGraph, type GraphPort } from "../compiled-graph.js";
import { EngineError, type LoadOptions, type RunOptions, type Tensor } from "../engine.js";
import type {
  DeviceFeeds,
  DeviceTensor,
  OnnxRuntimeEngine,
  OnnxRuntimeOptions,
  OnnxRuntimeSession,
} from "./contract.js";
import { explain } from "./explain.js";
import { type Placement, placementNotice } from "./placement.js";
import type { ExecutionProvider, Held, Message, Request, Response, SessionSettings, WorkerData } from "./protocol.js";
import { endSafely } from "./safe-exit.js";
import { checkProducts, type WebGpuLimits } from "./webgpu-limits.js";

type Unsent<T> = T extends Request ? Omit<T, "id"> : never;

interface Pending {
  resolve(response: Extract<Response, { ok: true }>): void;
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

class WorkerEngine implements OnnxRuntimeEngine {
  readonly description: string;
  private readonly settings: SessionSettings;
  private readonly onNotice: ((notice: string) => void) | undefined;
  private readonly told = new Set<string>();
  private readonly copiers = new Map<string, Promise<WorkerSession>>();
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
   * onnxruntime-node cannot copy from or to a GPU buffer by itself, so a graph of one Identity does; one session for
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

  async drop(held: number): Promise<void> {
    if (!this.closed) await this.send({ kind: "drop", held });
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
      // The worker is told, so that a request that still waits is skipped; one under way finishes and its answer is
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
  private forget({ held = {} }: Extract<Response, { ok: true }>): void {
    for (const tensor of Object.values(held)) this.drop(tensor.held).catch(() => {});
  }

  private close(reason: Error): void {
    this.closed ??= reason;
    for (const pending of this.pending.values()) pending.reject(this.closed);
    this.pending.clear();
  }
}

class HeldTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly held: number;

  constructor(
    readonly engine: WorkerEngine,
    { dtype, shape, held }: Held,
  ) {
    this.dtype = dtype;
    this.shape = shape;
    this.held = held;
  }

  read(): Promise<Tensor> {
    return this.engine.read(this);
  }

  dispose(): Promise<void> {
    return this.engine.drop(this.held);
  }
}

class WorkerSession implements OnnxRuntimeSession {
  readonly graphName: string;
  private readonly inputs: ReadonlyMap<string, GraphPort>;
  private readonly outputs: ReadonlyMap<string, GraphPort>;
  private readonly limits: WebGpuLimits | undefined;
  /** Memory of the last run's large feeds, by their names. */
  private readonly reusableBuffers = new Map<string, TypedArray>();
  private disposed = false;

  constructor(
    private readonly engine: WorkerEngine,
    private readonly id: number,
    { name, inputs, outputs, limits }: CompiledGraph,
    private readonly kept: ReadonlySet<string>,
  ) {
    this.graphName = name;
    this.inputs = new Map(inputs.map((input) => [input.name, input]));
    this.outputs = new Map(outputs.map((output) => [output.name, output]));
    this.limits = limits;
  }

  async run(feeds: DeviceFeeds, options: RunOptions = {}): Promise<Record<string, Tensor>> {
    const { outputs = [...this.outputs.keys()].filter((name) => !this.kept.has(name)) } = options;
    const stays = outputs.find((name) => this.kept.has(name));
    if (stays !== undefined)
      throw new EngineError(this.graphName, `output ${stays} stays on the device; use runOnDevice()`);
    return (await this.runOnDevice(feeds, { ...options, outputs })).tensors;
  }

  async runOnDevice(
    feeds: DeviceFeeds,
    { outputs = [...this.outputs.keys()], reuse = {}, signal }: RunOptions = {},
  ): Promise<{ tensors: Record<string, Tensor>; onDevice: Record<string, DeviceTensor> }> {
    signal?.throwIfAborted();
    if (this.disposed) throw new EngineError(this.graphName, "the session has been disposed of");
    const bound = checkFeeds(this.graphName, this.inputs, feeds);
    for (const name of [...outputs, ...Object.keys(reuse)]) {
      if (!this.outputs.has(name)) throw unknownOutput(this.graphName, name, [...this.outputs.keys()]);
    }
    const kept = Object.keys(reuse).find((name) => this.kept.has(name));
    if (kept !== undefined)
      throw new EngineError(
        this.graphName,
        `output ${kept} stays on the device, so that no array can be reused for it`,
      );
    if (this.limits) checkProducts(this.graphName, this.limits, bound);
    const targets = checkReuse(this.graphName, this.outputs, reuse, bound);
    const sent = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, this.sendable(name, tensor)]));
    const moved = [...Object.values(sent), ...Object.values(targets)].flatMap((tensor) =>
      "data" in tensor ? [tensor.data.buffer as ArrayBuffer] : [],
    );
    const request = { kind: "run", session: this.id, feeds: sent, outputs, reuse: targets } as const;
    try {
      const response = await this.engine.send(request, signal, moved);
      for (const [name, data] of Object.entries(response.reusableBuffers ?? {})) this.reusableBuffers.set(name, data);
      if (response.placement) this.engine.tell(this.graphName, response.placement);
      const held = Object.entries(response.held ?? {});
      const onDevice = Object.fromEntries(held.map(([name, tensor]) => [name, new HeldTensor(this.engine, tensor)]));
      return { tensors: response.outputs!, onDevice };
    } catch (error) {
      throw toEngineError(this.graphName, error, signal);
    }
  }

  /** A copy of a tensor from here; the number of one that the worker has. */
  private sendable(name: string, tensor: Tensor | DeviceTensor): Tensor | Held {
    if ("data" in tensor) {
      const reusableBuffers = this.reusableBuffers.get(name);
      this.reusableBuffers.delete(name);
      return ownCopy(tensor, reusableBuffers);
    }
    if (tensor instanceof HeldTensor && tensor.engine === this.engine) {
      return { dtype: tensor.dtype, shape: tensor.shape, held: tensor.held };
    }
    throw new EngineError(
      this.graphName,
      `input ${name}: the tensor is on the device of another engine; read() it first`,
    );
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.engine.release(this.id);
  }
}

/** More than any machine has; onnxruntime itself would try to start them. */
const mostThreads = 1024;
const providers: readonly unknown[] = ["cpu", "webgpu", "cuda"];

function checkOptions(threads: unknown, executionProvider: unknown): void {
  if (!Number.isSafeInteger(threads) || (threads as number) < 1 || (threads as number) > mostThreads) {
    throw new RangeError(`onnxRuntime: threads must be an integer from 1 to ${mostThreads}, not ${describe(threads)}`);
  }
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

const unknownOutput = (graphName: string, name: string, outputs: readonly string[]): EngineError =>
  new EngineError(graphName, `unknown output ${name}; outputs are ${outputs.join(", ")}`);

/**
 * The caller may change or share its arrays after the call, so each run takes its own copy along; the copy itself is
 * moved, not cloned.
 * @param reusableBuffers memory to use for it where it has the right size
 */
function ownCopy({ dtype, shape, data }: Tensor, reusableBuffers: TypedArray | undefined): Tensor {
  const copy =
    reusableBuffers?.length === data.length && reusableBuffers.constructor === data.constructor
      ? reusableBuffers
      : allocate(dtype, data.length);
  (copy as Float32Array).set(data as Float32Array);
  return { dtype, shape, data: copy };
}

/** onnxruntime names the failing node inside its message; an abort passes through untouched. */
function toEngineError(graph: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted && error === signal.reason) return error;
  const message = reasonOf(error);
  const node = /(?:Name:|with name)\s*'([^']+)'|node\s*\(([^)]+)\)/i.exec(message);
  return new EngineError(graph, explain(message), node?.[1] ?? node?.[2]);
}
