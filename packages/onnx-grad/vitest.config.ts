import { defineConfig } from "vitest/config";
import { useSoftwareVulkan } from "../../tooling/testing/src/vulkan.js";

useSoftwareVulkan();

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // *.test-d.ts are checked by the compiler.
    typecheck: {
      enabled: true,
      include: ["test/**/*.test-d.ts"],
      tsconfig: "./tsconfig.json",
      ignoreSourceErrors: true,
    },
  },
});
