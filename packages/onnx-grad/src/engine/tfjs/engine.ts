// The TensorFlow.js engine: the same graphs, computed node by node in the caller's thread, which gets its turn between
// nodes.
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Graph, Node, Value } from "../../graph/graph.js";
import type { ConstantTensor, TypedArray } from "../../graph/tensor.js";
import { reachable } from "../../transform/prune.js";
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
import { type OpenedBackend, openBackend, type TfjsBackend } from "./backends.js";
import { HostArray } from "./host-array.js";
import { execute, type Runtime } from "./interpreter.js";
import { checkSupported, makePlan, type Plan } from "./plan.js";
import { exclusively } from "./queue.js";
import type { Slot } from "./slot.js";
import { WeightStore } from "./weights.js";

export interface TfjsOptions {
  /** The backend by name; the fastest that is installed and loads where absent. */
  readonly backend?: TfjsBackend;
  /**
   * A folder whose node_modules hold the TensorFlow.js packages; by default this package's own and the working
   * directory's are searched.
   */
  readonly from?: string;
  /** Receives one line: which backend was chosen, why, and what to install for a faster one. */
  readonly onChoice?: (line: string) => void;
}

/** An {@link Engine} that also tells what it runs on. */
export interface TfjsEngine extends Engine {
  readonly backend: TfjsBackend;
  /** One line: which backend was chosen, why, and what to install for a faster one. */
  readonly choice: string;
  /**
   * How many tensors TensorFlow.js holds in this process, those of other users included: equal before and after a run.
   */
  tensorCount(): number;
}

/** Time in milliseconds after which a run lets other work of the thread happen, as soon as a node has ended. */
const turn = 10;

/**
 * Starts an engine on TensorFlow.js, whose packages are optional peers of this one.
 *
 * Runs happen in the caller's thread. Between nodes, every 10 ms, other work of the thread gets its turn, and an
 * aborted run ends there. Integers of the graph are computed exactly, in JavaScript's memory; float64 is refused when a
 * graph is loaded.
 * @throws Error saying what to install where the backend is missing or does not load.
 * @example
 * const engine = await tfjs({ backend: "wasm", onChoice: console.error });
 * const session = await engine.load(graph);
 */
export async function tfjs(options: TfjsOptions = {}): Promise<TfjsEngine> {
  const from =
    options.from === undefined ? [fileURLToPath(new URL(".", import.meta.url)), process.cwd()] : [options.from];
  const opened = await exclusively(() => openBackend(options.backend, from));
  options.onChoice?.(opened.choice);
  return new InThreadEngine(opened);
}

class InThreadEngine implements TfjsEngine {
  readonly description: string;
  readonly backend: TfjsBackend;
  readonly choice: string;
  readonly weights: WeightStore;
  readonly sessions = new Set<InThreadSession>();
  private closed: Error | undefined;

  constructor(private readonly opened: OpenedBackend) {
    this.backend = opened.name;
    this.choice = opened.choice;
    this.description = `TensorFlow.js ${opened.tf.version_core} (${opened.name})`;
    this.weights = new WeightStore(opened.tf);
  }

  tensorCount(): number {
    return this.opened.tf.memory().numTensors;
  }

  async load(graph: Graph, { signal }: LoadOptions = {}): Promise<Session> {
    signal?.throwIfAborted();
    if (graph.outputs.size === 0) throw new EngineError(graph.name, "a graph needs at least one output");
    const { nodes, initializers } = reachable(graph);
    checkSupported(graph.name, [...graph.inputs.values(), ...initializers], nodes);
    const [inputs, outputs] = [new Map(graph.inputs), new Map(graph.outputs)];
    return this.enqueue(signal, async (runtime) => {
      const constants = new Map<Value, Slot>();
      try {
        for (const value of initializers) {
          await runtime.breathe();
          constants.set(value, await this.acquire(graph.name, value));
        }
      } catch (error) {
        this.releaseAll(constants);
        throw error;
      }
      const session = new InThreadSession(this, graph.name, inputs, outputs, nodes, constants);
      this.sessions.add(session);
      return session;
    });
  }

  async dispose(): Promise<void> {
    this.closed ??= new Error("the engine has been disposed of");
    await exclusively(async () => {
      for (const session of this.sessions) this.free(session);
    });
  }

  /** Frees a session's constants. */
  free(session: InThreadSession): void {
    if (this.sessions.delete(session)) this.releaseAll(session.constants);
  }

