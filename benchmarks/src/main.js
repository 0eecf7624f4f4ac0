#!/usr/bin/env node
// npm run bench: the frozen-LM training step of the GPT-2 124M shape against the machine's own matmul rate, measured in
// the same run.
//   npm run bench                one table
//   npm run -s bench -- --json   the same as one JSON object
//   npm run bench -- --engine webgpu | cuda [--tiny] [--no-goldens]   on a GPU, against the CPU;
//                                --tiny is for a Vulkan in software
import os from "node:os";
import { parseArgs } from "node:util";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { matmulRate, onnxRuntime } from "@cllm4rec/onnx-grad";
import { gpt2ShapedDirectory, gpt2Small } from "./gpt2-shape.js";
import { gpuBenchmark } from "./gpu.js";
import { measureMemory } from "./memory.js";
import { raggedLengths, stepCase } from "./step.js";
import { table } from "./table.js";
import { torchSteps } from "./torch.js";
import { wasmMatmul } from "./wasm.js";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    repeats: { type: "string", default: "5" },
    engine: { type: "string", default: "cpu" },
    tiny: { type: "boolean", default: false },
    "no-goldens": { type: "boolean", default: false },
  },
});
const repeats = Number(options.repeats);
if (!Number.isInteger(repeats) || repeats < 1) {
  console.error(`--repeats ${options.repeats}: a positive integer is expected`);
  process.exit(2);
}
const { engine: engineName } = options;
if (engineName !== "cpu" && engineName !== "webgpu" && engineName !== "cuda") {
  console.error(`--engine ${engineName}: cpu, webgpu or cuda is expected`);
  process.exit(2);
}
/** @param {string} text */
const progress = (text) => process.stderr.write(`${text}\n`);

if (engineName !== "cpu") {
  const { tiny, json } = options;
  await gpuBenchmark({ engine: engineName, repeats, tiny, json, goldens: !options["no-goldens"], progress });
  process.exit();
}

progress("preparing a checkpoint of GPT-2's shape (494 MB, once)");
const directory = await gpt2ShapedDirectory(gpt2Small);
await openOnce(directory); // the first time every weight is checked, which is not what is measured
const opening = [];
for (let i = 0; i < repeats; i++) opening.push(await openOnce(directory));

const engine = onnxRuntime();
const backbone = await Backbone.open(directory, { engine });
const model = new BaseModel(backbone, { users: 64, items: 1000 });
const ceiling = await matmulRate(engine);

const uniform = [16, 32, 64, 128, 256, 512, 1024].map((sequence) => ({
  name: `${sequence}`,
  lengths: Array.from({ length: Math.max(1, 512 / sequence) }, () => sequence),
}));
const ragged = [
  { name: "ragged, reviews", lengths: raggedLengths(12, { median: 80, spread: 0.7, least: 12, most: 400 }) },
  { name: "ragged, histories", lengths: raggedLengths(32, { median: 18, spread: 0.5, least: 9, most: 120 }) },
];
const steps = [];
for (const { name, lengths } of [...uniform, ...ragged]) {
  for (const backward of [false, true]) {
    progress(`sequences of ${name} tokens, ${backward ? "forward and backward" : "forward"}`);
    steps.push(await stepCase({ name, lengths, backward, model, ceiling, repeats }));
  }
}
const matmulGflops = ceiling.median();
await ceiling.dispose();
await model.dispose();
await engine.dispose();

progress("memory of a training step");
const memory = measureMemory();
progress("the same matmul in WebAssembly");
const wasmGflops = await wasmMatmul();
progress("the same step in PyTorch, where it is installed");
const torch = torchSteps();

const result = {
  date: new Date().toISOString().slice(0, 10),
  machine:
    `${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} cores, ` +
    `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
  node: process.version,
  engine: engine.description,
  matmulGflops,
  steps,
  opening: {
    open: median(opening.map(({ open }) => open)),
    firstGraph: median(opening.map(({ firstGraph }) => firstGraph)),
  },
  memory,
  wasmGflops,
  torch,
};
console.log(options.json ? JSON.stringify(result) : table(result));

/**
 * Milliseconds from a directory to an open backbone, and on to a training graph that is ready to run.
 * @param {string} directory
 */
async function openOnce(directory) {
  const engine = onnxRuntime();
  const started = performance.now();
  const opened = await Backbone.open(directory, { engine });
  const open = performance.now() - started;
  const base = new BaseModel(opened, { users: 1, items: 1 });
  await base.prepare("next-item");
  const firstGraph = performance.now() - started - open;
  await base.dispose();
  await engine.dispose();
  return { open, firstGraph };
}

/** @param {number[]} numbers */
function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
