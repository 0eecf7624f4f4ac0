// The worker thread: holds onnxruntime's sessions and runs them one after another, so that the caller's event loop
// stays free.
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { reasonOf } from "../../graph/errors.js";
import type { DType, TypedArray } from "../../graph/tensor.js";
import type { Tensor } from "../engine.js";
import { enterNative, leaveNative } from "./exit-gate.js";
import { type Placement, placementProfile } from "./placement.js";
import {
  type Held,
  LARGE,
  type Message,
  type Request,
  type Response,
  type SessionSettings,
  type WorkerData,
} from "./protocol.js";

if (!parentPort) throw new Error("this module is the entry of a worker thread");
const port = parentPort;
const { flags } = workerData as WorkerData;

interface LoadedSession {
  readonly native: InferenceSession;
  /** Present until the first run has reported where the nodes are. */
  profile: ReturnType<typeof placementProfile> | undefined;
  /** Outputs that are not handed out, and their tensors by number. */
  readonly kept: ReadonlySet<string>;
  readonly held: Map<number, OrtTensor>;
}

const sessions = new Map<number, LoadedSession>();
/** Which session a held tensor belongs to: it is freed with it. */
const owners = new Map<number, LoadedSession>();
let nextHeld = 0;
const queue: Request[] = [];
const cancelled = new Set<number>();
let working = false;
let closing = false;

port.on("message", (message: Message) => {
  accept(message);
  if (!working) void work();
});

function accept(message: Message): void {
  if (message.kind === "cancel") cancelled.add(message.id);
  else if (message.kind === "close") closing = true;
  else queue.push(message);
}

/**
 * One request after another. onnxruntime blocks this thread, so that cancellations that came meanwhile are read before
 * each.
 */
async function work(): Promise<void> {
  working = true;
  for (;;) {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      accept(next.message as Message);
    const request = queue.shift();
    if (!request || closing) break;
    if (cancelled.has(request.id)) respond({ id: request.id, ok: false, message: "cancelled" });
    else await answer(request);
    cancelled.delete(request.id);
  }
  // What is left was answered before its cancellation arrived.
  cancelled.clear();
  working = false;
  if (closing) await end();
}

/** Frees the sessions; with its port closed, the thread ends on its own. */
async function end(): Promise<void> {
  await natively(async () => {
    for (const session of sessions.values()) await free(session);
  }).catch(() => {});
  port.close();
}

/** Runs what may enter onnxruntime's native code. @throws Error where the process is ending. */
async function natively<T>(work: () => Promise<T>): Promise<T> {
  if (!enterNative(flags)) throw new Error("the process is ending");
  try {
    return await work();
  } finally {
    leaveNative(flags);
  }
}

async function answer(request: Request): Promise<void> {
  let response: Response;
  try {
    response = { id: request.id, ok: true, ...(await natively(() => handle(request))) };
  } catch (error) {
    response = { id: request.id, ok: false, message: reasonOf(error) };
  }
  respond(response);
}

function respond(response: Response): void {
  const { outputs = {}, reusableBuffers = {} } = response.ok ? response : {};
  const moved = [...Object.values(outputs).map(({ data }) => data), ...Object.values(reusableBuffers)].map(
    ({ buffer }) => buffer,
  );
  port.postMessage(response, [...new Set(moved)] as ArrayBuffer[]);
}

async function handle(request: Request): Promise<Omit<Extract<Response, { ok: true }>, "id" | "ok">> {
  switch (request.kind) {
    case "load":
      sessions.set(request.session, await load(request.model, request.settings));
      return {};
    case "run": {
      const session = sessionOf(request.session);
      const results = await run(session, request);
      const placement = takePlacement(session);
      return placement ? { ...results, placement } : results;
    }
    case "drop": {
      drop(request.held);
      return {};
    }
    case "release": {
      const session = sessions.get(request.session);
      sessions.delete(request.session);
      if (session) await free(session);
      return {};
    }
  }
}

async function load(model: Uint8Array, settings: SessionSettings): Promise<LoadedSession> {
  const profile = settings.placement ? placementProfile() : undefined;
  const prefix = profile?.prefix ?? settings.profile;
  try {
    const native = await InferenceSession.create(model, sessionOptions(settings, prefix));
    return { native, profile, kept: new Set(settings.kept), held: new Map() };
  } catch (error) {
    profile?.take();
    throw error;
  }
}

async function free(session: LoadedSession): Promise<void> {
  for (const held of [...session.held.keys()]) drop(held);
  session.native.endProfiling();
  session.profile?.take();
  await session.native.release();
}

