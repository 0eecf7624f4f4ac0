import { defineConfig } from "tsup";

export default defineConfig({
  // The lock is an entry of its own for the contests in scripts/reliability; package.json exports index.js alone.
  entry: { index: "src/index.ts", bin: "src/bin.ts", lock: "src/files/lock.ts" },
  format: ["esm"],
  target: "node20",
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  clean: true,
});
