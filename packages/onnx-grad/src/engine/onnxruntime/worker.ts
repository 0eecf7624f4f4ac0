// The worker thread: holds onnxruntime's sessions and runs them one after another, so that the caller's event loop stays free.
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { DType, TensorData } from "../../graph/tensor.js";
import type { Tensor } from "../engine.js";
import {
  busyFlag,
  closingFlag,
  type Message,
  type Request,
  type Response,
  type SessionSettings,
  type WorkerData,
} from "./protocol.js";

if (!parentPort) throw new Error("this module is the entry of a worker thread");
const port = parentPort;
const { flags } = workerData as WorkerData;
const sessions = new Map<number, InferenceSession>();
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

/** One request after another. onnxruntime blocks this thread, so that cancellations that came meanwhile are read before each. */
async function work(): Promise<void> {
  working = true;
  for (;;) {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      accept(next.message as Message);
    const request = queue.shift();
    if (!request || closing || Atomics.load(flags, closingFlag) === 1) break;
    if (cancelled.has(request.id)) respond({ id: request.id, ok: false, message: "cancelled" });
    else await answer(request);
    cancelled.delete(request.id);
  }
  // What is left was answered before its cancellation arrived.
  cancelled.clear();
  working = false;
  if (closing) await end();
}

/** Frees the sessions; with its port closed, the thread ends by itself. */
async function end(): Promise<void> {
  await natively(async () => {
    for (const session of sessions.values()) await session.release();
  }).catch(() => {});
  port.close();
}

/** Marks the time in which onnxruntime's native code may run. */
async function natively<T>(work: () => Promise<T>): Promise<T> {
  Atomics.store(flags, busyFlag, 1);
  try {
    return await work();
  } finally {
    Atomics.store(flags, busyFlag, 0);
    Atomics.notify(flags, busyFlag);
  }
}

async function answer(request: Request): Promise<void> {
  let response: Response;
  try {
    response = { id: request.id, ok: true, ...(await natively(() => handle(request))) };
  } catch (error) {
    response = { id: request.id, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  respond(response);
}

function respond(response: Response): void {
  const moved = response.ok && response.outputs ? Object.values(response.outputs).map(({ data }) => data.buffer) : [];
  port.postMessage(response, [...new Set(moved)] as ArrayBuffer[]);
}

async function handle(request: Request): Promise<{ outputs?: Record<string, Tensor> }> {
  switch (request.kind) {
    case "load":
      sessions.set(request.session, await InferenceSession.create(request.model, sessionOptions(request.settings)));
      return {};
    case "run":
      return { outputs: await run(sessionOf(request.session), request) };
    case "release": {
      const session = sessions.get(request.session);
      sessions.delete(request.session);
      session?.endProfiling();
      await session?.release();
      return {};
    }
  }
}

function sessionOptions(settings: SessionSettings): InferenceSession.SessionOptions {
  return {
    executionProviders: [settings.executionProvider],
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    logSeverityLevel: 4,
    extra: nested(settings.entries),
    ...(settings.profile ? { enableProfiling: true, profileFilePrefix: settings.profile } : {}),
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
function sessionOf(id: number): InferenceSession {
  const session = sessions.get(id);
  if (!session) throw new Error("the session has been disposed of");
  return session;
}

async function run(
  session: InferenceSession,
  request: Extract<Request, { kind: "run" }>,
): Promise<Record<string, Tensor>> {
  const feeds: Record<string, OrtTensor> = {};
  for (const [name, tensor] of Object.entries(request.feeds))
    feeds[name] = toOrt(tensor.dtype, tensor.data, tensor.shape);
  const fetches: Record<string, OrtTensor | null> = {};
  for (const name of request.outputs) {
    const target = request.reuse[name];
    fetches[name] = target ? toOrt(target.dtype, target.data, target.shape) : null;
  }
  const results = await session.run(feeds, fetches);
  const outputs: Record<string, Tensor> = {};
  for (const name of request.outputs) {
    const result = results[name]!;
    const data = request.reuse[name]?.data ?? movable(result.data as TensorData);
    outputs[name] = { dtype: result.type as DType, shape: result.dims, data };
  }
  return outputs;
}

function toOrt(dtype: DType, data: TensorData, shape: readonly number[]): OrtTensor {
  return new OrtTensor(dtype as "float32", data as Float32Array, shape as number[]);
}

/** Outputs own their memory and cross the thread boundary without a copy; a view of something larger would take that along. */
function movable(data: TensorData): TensorData {
  return data.byteLength === data.buffer.byteLength ? data : (data.slice() as TensorData);
}