/** After the first run: what the profile of it says. The runs that follow are not profiled. */
function takePlacement(session: LoadedSession): Placement | undefined {
  const { profile } = session;
  if (!profile) return undefined;
  session.profile = undefined;
  session.native.endProfiling();
  return profile.take();
}

function sessionOptions(settings: SessionSettings, profile: string | undefined): InferenceSession.SessionOptions {
  const { executionProvider: name, providerOptions, onCpu = [], kept = [] } = settings;
  return {
    // An empty list is refused.
    executionProviders: [{ name, ...providerOptions, ...(onCpu.length > 0 && { forceCpuNodeNames: onCpu }) }],
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    logSeverityLevel: 4,
    extra: nested(settings.entries),
    // Only WebGPU's buffers have a place in onnxruntime's JavaScript API; what other providers keep lies in the
    // worker's memory.
    ...(name === "webgpu" && kept.length > 0
      ? { preferredOutputLocation: Object.fromEntries(kept.map((output) => [output, "gpu-buffer" as const])) }
      : {}),
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
  };
}

/** `a.b.c` → {a: {b: {c}}}, which is how onnxruntime's JavaScript API takes configuration entries. */
function nested(entries: Readonly<Record<string, string>>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(entries)) {
    const parts = name.split(".");
    let at = root;
    for (const part of parts.slice(0, -1)) {
      at[part] ??= {};
      at = at[part] as Record<string, unknown>;
    }
    at[parts.at(-1)!] = value;
  }
  return root;
}

/** Throws an Error that tells what is missing where the session was never loaded or has been released. */
function sessionOf(id: number): LoadedSession {
  const session = sessions.get(id);
  if (!session) throw new Error("the session has been disposed of");
  return session;
}

async function run(
  session: LoadedSession,
  request: Extract<Request, { kind: "run" }>,
): Promise<Pick<Extract<Response, { ok: true }>, "outputs" | "held" | "reusableBuffers">> {
  const feeds: Record<string, OrtTensor> = {};
  const reusableBuffers: Record<string, TypedArray> = {};
  for (const [name, tensor] of Object.entries(request.feeds)) {
    feeds[name] = "held" in tensor ? heldTensor(tensor.held) : toOrt(tensor.dtype, tensor.data, tensor.shape);
    if ("data" in tensor && tensor.data.byteLength >= LARGE) reusableBuffers[name] = tensor.data;
  }
  const fetches: Record<string, OrtTensor | null> = {};
  // onnxruntime-node 1.30 counts preferred locations by what is fetched, not by output, so that they only fit where
  // everything is fetched.
  const fetched = session.kept.size > 0 ? session.native.outputNames : request.outputs;
  for (const name of fetched) {
    const target = request.reuse[name];
    fetches[name] = target ? toOrt(target.dtype, target.data, target.shape) : null;
  }
  const results = await session.native.run(feeds, fetches);
  const outputs: Record<string, Tensor> = {};
  const held: Record<string, Held> = {};
  const wanted = new Set(request.outputs);
  for (const [name, result] of Object.entries(results)) {
    if (!wanted.has(name)) {
      result.dispose();
      continue;
    }
    const type = { dtype: result.type as DType, shape: result.dims };
    if (session.kept.has(name)) held[name] = { ...type, held: hold(session, result) };
    else outputs[name] = { ...type, data: request.reuse[name]?.data ?? movable(result.data as TypedArray) };
  }
  return session.kept.size > 0 ? { outputs, held, reusableBuffers } : { outputs, reusableBuffers };
}

function hold(session: LoadedSession, tensor: OrtTensor): number {
  const held = nextHeld++;
  session.held.set(held, tensor);
  owners.set(held, session);
  return held;
}

/** Throws an Error where the tensor has been freed. */
function heldTensor(held: number): OrtTensor {
  const tensor = owners.get(held)?.held.get(held);
  if (!tensor) throw new Error("a tensor on the device has been disposed of, or the session that computed it has");
  return tensor;
}

function drop(held: number): void {
  const session = owners.get(held);
  session?.held.get(held)?.dispose();
  session?.held.delete(held);
  owners.delete(held);
}

function toOrt(dtype: DType, data: TypedArray, shape: readonly number[]): OrtTensor {
  return new OrtTensor(dtype as "float32", data as Float32Array, shape as number[]);
}

/**
 * Outputs own their memory and cross the thread boundary without a copy; a view of something larger would take that
 * along.
 */
function movable(data: TypedArray): TypedArray {
  return data.byteLength === data.buffer.byteLength ? data : (data.slice() as TypedArray);
}
