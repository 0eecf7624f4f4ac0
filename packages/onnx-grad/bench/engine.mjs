// Times of the engine itself: opening a model whose 400 MB of weights stay in their file, and the overhead of a run.
// pnpm exec tsup && node bench/engine.mjs
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Graph, onnxRuntime, seededDropout } from "@cllm4rec/onnx-grad";

const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];
const line = (what, times) => console.log(`${what.padEnd(64)} ${median(times).toFixed(2)} ms`);
async function timed(repeats, run) {
  const times = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await run(i);
    times.push(performance.now() - start);
  }
  return times;
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "onnx-grad-bench-"));
const engine = onnxRuntime();
console.log(
  `${engine.description}, Node ${process.versions.node}, ${os.cpus()[0].model}, ` +
    `${new Date().toISOString().slice(0, 10)}; medians`,
);
try {
  const file = path.join(folder, "weights.safetensors");
  const layers = 100; // of 1,024 × 1,024 float32: 400 MiB
  const bytes = 4 * 1024 * 1024;
  const chunk = Buffer.from(Float32Array.from({ length: 1024 * 1024 }, (_, i) => Math.sin(i)).buffer);
  const descriptor = fs.openSync(file, "w");
  for (let i = 0; i < layers; i++) fs.writeSync(descriptor, chunk);
  fs.closeSync(descriptor);
  const graph = new Graph("large");
  let x = graph.input("x", "float32", ["B", 1024]);
  for (let i = 0; i < layers; i++) {
    const tensor = { dtype: "float32", shape: [1024, 1024], file, offset: i * bytes, byteLength: bytes };
    x = graph.op.Tanh(graph.op.MatMul(x, graph.initializer(`w${i}`, tensor)));
  }
  graph.output("y", x);
  await engine.load(smallGraph());
  line(
    "open a model with 400 MiB of external weights",
    await timed(7, async () => (await engine.load(graph)).dispose()),
  );

  const session = await engine.load(smallGraph());
  for (const [label, rows] of [
    ["4 B", 1],
    ["4 MiB", 1 << 20],
  ]) {
    const data = new Float32Array(rows);
    const feeds = { x: { dtype: "float32", shape: [rows], data } };
    line(`run x + 1 over ${label}`, await timed(200, () => session.run(feeds)));
    let y = new Float32Array(rows);
    const reused = await timed(200, async () => {
      y = (await session.run(feeds, { reuse: { y } })).y.data;
    });
    line(`the same, output reused`, reused);
  }

  for (const ratio of [0, 0.1]) {
    const dropout = new Graph("dropout");
    const input = dropout.input("x", "float32", ["B", 768]);
    const seed = dropout.input("seed", "int64", []);
    const kept = seededDropout(dropout, input, { ratio, seed, stream: 0 });
    dropout.output("y", dropout.op.ReduceSum(kept));
    const run = await engine.load(dropout);
    const data = new Float32Array(1024 * 768).fill(1);
    const times = await timed(30, (i) =>
      run.run({
        x: { dtype: "float32", shape: [1024, 768], data },
        seed: { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(i)) },
      }),
    );
    line(`sum of 1,024 × 768 elements${ratio ? ", dropped out before" : ""}`, times);
  }
} finally {
  await engine.dispose();
  fs.rmSync(folder, { recursive: true });
}

function smallGraph() {
  const graph = new Graph("small");
  graph.output("y", graph.op.Add(graph.input("x", "float32", ["N"]), 1));
  return graph;
}