  /** Work on the device when its turn comes. An abort rejects at once; what runs then ends after the node under way. */
  enqueue<T>(signal: AbortSignal | undefined, work: (runtime: Runtime) => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(this.closed);
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal!.reason as Error);
      signal?.addEventListener("abort", onAbort, { once: true });
      exclusively(async () => {
        signal?.throwIfAborted();
        if (this.closed) throw this.closed;
        await this.claimBackend();
        return work(this.runtime(signal));
      })
        .then(resolve, reject)
        .finally(() => signal?.removeEventListener("abort", onAbort));
    });
  }

  private runtime(signal: AbortSignal | undefined): Runtime {
    let resumed = performance.now();
    const breathe = () => {
      signal?.throwIfAborted();
      if (performance.now() - resumed < turn) return undefined;
      return setImmediate()
        .then(() => this.claimBackend())
        .then(() => {
          signal?.throwIfAborted();
          resumed = performance.now();
        });
    };
    return { tf: this.opened.tf, traits: this.opened.traits, breathe };
  }

  /** Other users of TensorFlow.js in the process may have chosen another backend meanwhile. */
  private async claimBackend(): Promise<void> {
    const { tf, registered } = this.opened;
    if (tf.getBackend() !== registered) await tf.setBackend(registered);
  }

  private async acquire(graphName: string, value: Value): Promise<Slot> {
    try {
      return await this.weights.acquire(value.constant!);
    } catch (error) {
      throw new EngineError(graphName, `initializer ${value.name}: ${(error as Error).message}`);
    }
  }

  private releaseAll(constants: ReadonlyMap<Value, Slot>): void {
    for (const [value, slot] of constants) this.weights.release(value.constant as ConstantTensor, slot);
  }
}

class InThreadSession implements Session {
  private readonly plans = new Map<string, Plan>();
  private disposed = false;

  constructor(
    private readonly engine: InThreadEngine,
    readonly graphName: string,
    private readonly inputs: ReadonlyMap<string, Value>,
    private readonly outputs: ReadonlyMap<string, Value>,
    private readonly nodes: readonly Node[],
    readonly constants: ReadonlyMap<Value, Slot>,
  ) {}

  async run(
    feeds: Feeds,
    { outputs = [...this.outputs.keys()], reuse = {}, signal }: RunOptions = {},
  ): Promise<Record<string, Tensor>> {
    signal?.throwIfAborted();
    if (this.disposed) throw new EngineError(this.graphName, "the session has been disposed of");
    const bindings = checkFeeds(this.graphName, this.inputs, feeds);
    for (const name of [...outputs, ...Object.keys(reuse)]) {
      if (!this.outputs.has(name)) {
        const known = [...this.outputs.keys()].join(", ");
        throw new EngineError(this.graphName, `unknown output ${name}; outputs are ${known}`);
      }
    }
    const targets = moved(checkReuse(this.graphName, this.outputs, reuse, bindings));
    // The caller may change its arrays after the call, so that each run takes its own copy along.
    const arrays = new Map(
      [...this.inputs].map(([name, value]) => {
        const { dtype, shape, data } = feeds[name]!;
        return [value, new HostArray(dtype, [...shape], data.slice())] as const;
      }),
    );
    const plan = this.planOf(outputs);
    const results = await this.engine.enqueue(signal, (runtime) =>
      execute(runtime, this.graphName, plan, this.constants, arrays, bindings),
    );
    for (const [name, target] of Object.entries(targets)) {
      const result = results[name];
      if (result) results[name] = { ...result, data: filled(target, result.data) };
    }
    return results;
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await exclusively(async () => this.engine.free(this));
  }

  private planOf(names: readonly string[]): Plan {
    const key = JSON.stringify(names);
    let plan = this.plans.get(key);
    if (!plan) {
      plan = makePlan(this.nodes, new Map(names.map((name) => [name, this.outputs.get(name)!])));
      this.plans.set(key, plan);
    }
    return plan;
  }
}

/**
 * The arrays that outputs are written into, taken from the caller as the interface says: the caller's own are detached.
 */
function moved(targets: Readonly<Record<string, Tensor>>): Record<string, TypedArray> {
  return Object.fromEntries(
    Object.entries(targets).map(([name, { data }]) => [
      name,
      structuredClone(data, { transfer: [data.buffer as ArrayBuffer] }),
    ]),
  );
}

function filled(target: TypedArray, data: TypedArray): TypedArray {
  if (target instanceof BigInt64Array) target.set(data as BigInt64Array);
  else target.set(data as Exclude<TypedArray, BigInt64Array>);
  return target;
}
