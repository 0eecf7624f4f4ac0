// What computes: the names under which --engine and the configuration know the engines, and how each is started.
import type { Engine } from "@cllm4rec/onnx-grad";
import { nearest } from "../nearest.js";

/** TensorFlow.js' backends: `tfjs` is the fastest of those that are installed. */
const TFJS = {
  tfjs: undefined,
  "tfjs-node-gpu": "tfjs-node-gpu",
  "tfjs-node": "tfjs-node",
  "tfjs-wasm": "wasm",
} as const;

/**
 * `cpu`, `webgpu` and `cuda` are onnxruntime's providers, of which `auto` takes the fastest by a moment's measurement;
 * then TensorFlow.js.
 */
export const ENGINES = ["cpu", "webgpu", "cuda", "auto", "tfjs", "tfjs-node-gpu", "tfjs-node", "tfjs-wasm"] as const;
export type EngineName = (typeof ENGINES)[number];

/** The most threads that settings and flags take: more than any machine has use for, and each costs memory. */
export const MAX_THREADS = 256;

export interface EngineSettings {
  readonly engine: EngineName;
  /** Of the CPU, which a GPU leaves some operators to; as many as the process may use where absent. */
  readonly threads?: number | undefined;
}

/** @throws Error with the nearest engine's name where there is none of this one */
export function parseEngine(text: string): EngineName {
  const found = ENGINES.find((name) => name === text);
  if (found) return found;
  const guess = nearest(text, ENGINES);
  throw new Error(
    `found "${text}", expected one of ${ENGINES.join(", ")}${guess ? `; did you mean "${guess}"?` : "."}`,
  );
}

/**
 * Starts the engine. Lines about it (what `auto` chose and why, which operators a GPU leaves to the CPU) go to `say`.
 * The caller disposes of it.
 */
export async function openEngine(
  { engine, threads }: EngineSettings,
  { say, signal }: { readonly say: (line: string) => void; readonly signal?: AbortSignal },
): Promise<Engine> {
  if (isTfjs(engine)) {
    const { tfjs } = await import("@cllm4rec/onnx-grad/tfjs");
    const backend = TFJS[engine];
    return tfjs({ ...(backend && { backend }), onChoice: (line) => say(`engine: ${line}`) });
  }
  const { onnxRuntime, selectOnnxRuntime } = await import("@cllm4rec/onnx-grad");
  const options = { ...(threads !== undefined && { threads }), onNotice: say };
  if (engine !== "auto") return onnxRuntime({ ...options, executionProvider: engine });
  const choice = await selectOnnxRuntime({ ...options, ...(signal && { signal }) });
  say(`engine: ${choice.reason}`);
  return choice.engine;
}

const isTfjs = (engine: EngineName): engine is keyof typeof TFJS => engine in TFJS;
