// The vitest configuration of every package; imported by path, since vitest bundles it before packages are resolved.
import os from "node:os";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { useSoftwareVulkan } from "./vulkan.js";

/**
 * Types (`*.test-d.ts`) are not checked here but by the task `typecheck`, together with everything else.
 * @param options.webGpu hands the tests a WebGPU in software where no other is named
 */
export function packageTests({ webGpu = false }: { readonly webGpu?: boolean } = {}): ViteUserConfig {
  if (webGpu) useSoftwareVulkan();
  // The models are tiny: a second thread costs more than it saves.
  process.env.CLLM4REC_THREADS ??= "1";
  // Turbo runs two packages at a time; the last one to run has the machine to itself.
  const maxWorkers = Math.max(2, os.availableParallelism() - 1);
  return defineConfig({
    test: { include: ["test/**/*.test.ts"], testTimeout: 240_000, hookTimeout: 240_000, maxWorkers },
  });
}
