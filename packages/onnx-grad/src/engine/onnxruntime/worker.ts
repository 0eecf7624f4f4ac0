// The worker thread: holds onnxruntime's sessions and runs them one after another, so that the caller's event loop stays free.
import { parentPort } from "node:worker_threads";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { DType, TensorData } from "../../graph/tensor.js";
import type { Tensor } from "../engine.js";
import type { Request, Response, SessionSettings } from "./protocol.js";

if (!parentPort) throw new Error("this module is the entry of a worker thread");
const port = parentPort;
const sessions = new Map<number, InferenceSession>();
let tail: Promise<void> = Promise.resolve();

port.on("message", (request: Request) => {
  tail = tail.then(() => answer(request));
});

async function answer(request: Request): Promise<void> {
  let response: Response;
  try {
    response = { id: request.id, ok: true, ...(await handle(request)) };
  } catch (error) {
    response = { id: request.id, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  const moved = response.ok && response.outputs ? Object.values(response.outputs).map(({ data }) => data.buffer) : [];
  port.postMessage(response, moved as ArrayBuffer[]);
}

async function handle(request: Request): Promise<{ outputs?: Record<string, Tensor> }> {
  switch (request.kind) {
    case "load":
      sessions.set(request.session, await InferenceSession.create(request.model, sessionOptions(request.settings)));
      return {};
    case "run":
      return { outputs: await run(sessions.get(request.session)!, request) };
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
    logSeverityLevel: 3,
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
    for (const part of parts.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>;
    at[parts.at(-1)!] = value;
  }
  return root;
}

async function run(
  session: InferenceSession,
  request: Extract<Request, { kind: "run" }>,
): Promise<Record<string, Tensor>> {
  const feeds: Record<string, OrtTensor> = {};
  for (const [name, tensor] of Object.entries(request.feeds))
    feeds[name] = toOrt(tensor.dtype, tensor.data, tensor.shape);
  const results = await session.run(feeds, [...request.outputs]);
  const outputs: Record<string, Tensor> = {};
  for (const name of request.outputs) {
    const result = results[name]!;
    const data = result.data as TensorData;
    const target = request.reuse[name];
    if (target && target.length === data.length) {
      (target as Float32Array).set(data as Float32Array);
      outputs[name] = { dtype: result.type as DType, shape: result.dims, data: target };
    } else {
      outputs[name] = { dtype: result.type as DType, shape: result.dims, data: movable(data) };
    }
    result.dispose?.();
  }
  return outputs;
}

function toOrt(dtype: DType, data: TensorData, shape: readonly number[]): OrtTensor {
  return new OrtTensor(dtype as "float32", data as Float32Array, shape as number[]);
}

/** onnxruntime may hand out views of larger or non-detachable buffers; what crosses the thread boundary owns its memory. */
function movable(data: TensorData): TensorData {
  return data.slice() as TensorData;
}
