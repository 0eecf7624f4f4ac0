// The fastest of onnxruntime's providers on this machine, by measurement. Each is tried in a process of its own: a
// broken driver can end it.
import { fork } from "node:child_process";
import type { Engine } from "../engine.js";
import type { OnnxRuntimeOptions } from "./contract.js";
import { onnxRuntime } from "./engine.js";
import type { ExecutionProvider } from "./protocol.js";
import { defaultThreads } from "./threads.js";

/** How one provider did. */
export interface ProviderTrial {
  readonly executionProvider: ExecutionProvider;
  /** Rate of float32 matrix products; absent where the provider cannot be used. */
  readonly gflops?: number;
  /** Why it cannot be used. */
  readonly problem?: string;
}

export interface OnnxRuntimeChoice {
  readonly engine: Engine;
  readonly executionProvider: ExecutionProvider;
  /** One line: what was chosen and why. */
  readonly reason: string;
  readonly trials: readonly ProviderTrial[];
}

/**
 * A GPU has to be this much faster than the CPU, for what moves between the two in every step is not in the
 * measurement.
 */
const advantage = 2;
/** Milliseconds after which a trial is given up. */
const patience = 60_000;

/**
 * Measures CUDA, WebGPU and the CPU for a moment each (a second or two in all) and starts the fastest. A Vulkan that
 * computes in software loses against the CPU and is so not taken for a GPU.
 */
export async function selectOnnxRuntime(
  options: Omit<OnnxRuntimeOptions, "executionProvider"> & { readonly signal?: AbortSignal } = {},
): Promise<OnnxRuntimeChoice> {
  const { signal, ...rest } = options;
  const trials: ProviderTrial[] = [];
  for (const executionProvider of ["cpu", "cuda", "webgpu"] as const) {
    trials.push(await tryProvider(executionProvider, rest.threads ?? defaultThreads(), signal));
  }
  const executionProvider = chooseProvider(trials);
  const engine = onnxRuntime({ ...rest, executionProvider });
  return { engine, executionProvider, reason: choiceReason(executionProvider, trials), trials };
}

/** The fastest trial, a GPU only where it is well ahead of the CPU. */
export function chooseProvider(trials: readonly ProviderTrial[]): ExecutionProvider {
  const rate = (name: ExecutionProvider) =>
    trials.find(({ executionProvider }) => executionProvider === name)?.gflops ?? 0;
  const best = rate("cuda") >= rate("webgpu") ? "cuda" : "webgpu";
  return rate(best) > 0 && rate(best) >= advantage * rate("cpu") ? best : "cpu";
}

/** One line: what was chosen and why, and why the others cannot be used. */
export function choiceReason(chosen: ExecutionProvider, trials: readonly ProviderTrial[]): string {
  const others = trials.filter(({ executionProvider }) => executionProvider !== chosen);
  const describe = ({ executionProvider, gflops, problem }: ProviderTrial) =>
    gflops === undefined
      ? `${executionProvider} cannot be used: ${problem}`
      : `${executionProvider} ${format(gflops)} GFLOP/s`;
  const own = trials.find(({ executionProvider }) => executionProvider === chosen)?.gflops;
  return (
    `${chosen}${own === undefined ? "" : `, ${format(own)} GFLOP/s in matrix products`}; ` +
    `${others.map(describe).join("; ")}`
  );
}

const format = (gflops: number): string => gflops.toFixed(gflops < 10 ? 1 : 0);

/** One provider's rate, measured in a process of its own. @throws the signal's reason where it is aborted */
async function tryProvider(
  executionProvider: ExecutionProvider,
  threads: number,
  signal: AbortSignal | undefined,
): Promise<ProviderTrial> {
  signal?.throwIfAborted();
  const child = fork(new URL("./onnxruntime-probe.js", import.meta.url), [executionProvider, `${threads}`], {
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    timeout: patience,
    killSignal: "SIGKILL",
  });
  const onAbort = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const trial = await new Promise<ProviderTrial>((resolve) => {
      child.once("message", (message) => resolve(message as ProviderTrial));
      child.once("error", ({ message }) => resolve({ executionProvider, problem: message }));
      child.once("close", (code, killed) =>
        resolve({ executionProvider, problem: `its trial ended with ${killed ?? `exit code ${code}`}` }),
      );
    });
    signal?.throwIfAborted();
    return trial;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (child.connected) child.disconnect();
  }
}
