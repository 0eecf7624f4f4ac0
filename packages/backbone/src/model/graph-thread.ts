// The caller's side of the thread that compiles graphs: started when it is needed, ended when nobody has needed it for
// a while.
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { CompiledGraph } from "@cllm4rec/onnx-grad";
import type { CompileRequest, CompileResponse } from "./graph-worker.js";

/**
 * How long the thread waits for a further graph, in milliseconds: the heads of a model are asked for one after another.
 */
const IDLE = 10_000;

const ENTRY = new URL("./graph-worker.js", import.meta.url);
/** A bundler may have left the thread's entry behind. */
let available: boolean | undefined;

export function canCompileElsewhere(): boolean {
  available ??= ENTRY.protocol === "file:" && fs.existsSync(fileURLToPath(ENTRY));
  return available;
}

interface Pending {
  resolve(compiled: CompiledGraph): void;
  reject(error: Error): void;
}

class GraphThread {
  private readonly worker = new Worker(ENTRY, { name: "graphs", execArgv: [] });
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private idle: NodeJS.Timeout | undefined;

  constructor(private readonly onEnd: () => void) {
    this.worker.unref();
    this.worker.on("message", (response: CompileResponse) => this.resolveRequest(response));
    this.worker.on("error", (error) => this.end(error));
    this.worker.on("exit", () => this.end(new Error("the thread that builds graphs ended")));
  }

  compile(request: Omit<CompileRequest, "id">): Promise<CompiledGraph> {
    clearTimeout(this.idle);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.worker.ref(); // the process lives while a graph is awaited
      this.worker.postMessage({ ...request, id } satisfies CompileRequest);
      this.pending.set(id, { resolve, reject });
    });
  }

  private resolveRequest(response: CompileResponse): void {
    const pending = this.pending.get(response.id);
    this.pending.delete(response.id);
    if (this.pending.size === 0) {
      this.worker.unref();
      this.idle = setTimeout(() => void this.worker.terminate(), IDLE).unref();
    }
    if ("compiled" in response) pending?.resolve(response.compiled);
    else pending?.reject(Object.assign(new Error(response.error.message), { name: response.error.name }));
  }

  private end(error: Error): void {
    this.onEnd();
    clearTimeout(this.idle);
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}

let thread: GraphThread | undefined;

/**
 * Builds, differentiates and serialises a graph in the thread, so that the caller's event loop stays free. @throws
 * GraphError
 */
export function compileElsewhere(request: Omit<CompileRequest, "id">): Promise<CompiledGraph> {
  thread ??= new GraphThread(() => {
    thread = undefined;
  });
  return thread.compile(request);
}
