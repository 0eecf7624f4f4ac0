// Which of onnxruntime's providers is taken, and what is said about it; the trials themselves with the CPU and whatever
// is here.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Graph, selectOnnxRuntime } from "@cllm4rec/onnx-grad";
import { describe, expect, test } from "vitest";
import { explain, problemOf } from "../src/engine/onnxruntime/explain.js";
import { choiceReason, chooseProvider, type ProviderTrial } from "../src/engine/onnxruntime/select.js";

const cpu: ProviderTrial = { executionProvider: "cpu", gflops: 180 };
const webgpu = (gflops: number): ProviderTrial => ({ executionProvider: "webgpu", gflops });
const cuda = (gflops: number): ProviderTrial => ({ executionProvider: "cuda", gflops });
const broken: ProviderTrial = { executionProvider: "cuda", problem: "its libraries are missing" };

describe("the choice", () => {
  test.each([
    ["the CPU where there is nothing else", [cpu, broken], "cpu"],
    ["a GPU that is far ahead", [cpu, broken, webgpu(4000)], "webgpu"],
    ["the faster of two GPUs' ways", [cpu, cuda(9000), webgpu(4000)], "cuda"],
    ["the faster of two GPUs' ways, the other way round", [cpu, cuda(3000), webgpu(4000)], "webgpu"],
    ["the CPU where the GPU is not twice as fast", [cpu, webgpu(359)], "cpu"],
    ["the GPU from twice the rate on", [cpu, webgpu(360)], "webgpu"],
    ["the CPU against a Vulkan in software", [cpu, webgpu(0.1)], "cpu"],
    ["the CPU where nothing could be measured", [broken], "cpu"],
  ] as const)("%s", (_, trials, expected) => {
    expect(chooseProvider(trials)).toBe(expected);
  });

  test("one line says what was chosen and why", () => {
    expect(choiceReason("webgpu", [cpu, broken, webgpu(4321.5)])).toBe(
      "webgpu, 4322 GFLOP/s in matrix products; cpu 180 GFLOP/s; cuda cannot be used: its libraries are missing",
    );
    expect(choiceReason("cpu", [cpu, webgpu(0.08)])).toBe("cpu, 180 GFLOP/s in matrix products; webgpu 0.1 GFLOP/s");
  });
});

test("trials end with an engine that works, and say why others can't be used", async () => {
  const { engine, executionProvider, reason, trials } = await selectOnnxRuntime({ threads: 1 });
  try {
    expect(trials.map((trial) => trial.executionProvider)).toEqual(["cpu", "cuda", "webgpu"]);
    expect(trials[0]!.gflops).toBeGreaterThan(0);
    for (const { gflops, problem } of trials) expect((gflops ?? 0) > 0).toBe(problem === undefined);
    expect(reason.startsWith(`${executionProvider}, `)).toBe(true);
    expect(engine.description).toContain(`(${executionProvider}, 1 thread)`);
    const graph = new Graph();
    graph.output("y", graph.op.Neg(graph.input("x", "float32", [1])));
    const session = await engine.load(graph);
    const { y } = await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(2) } });
    expect(y!.data).toEqual(Float32Array.of(-2));
  } finally {
    await engine.dispose();
  }
});

test("an aborted trial rejects with the signal's reason", async () => {
  const reason = new Error("enough");
  await expect(selectOnnxRuntime({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const choosing = selectOnnxRuntime({ threads: 1, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  await expect(choosing).rejects.toBe(reason);
});

describe("messages of onnxruntime", () => {
  const adapter = "webgpu_context.cc:136 … Failed to get a WebGPU adapter: No supported adapters\n";
  test("get their remedy in front", () => {
    expect(explain(adapter)).toBe(
      "no GPU that WebGPU can use was found. On Linux it takes a driver with Vulkan and the Vulkan loader " +
        `(libvulkan.so.1, package libvulkan1); or use executionProvider "cpu". onnxruntime says: ${adapter.trim()}`,
    );
    expect(explain("something else")).toBe("something else");
  });

  test("are a few words in a list", () => {
    expect(problemOf(adapter)).toBe("no GPU that WebGPU can use was found");
    expect(problemOf("one line\nand more")).toBe("one line");
  });
});

// The Vulkan loader reads the variable when it is first used, so that it takes a process of its own. Other systems have
// no Vulkan in between.
test.runIf(process.platform === "linux")("without a driver WebGPU is one clear error, and the process goes on", () => {
  const code = `import { Graph, onnxRuntime } from "@cllm4rec/onnx-grad";
    const graph = new Graph("lonely");
    graph.output("y", graph.op.Neg(graph.input("x", "float32", [1])));
    const engine = onnxRuntime({ executionProvider: "webgpu", threads: 1 });
    await engine.load(graph).catch((error) => console.log(error.name + ": " + error.message));
    await engine.dispose();`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    encoding: "utf8",
    env: { ...process.env, VK_ICD_FILENAMES: "/nowhere.json", VK_DRIVER_FILES: "/nowhere.json" },
  });
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^EngineError: graph lonely: no GPU that WebGPU can use was found\. On Linux it takes a driver/,
  );
});
