// The thread that builds, differentiates and serialises graphs: for an LM of 30 layers that takes about a second, which
// would block the caller's.
import { parentPort } from "node:worker_threads";
import { type CompiledGraph, compileGraph, type Engine } from "@cllm4rec/onnx-grad";
import { DeclaredModel } from "./declared-model.js";
import { buildGraph, type GraphRequest } from "./graph-request.js";
import type { ModelDeclaration } from "./model-declaration.js";

/** What the thread is sent, one at a time. */
export interface CompileRequest {
  readonly id: number;
  readonly model: ModelDeclaration;
  readonly request: GraphRequest;
  readonly executionProvider: NonNullable<Engine["compilesFor"]>;
}

export type CompileResponse =
  | { readonly id: number; readonly compiled: CompiledGraph }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

const port = parentPort;
if (!port) throw new Error("this module is the entry of a worker thread");

port.on("message", ({ id, model, request, executionProvider }: CompileRequest) => {
  try {
    const compiled = compileGraph(buildGraph(new DeclaredModel(model), request), executionProvider);
    port.postMessage({ id, compiled } satisfies CompileResponse, [compiled.bytes.buffer as ArrayBuffer]);
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    port.postMessage({ id, error: { name, message } } satisfies CompileResponse);
  }
});
