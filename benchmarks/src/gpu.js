// npm run bench -- --engine webgpu | cuda: the training step of the GPT-2 124M shape on a GPU, against the card's own
// matmul rate and against the CPU in the same run; before that, every golden case of the packages on the device.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { matmulRate, onnxRuntime } from "@cllm4rec/onnx-grad";
import { gpt2ShapedDirectory, gpt2Small, gpt2Tiny } from "./gpt2-shape.js";
import { stepCase } from "./step.js";
import { rowsAsTable } from "./table.js";

/** @typedef {Awaited<ReturnType<typeof stepCase>> & { engine: string }} GpuStep */

/** Sizes of the run: the real one, and one that a Vulkan in software gets through in a minute. */
const sizes = {
  full: { shape: gpt2Small, tokens: 1024, sequences: [128, 256, 1024], rate: { rows: 4096, width: 2048, products: 8 } },
  tiny: { shape: gpt2Tiny, tokens: 32, sequences: [16, 32], rate: { rows: 64, width: 128, products: 4 } },
};

/**
 * @param {{ engine: "webgpu" | "cuda"; repeats: number; tiny: boolean; goldens: boolean; json: boolean; progress:
 *   (text: string) => void }} options
 */
export async function gpuBenchmark({ engine: provider, repeats, tiny, goldens, json, progress }) {
  const { shape, tokens, sequences, rate } = tiny ? sizes.tiny : sizes.full;
  progress(`preparing a checkpoint of the shape ${shape.name}`);
  const directory = await gpt2ShapedDirectory(shape);
  /** @type {string[]} */
  const notices = [];
  /** @type {GpuStep[]} */
  const steps = [];
  /** @type {{ engine: string; description: string; matmulGflops: number }[]} */
  const engines = [];
  for (const executionProvider of /** @type {const} */ ([provider, "cpu"])) {
    const engine = onnxRuntime({ executionProvider, onNotice: (notice) => notices.push(notice) });
    progress(`${engine.description}: matrix products`);
    const ceiling = await matmulRate(engine, executionProvider === "cpu" && !tiny ? {} : rate);
    await ceiling.measure();
    const backbone = await Backbone.open(directory, { engine });
    const model = new BaseModel(backbone, { users: 64, items: 1000 });
    for (const sequence of sequences) {
      const lengths = Array.from({ length: Math.max(1, tokens / sequence) }, () => sequence);
      for (const backward of [false, true]) {
        progress(
          `${executionProvider}: sequences of ${sequence} tokens, ${backward ? "forward and backward" : "forward"}`,
        );
        const step = await stepCase({ name: `${sequence}`, lengths, backward, model, ceiling, repeats });
        steps.push({ engine: executionProvider, ...step });
      }
    }
    engines.push({
      engine: executionProvider,
      description: engine.description,
      matmulGflops: ceiling.median(),
    });
    await ceiling.dispose();
    await model.dispose();
    await backbone.dispose();
    await engine.dispose();
  }
  if (goldens) progress("goldens on the device (some minutes)");
  const result = {
    date: new Date().toISOString().slice(0, 10),
    machine:
      `${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} cores, ${Math.round(os.totalmem() / 2 ** 30)} ` +
      "GiB",
    device: deviceName(),
    node: process.version,
    shape: shape.name,
    engines,
    steps,
    notices,
    goldens: goldens ? runGoldens(provider) : undefined,
  };
  console.log(json ? JSON.stringify(result) : gpuTable(result));
  if (result.goldens?.some(({ failed }) => failed > 0)) process.exitCode = 1;
}

/**
 * What the card is called: onnxruntime's JavaScript API does not say, NVIDIA's tool does; otherwise it is the Vulkan
 * driver's file.
 */
function deviceName() {
  const { stdout } = spawnSync("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader"], {
    encoding: "utf8",
  });
  const name = stdout?.trim().split("\n")[0];
  return name || (process.env.VK_ICD_FILENAMES ?? process.env.VK_DRIVER_FILES ?? "not known");
}

/** Every golden case of operators and models through the provider. @param {"webgpu" | "cuda"} provider */
function runGoldens(provider) {
  const packages = path.resolve(fileURLToPath(import.meta.url), "../../../packages");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-bench-goldens-"));
  const results = ["onnx-grad", "backbone"].map((name) => {
    const cwd = path.join(packages, name);
    const vitest = path.join(cwd, "node_modules", "vitest", "vitest.mjs");
    const report = path.join(folder, `${name}.json`);
    const args = [vitest, "run", "test/webgpu.test.ts", "--reporter=json", `--outputFile=${report}`];
    spawnSync(process.execPath, args, {
      cwd,
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        ...process.env,
        CLLM4REC_WEBGPU: process.env.CLLM4REC_WEBGPU ?? "full",
        CLLM4REC_GPU: provider,
        CLLM4REC_VULKAN_ICD: process.env.CLLM4REC_VULKAN_ICD ?? "system",
      },
    });
    const { numPassedTests, numFailedTests } = JSON.parse(fs.readFileSync(report, "utf8"));
    return { package: name, passed: Number(numPassedTests), failed: Number(numFailedTests) };
  });
  fs.rmSync(folder, { recursive: true });
  return results;
}

/**
 * @param {{ date: string; machine: string; device: string; node: string; shape: string; engines: { engine: string;
 *   description: string;
 *   matmulGflops: number }[]; steps: GpuStep[]; notices: string[]; goldens: ReturnType<typeof runGoldens> | undefined
 *   }} result
 */
function gpuTable({ date, machine, device, node, shape, engines, steps, notices, goldens }) {
  const cpu = (/** @type {GpuStep} */ { name, backward }) =>
    steps.find((step) => step.engine === "cpu" && step.name === name && step.backward === backward);
  const rows = steps.map((step) => [
    step.engine,
    step.name,
    `${step.batch}`,
    step.backward ? "forward + backward" : "forward",
    step.tokensPerSecond.toFixed(0),
    step.gflops.toFixed(1),
    `${(100 * step.share).toFixed(0)}%`,
    `${(step.tokensPerSecond / (cpu(step)?.tokensPerSecond ?? Number.NaN)).toFixed(2)}×`,
  ]);
  return [
    `${shape}, frozen, float32, gradients towards the soft rows. Device: ${device}. ${machine}; Node ${node}; ${date}.`,
    ...engines.map(
      ({ description, matmulGflops }) => `${description}: matrix products ${matmulGflops.toFixed(1)} GFLOP/s.`,
    ),
    "",
    rowsAsTable(["engine", "sequences", "batch", "step", "tokens/s", "GFLOP/s", "of matmul", "of the CPU"], rows),
    "",
    ...notices,
    ...(goldens ?? []).map(
      ({ package: name, passed, failed }) => `Goldens of ${name}: ${passed} passed, ${failed} failed.`,
    ),
  ].join("\n");
}
