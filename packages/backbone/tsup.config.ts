import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", "graph-worker": "src/model/graph-worker.ts" },
  format: ["esm"],
  target: "node20",
  dts: { entry: { index: "src/index.ts" } },
  splitting: true,
  sourcemap: true,
  clean: true,
});
