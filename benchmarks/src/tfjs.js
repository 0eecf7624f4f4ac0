#!/usr/bin/env node
// The training step of the GPT-2 124M shape on TensorFlow.js, against plain matrix products there and against
// onnxruntime, in the same run.
//   node benchmarks/src/tfjs.js [--backend tfjs-node | wasm | …] [--from DIR] [--tokens 128] [--repeats 3] [--tiny]
//   [--json]
// --from names a folder whose node_modules hold the packages, e.g. what packages/onnx-grad/scripts/build-tfjs-node.mjs
// built.
import os from "node:os";
import { parseArgs } from "node:util";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { matmulRate, onnxRuntime } from "@cllm4rec/onnx-grad";
import { tfjs } from "@cllm4rec/onnx-grad/tfjs";
import { gpt2ShapedDirectory, gpt2Small, gpt2Tiny } from "./gpt2-shape.js";
import { stepCase } from "./step.js";
import { rowsAsTable } from "./table.js";

const { values: options } = parseArgs({
  options: {
    backend: { type: "string" },
    from: { type: "string" },
    tokens: { type: "string", default: "512" },
    sequence: { type: "string", default: "128" },
    repeats: { type: "string", default: "3" },
    tiny: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const [tokens, sequence, repeats] = [Number(options.tokens), Number(options.sequence), Number(options.repeats)];
if (![tokens, sequence, repeats].every((n) => Number.isInteger(n) && n > 0)) {
  console.error("--tokens, --sequence and --repeats: positive integers are expected");
  process.exit(2);
}
/** @param {string} text */
const progress = (text) => process.stderr.write(`${text}\n`);
const shape = options.tiny ? gpt2Tiny : gpt2Small;
const rate = options.tiny ? { rows: 64, width: 128, products: 4 } : {};
const directory = await gpt2ShapedDirectory(shape);
const lengths = Array.from({ length: Math.max(1, Math.floor(tokens / sequence)) }, () => sequence);

const { backend, from } = /** @type {import("@cllm4rec/onnx-grad/tfjs").TfjsOptions} */ (options);
const engines = [await tfjs({ onChoice: progress, ...(backend && { backend }), ...(from && { from }) }), onnxRuntime()];
/** @type {(Awaited<ReturnType<typeof stepCase>> & { engine: string; matmulGflops: number })[]} */
const steps = [];
for (const engine of engines) {
  progress(`${engine.description}: matrix products`);
  const ceiling = await matmulRate(engine, rate);
  const model = new BaseModel(await Backbone.open(directory, { engine }), { users: 64, items: 1000 });
  for (const backward of [false, true]) {
    progress(`${engine.description}: ${backward ? "forward and backward" : "forward"}`);
    const step = await stepCase({ name: `${sequence}`, lengths, backward, model, ceiling, repeats });
    steps.push({ engine: engine.description, ...step, matmulGflops: ceiling.median() });
  }
  await ceiling.dispose();
  await model.dispose();
  await engine.dispose();
}

const result = {
  date: new Date().toISOString().slice(0, 10),
  machine:
    `${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} cores, ` +
    `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
  node: process.version,
  shape: shape.name,
  steps,
};
const rows = steps.map((step) => [
  step.engine,
  step.backward ? "forward + backward" : "forward",
  step.tokensPerSecond.toFixed(0),
  step.gflops.toFixed(1),
  step.matmulGflops.toFixed(1),
  `${(100 * step.share).toFixed(0)}%`,
]);
console.log(
  options.json
    ? JSON.stringify(result)
    : [
        `${result.shape}, ${lengths.length} × ${sequence} tokens, frozen, float32, gradients towards the soft ` +
          `rows. ${result.machine}; Node ${result.node}; ${result.date}.`,
        "",
        rowsAsTable(["engine", "step", "tokens/s", "GFLOP/s", "plain matmul, GFLOP/s", "of matmul"], rows),
      ].join("\n"),
);
