import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    tfjs: "src/engine/tfjs/index.ts",
    "onnxruntime-worker": "src/engine/onnxruntime/worker.ts",
    "onnxruntime-probe": "src/engine/onnxruntime/probe.ts",
  },
  format: ["esm"],
  target: "node20",
  dts: { entry: { index: "src/index.ts", tfjs: "src/engine/tfjs/index.ts" } },
  // Both entries share one EngineError and one Graph.
  splitting: true,
  sourcemap: true,
  clean: true,
});
