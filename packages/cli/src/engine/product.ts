// Matrix products by the engine, for baselines that are mostly that.
import type { Multiply } from "@cllm4rec/eval";
import { engineProduct } from "@cllm4rec/onnx-grad";
import { type EngineSettings, openEngine } from "./engine.js";

/** A product of two matrices in single precision. The caller disposes of it. */
export async function openProduct(
  settings: EngineSettings,
  options: { readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<{ readonly multiply: Multiply; dispose(): Promise<void> }> {
  const engine = await openEngine(settings, options);
  try {
    const { multiply } = await engineProduct(engine, options);
    return { multiply, dispose: () => engine.dispose() };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}
