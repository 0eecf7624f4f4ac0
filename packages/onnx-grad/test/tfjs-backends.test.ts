// Which TensorFlow.js is chosen, and what the one line about it says; broken and missing installations.
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "onnx-grad-tfjs-backends-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const require = createRequire(import.meta.url);

/** A folder with node_modules: real packages by link, and made ones with the given code. */
function installation(name: string, real: readonly string[], made: Readonly<Record<string, string>> = {}): string {
  const modules = path.join(folder, name, "node_modules", "@tensorflow");
  fs.mkdirSync(modules, { recursive: true });
  for (const id of real) {
    fs.symlinkSync(path.dirname(require.resolve(`@tensorflow/${id}/package.json`)), path.join(modules, id));
  }
  for (const [id, code] of Object.entries(made)) {
    fs.mkdirSync(path.join(modules, id));
    fs.writeFileSync(
      path.join(modules, id, "package.json"),
      JSON.stringify({ name: `@tensorflow/${id}`, main: "main.js" }),
    );
    fs.writeFileSync(path.join(modules, id, "main.js"), code);
  }
  return path.join(folder, name);
}

/**
 * What tfjs() says in a process of its own, without the NODE_PATH that package managers' scripts set: its line, or its
 * error.
 */
function choice(options: { readonly from?: string; readonly backend?: string }): string {
  const script = `
    import { tfjs } from "@cllm4rec/onnx-grad/tfjs";
    const lines = [];
    try {
      const engine = await tfjs({ ...${JSON.stringify(options)}, onChoice: (line) => lines.push(line) });
      if (lines.length !== 1 || lines[0] !== engine.choice) throw new Error("not told once: " + lines);
      console.log(engine.choice);
    } catch (error) {
      console.log(error.name + ": " + error.message);
    }`;
  const { NODE_PATH: _, ...env } = process.env;
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const args = ["--input-type=module", "--eval", script];
  return execFileSync(process.execPath, args, {
    cwd,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
}

test("the fastest that is installed, and what to install for a faster one", () => {
  const all = ["tfjs-core", "tfjs-backend-cpu", "tfjs-backend-wasm"];
  const faster =
    "; faster: npm install @tensorflow/tfjs-node, or with an NVIDIA GPU npm install @tensorflow/tfjs-node-gpu";
  expect(choice({ from: installation("all", all) })).toMatch(
    new RegExp(
      "^TensorFlow\\.js 4\\.\\d+\\.\\d+, wasm \\(WebAssembly on one CPU thread\\): the fastest of those " +
        `installed${faster}$`,
    ),
  );
  expect(choice({ from: installation("cpu", ["tfjs-core", "tfjs-backend-cpu"]) })).toContain(
    `cpu (plain JavaScript): the fastest of those installed${faster}`,
  );
  expect(choice({ from: path.join(folder, "all"), backend: "cpu" })).toContain(
    `cpu (plain JavaScript): asked for by name${faster}`,
  );
});

test("a tfjs-node that does not load is passed over, with the reason and the way to mend it", () => {
  const broken = { "tfjs-node": 'throw new Error("tfjs_binding.node is not there\\nsecond line");' };
  const from = installation("broken", ["tfjs-core", "tfjs-backend-wasm"], broken);
  const mend = "tfjs_binding.node is not there; scripts/build-tfjs-node.mjs of @cllm4rec/onnx-grad builds its binding";
  expect(choice({ from: from })).toMatch(
    new RegExp(`wasm .*: the fastest of those installed; tfjs-node does not load: ${mend}$`),
  );
  expect(choice({ from, backend: "tfjs-node" })).toBe(`Error: TensorFlow.js backend tfjs-node does not load: ${mend}`);
});

test("tfjs-node-gpu without a GPU, which it makes no word of itself", () => {
  const gpuPackage = `
    const tf = require("@tensorflow/tfjs-core");
    const { MathBackendCPU } = require("@tensorflow/tfjs-backend-cpu");
    tf.registerBackend("tensorflow", () => Object.assign(new MathBackendCPU(), { isUsingGpuDevice: false }));
    module.exports = tf;`;
  const from = installation("no card", ["tfjs-core", "tfjs-backend-cpu"], { "tfjs-node-gpu": gpuPackage });
  expect(choice({ from })).toMatch(
    /tfjs-node-gpu \(libtensorflow on an NVIDIA GPU\): the fastest of those installed, but it has found no GPU, or not all of CUDA and cuDNN, and computes on the CPU$/,
  );
});

test.each([
  ["tfjs-node-gpu", "is not available: @tensorflow/tfjs-node-gpu not found; npm install @tensorflow/tfjs-node-gpu"],
  ["tfjs-node", "is not available: @tensorflow/tfjs-node not found; npm install @tensorflow/tfjs-node"],
  [
    "wasm",
    "is not available: @tensorflow/tfjs-core and @tensorflow/tfjs-backend-wasm not found; npm install " +
      "@tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm",
  ],
  [
    "webgpu",
    `is not available: this runtime (Node ${process.versions.node}) has no navigator.gpu; for WebGPU in Node use ` +
      'onnxRuntime({ executionProvider: "webgpu" })',
  ],
] as const)("%s, asked for by name where it is not", (backend, reason) => {
  const from = installation(`none-${backend}`, []);
  expect(choice({ from, backend })).toBe(`Error: TensorFlow.js backend ${backend} ${reason}`);
});

test("nothing installed, and a name that is none", () => {
  expect(choice({ from: installation("nothing", []) })).toBe(
    "Error: no TensorFlow.js backend is installed; npm install @tensorflow/tfjs-core " +
      "@tensorflow/tfjs-backend-wasm is the quickest to have",
  );
  expect(choice({ backend: "webgl" })).toBe(
    'Error: unknown TensorFlow.js backend "webgl"; one of tfjs-node-gpu, tfjs-node, webgpu, wasm, cpu is expected',
  );
});

test("the main entry does not import TensorFlow.js", () => {
  const dist = path.dirname(require.resolve("@cllm4rec/onnx-grad"));
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const code = fs.readFileSync(path.join(dist, file), "utf8");
    expect(code).not.toContain("@tensorflow/");
    for (const [, next] of code.matchAll(/from\s*"\.\/([^"]+)"/g)) visit(next!);
  };
  visit("index.js");
  expect(seen.size).toBeGreaterThan(1);
});

test("the script that builds tfjs-node says what is wrong and what to do, and nothing else", () => {
  const script = fileURLToPath(new URL("../scripts/build-tfjs-node.mjs", import.meta.url));
  const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  const nowhere = path.join(folder, "nowhere");
  expect(run("--folder", nowhere)).toMatchObject({
    status: 1,
    stdout: "",
    stderr:
      `build-tfjs-node: ${nowhere} has no package.json\n  Give the folder of your project with --folder, or make ` +
      "one with `npm init -y`.\n",
  });
  expect(run("--help")).toMatchObject({ status: 0, stderr: "", stdout: expect.stringContaining("--gpu") });
});
