import { useSoftwareVulkan } from "../../tooling/testing/src/vulkan.js";
import { defineConfig } from "vitest/config";

useSoftwareVulkan();

export default defineConfig({ test: { include: ["test/**/*.test.ts"], testTimeout: 240_000, hookTimeout: 240_000 } });
