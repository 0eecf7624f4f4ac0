import { defineConfig } from "tsup";

export default defineConfig([
  {
    entry: ["src/index.ts"],
    format: ["esm"],
    target: "node20",
    dts: true,
    sourcemap: true,
    clean: ["**/*", "!page/**"],
  },
  {
    // The page: its script, built for browsers, beside the files of public/page.
    entry: { app: "src/page/app.ts" },
    outDir: "dist/page",
    publicDir: "public/page",
    format: ["esm"],
    platform: "browser",
    target: "es2022",
    minify: true,
    clean: true,
  },
]);
