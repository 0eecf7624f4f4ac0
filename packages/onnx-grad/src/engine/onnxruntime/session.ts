// A session of the onnxruntime worker: feeds are copied and moved there, and tensors may stay on its device.
import { reasonOf } from "../../graph/errors.js";
import { allocate, type DType, type TypedArray } from "../../graph/tensor.js";
import { checkFeeds, checkReuse } from "../check-feeds.js";
import type { CompiledGraph, GraphPort } from "../compiled-graph.js";
import { EngineError, type RunOptions, type Tensor } from "../engine.js";
import type { DeviceFeeds, DeviceTensor, OnnxRuntimeSession } from "./contract.js";
import { explain } from "./explain.js";
import type { Placement } from "./placement.js";
import type { Held, Request, Response } from "./protocol.js";
import { checkProducts, type WebGpuLimits } from "./webgpu-limits.js";

/** A request without the number that it gets when it is sent. */
export type Unsent<T> = T extends Request ? Omit<T, "id"> : never;

/** The worker's answer to a request that succeeded. */
export type Answer = Extract<Response, { ok: true }>;

/** What sessions need of the engine that owns the worker. */
export interface WorkerClient {
  /** Sends a request and moves the buffers along. */
  send(request: Unsent<Request>, signal?: AbortSignal, moved?: ArrayBuffer[]): Promise<Answer>;
  /** Reports where the operators of a graph's first run were computed. */
  reportPlacement(graphName: string, placement: Placement): void;
  /** Copies the values of a tensor that the worker holds. */
  read(tensor: HeldTensor): Promise<Tensor>;
  /** Frees a tensor that the worker holds. */
  drop(held: number): Promise<void>;
  /** Frees a session. */
  release(session: number): Promise<void>;
}

/** A tensor on the worker's device. */
export class HeldTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly held: number;

  constructor(
    readonly engine: WorkerClient,
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

/** A graph that the worker has loaded. */
export class WorkerSession implements OnnxRuntimeSession {
  readonly graphName: string;
  private readonly inputs: ReadonlyMap<string, GraphPort>;
  private readonly outputs: ReadonlyMap<string, GraphPort>;
  private readonly limits: WebGpuLimits | undefined;
  /** Memory of the last run's large feeds, by their names. */
  private readonly reusableBuffers = new Map<string, TypedArray>();
  private disposed = false;

  constructor(
    private readonly engine: WorkerClient,
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
      if (response.placement) this.engine.reportPlacement(this.graphName, response.placement);
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

export const unknownOutput = (graphName: string, name: string, outputs: readonly string[]): EngineError =>
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
export function toEngineError(graph: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted && error === signal.reason) return error;
  const message = reasonOf(error);
  const node = /(?:Name:|with name)\s*'([^']+)'|node\s*\(([^)]+)\)/i.exec(message);
  return new EngineError(graph, explain(message), node?.[1] ?? node?.[2]);
}
