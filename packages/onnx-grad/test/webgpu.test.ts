// WebGPU through onnxruntime, on a GPU or on SwiftShader: operators against PyTorch, runs that repeat, memory,
// cancellation, ends, weights in files, and what is said of nodes on the CPU. By default one case of each common
// operator; CLLM4REC_WEBGPU=full runs all of them, CLLM4REC_GPU=cuda through CUDA.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Engine,
  EngineError,
  Graph,
  gradients,
  onnxRuntime,
  operatorNames,
  seededDropout,
  type Tensor,
} from "@cllm4rec/onnx-grad";
import { expectClose, webGpuUsable } from "@cllm4rec/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { build, type Case, cases, hasDouble, runOnce, title, toData, toNumbers } from "./support/cases.js";

const provider = process.env.CLLM4REC_GPU === "cuda" ? "cuda" : "webgpu";
const full = process.env.CLLM4REC_WEBGPU === "full";
const notices: string[] = [];
let engine: Engine;

const floats = (shape: readonly number[], fill: (i: number) => number = (i) => i): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(i)),
});

/** What the graphs of language models and their gradients are made of. */
const common = [
  "Add Cast Concat CumSum Div Equal Exp Expand FusedMatMul Gather GatherElements GatherND Gelu Gemm Identity " +
    "LayerNormalization Log LogSoftmax",
  "MatMul Max Min Mul Neg Pad Pow RMSNormalization Range Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape " +
    "ScatterElements ScatterND",
  "Shape Sigmoid Slice Softmax SoftmaxCrossEntropyLoss Split Sqrt Squeeze Sub Tanh TopK Transpose Trilu Unsqueeze " +
    "Where",
].flatMap((line) => line.split(" "));

/** One case of each of these, one with gradients where there is one. */
function sample(): Case[] {
  return common.map((name) => {
    const own = cases.filter(({ op }) => op === name);
    return own.find(({ gradients: found, outputs }) => found && outputs[0]?.data.length) ?? own[0]!;
  });
}

/**
 * WebGPU's softmax of a row that is −∞ throughout is not NaN: the one value that differs, as the documentation says.
 */
const differs = new Set(["Softmax: a row masked wholly is NaN"]);

async function check(golden: Case, float: "float32" | "float64", symbolic: boolean): Promise<void> {
  const { graph, feeds, expected } = build(golden, float, { symbolic });
  const results = await runOnce(engine, graph, feeds);
  for (const [name, { dtype, shape, data }] of expected) {
    const result = results[name]!;
    expect({ name, dtype: result.dtype, shape: result.shape }).toEqual({ name, dtype, shape });
    const tolerance = { float32: { rtol: 3e-5, atol: 5e-6 }, float64: { rtol: 1e-9, atol: 1e-11 } };
    const exact = { rtol: 0, atol: 0 };
    expectClose(toNumbers(result.data), toNumbers(toData(dtype, data)), {
      ...(dtype === "float32" || dtype === "float64" ? tolerance[dtype] : exact),
      label: name,
    });
  }
}

describe.runIf(webGpuUsable())(provider, () => {
  beforeAll(() => {
    engine = onnxRuntime({ executionProvider: provider, threads: 1, onNotice: (notice) => notices.push(notice) });
  });
  afterAll(() => engine.dispose());

  describe("operators, values and gradients, against PyTorch", () => {
    const chosen = (full ? cases : sample()).filter((golden) => !differs.has(title(golden)));
    test.each(chosen.map((golden) => [title(golden), golden] as const))("%s", async (_, golden) => {
      await check(golden, "float32", false);
    });
  });

  // Every one of these is wrong, an error, or the end of the process when it is left to the provider.
  describe("what the provider gets wrong runs on the CPU", () => {
    const known = [
      "MatMul: nothing summed",
      "MatMul: batch, nothing summed",
      "Softmax: empty batch",
      "ReduceMax: empty batch",
      "ReduceLogSumExp: large values",
      "Slice: negative step of two",
    ];
    test.each(known)("%s", async (name) => {
      await check(cases.find((golden) => title(golden) === name)!, "float32", false);
    });

    test.runIf(provider === "webgpu")(
      "a product over a dimension that turns out 0 is refused before it ends the process",
      async () => {
        const graph = new Graph("sums");
        const [a, b] = [graph.input("a", "float32", [2, "N"]), graph.input("b", "float32", ["N", 3])];
        graph.output("y", graph.op.MatMul(a, b));
        const session = await engine.load(graph);
        await expect(session.run({ a: floats([2, 0]), b: floats([0, 3]) })).rejects.toThrow(
          "graph sums, node MatMul: the product sums over N = 0 elements",
        );
        const { y } = await session.run({ a: floats([2, 1], () => 2), b: floats([1, 3]) });
        expect(y!.data).toEqual(Float32Array.of(0, 2, 4, 0, 2, 4));
        await session.dispose();
      },
    );
  });

  test("float64 runs on the CPU, to the same accuracy as there", async () => {
    for (const name of ["MatMul: matrices", "Tanh: matrix", "LayerNormalization: last axis"]) {
      const golden =
        cases.find((candidate) => title(candidate) === name) ?? cases.find(({ op }) => name.startsWith(op))!;
      expect(hasDouble(golden)).toBe(true);
      await check(golden, "float64", false);
    }
  });

  describe.runIf(full)("symbolic dimensions", () => {
    const symbolic = cases.flatMap((golden) => {
      try {
        build(golden, "float32", { symbolic: true });
        return golden.inputs.some((input) => input?.shape.includes(0)) || differs.has(title(golden)) ? [] : [golden];
      } catch {
        return []; // refused while the graph is built, on every engine
      }
    });
    const beyond = new Set(["Slice: bounds beyond the ends", "Slice: of nothing"]); // errors on every engine too
    test.each(
      symbolic.filter((golden) => !beyond.has(title(golden))).map((golden) => [title(golden), golden] as const),
    )("%s", async (_, golden) => {
      await check(golden, "float32", true);
    });
  });

  /** Two layers, dropout and their gradients: products, reductions, and integer arithmetic on positions. */
  function trainingGraph(): Graph {
    const graph = new Graph("training");
    const { op } = graph;
    const x = graph.input("x", "float32", ["B", 32]);
    const labels = graph.input("labels", "int64", ["B"]);
    const seed = graph.input("seed", "int64", []);
    const kept = seededDropout(graph, x, { ratio: 0.2, seed, stream: 1 });
    const weight = (name: string, at: number) =>
      graph.initializer(name, { ...floats([32, 64], (i) => Math.sin(i + 1000 * at) / 8), dtype: "float32" });
    const hidden = op.Tanh(op.MatMul(kept, weight("up", 0)));
    const [loss] = op.SoftmaxCrossEntropyLoss(op.FusedMatMul(hidden, weight("down", 1), { transB: 1 }), labels);
    graph.output("loss", loss);
    graph.output("dx", gradients(graph, loss, [x])[0]!);
    return graph;
  }
  const trainingFeeds = (step: number) => ({
    x: floats([6, 32], (i) => Math.cos(i + step)),
    labels: { dtype: "int64", shape: [6], data: BigInt64Array.from([3n, 0n, 31n, 7n, 7n, 12n]) } as const,
    seed: { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(step)) } as const,
  });

  test("values and gradients are the CPU's, and repeat to the bit, in another session too", async () => {
    const cpu = onnxRuntime({ threads: 1 });
    const [reference, first, second] = [
      await cpu.load(trainingGraph()),
      await engine.load(trainingGraph()),
      await engine.load(trainingGraph()),
    ];
    for (let step = 0; step < 3; step++) {
      const expected = await reference.run(trainingFeeds(step));
      const results = [
        await first.run(trainingFeeds(step)),
        await first.run(trainingFeeds(step)),
        await second.run(trainingFeeds(step)),
      ];
      for (const { loss, dx } of results) {
        expect(loss!.data).toEqual(results[0]!.loss!.data);
        expect(dx!.data).toEqual(results[0]!.dx!.data);
        expectClose(toNumbers(dx!.data), toNumbers(expected.dx!.data), { rtol: 1e-4, atol: 1e-6, label: "dx" });
        expectClose(toNumbers(loss!.data), toNumbers(expected.loss!.data), { rtol: 1e-5, label: "loss" });
      }
    }
    await cpu.dispose();
    await first.dispose();
    await second.dispose();
  });

  test("weights in a file are read from it, with prepacking off and on", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "onnx-grad-webgpu-"));
    try {
      const file = path.join(folder, "weights.bin");
      // exact in any order of summation
      const weights = Float32Array.from({ length: 2 * 8 * 4 }, (_, i) => ((i * 7) % 11) - 5);
      fs.writeFileSync(file, new Uint8Array(weights.buffer));
      const graph = new Graph("from a file");
      const { op } = graph;
      const weight = (name: string, at: number) =>
        graph.initializer(name, { dtype: "float32", shape: [8, 4], file, offset: 128 * at, byteLength: 128 });
      const x = graph.input("x", "float32", ["B", 8]);
      graph.output("y", op.FusedMatMul(op.MatMul(x, weight("up", 0)), weight("down", 1), { transB: 1 }));
      const feeds = { x: floats([3, 8], (i) => (i % 5) - 2) };
      const cpu = onnxRuntime({ threads: 1 });
      const packing = onnxRuntime({ executionProvider: provider, threads: 1, prepacking: true });
      const expected = await runOnce(cpu, graph, feeds);
      expect(await runOnce(engine, graph, feeds)).toEqual(expected);
      expect(await runOnce(packing, graph, feeds)).toEqual(expected);
      await cpu.dispose();
      await packing.dispose();
      expect(fs.readFileSync(file).equals(new Uint8Array(weights.buffer))).toBe(true);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  test("300 runs leave memory bounded", async () => {
    const graph = new Graph("large");
    const x = graph.input("x", "float32", ["N"]);
    graph.output("y", graph.op.Tanh(graph.op.Mul(x, 2)));
    const session = await engine.load(graph);
    const feeds = { x: floats([1 << 17]) }; // half a MiB in, as much out
    for (let i = 0; i < 40; i++) await session.run(feeds);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 300; i++) await session.run(feeds);
    expect(process.memoryUsage.rss() - before).toBeLessThan(60 * 2 ** 20);
    await session.dispose();
  });

  test("an aborted run rejects at once, and the session goes on", async () => {
    const graph = new Graph("powers");
    const x = graph.input("x", "float32", [64, 64]);
    let y = x;
    for (let i = 0; i < 20; i++) y = graph.op.MatMul(y, x);
    graph.output("y", graph.op.ReduceMax(y, undefined, { keepdims: 0 }));
    const session = await engine.load(graph);
    const feeds = { x: floats([64, 64], () => 1 / 64) };
    expect((await session.run(feeds)).y!.data[0]).toBeCloseTo(1 / 64, 6);
    const controller = new AbortController();
    const reason = new Error("enough");
    const running = session.run(feeds, { signal: controller.signal });
    const waiting = session.run(feeds, { signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(waiting).rejects.toBe(reason);
    expect((await session.run(feeds)).y!.data[0]).toBeCloseTo(1 / 64, 6);
    await session.dispose();
  });

  test.runIf(provider === "webgpu")("the provider's own options reach it", async () => {
    const graph = new Graph("options");
    graph.output("y", graph.op.Exp(graph.input("x", "float32", [1])));
    const withMode = (storageBufferCacheMode: string) =>
      onnxRuntime({ executionProvider: provider, threads: 1, providerOptions: { storageBufferCacheMode } });
    const [good, bad] = [withMode("simple"), withMode("nonsense")];
    expect((await runOnce(good, graph, { x: floats([1]) })).y!.data).toEqual(Float32Array.of(1));
    await expect(bad.load(graph)).rejects.toThrow(EngineError);
    await good.dispose();
    await bad.dispose();
  });

  test("an error names graph and node, and the engine works on", async () => {
    const graph = new Graph("doubles");
    graph.output(
      "y",
      graph.scope("head", () => graph.op.Elu(graph.input("x", "float64", [2]))),
    );
    const error: unknown = await engine.load(graph).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(EngineError);
    expect(error).toMatchObject({ graph: "doubles", node: "head/Elu" });
    const good = new Graph("good");
    good.output("y", good.op.Neg(good.input("x", "float32", [2])));
    expect((await runOnce(engine, good, { x: floats([2]) })).y!.data).toEqual(Float32Array.of(-0, -1));
  });

  test.runIf(full && provider === "webgpu")("docs/gpu.md lists the operators that run on the CPU", async () => {
    const found: string[] = [];
    for (const name of operatorNames()) {
      const own = cases.filter(({ op, inputs }) => op === name && !inputs.some((input) => input?.shape.includes(0)));
      const golden = own.find(({ inputs }) => inputs[0]?.dtype === "float") ?? own[0]!;
      const { graph, feeds } = build(golden, "float32", { forwardOnly: true });
      const told: string[] = [];
      const fresh = onnxRuntime({ executionProvider: provider, threads: 1, onNotice: (notice) => told.push(notice) });
      await runOnce(fresh, graph, feeds);
      await fresh.dispose();
      if (
        told.some((notice) =>
          notice
            .split("On the CPU: ")[1]!
            .split(/[ ,×]+/)
            .includes(name),
        )
      )
        found.push(name);
    }
    const text = fs.readFileSync(new URL("../../../docs/gpu.md", import.meta.url), "utf8");
    const list = /<!-- on the CPU -->([\s\S]*?)<!-- \/on the CPU -->/.exec(text)?.[1] ?? "";
    expect([...list.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()).toEqual(found.sort());
  });

  test.runIf(provider === "webgpu")("operators on the CPU are told once an engine", async () => {
    const told: string[] = [];
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "onnx-grad-webgpu-"));
    vi.stubEnv("TMPDIR", folder);
    const own = onnxRuntime({ executionProvider: provider, threads: 1, onNotice: (notice) => told.push(notice) });
    const graph = (name: string) => {
      const made = new Graph(name);
      const x = made.input("x", "float32", [4]);
      made.output("y", made.op.Sin(made.op.Exp(made.op.Tanh(x))));
      return made;
    };
    const session = await own.load(graph("waves"));
    await session.run({ x: floats([4]) });
    await session.run({ x: floats([4]) });
    await runOnce(own, graph("more waves"), { x: floats([4]) });
    const plain = new Graph("plain");
    plain.output("y", plain.op.Exp(plain.input("x", "float32", [4])));
    await runOnce(own, plain, { x: floats([4]) });
    expect(told).toEqual([
      "graph waves: 1 of 3 nodes run on the CPU, the rest on webgpu, with 1 copies between them. On the CPU: Sin",
    ]);
    await own.dispose();
    vi.unstubAllEnvs();
    expect(fs.readdirSync(folder).filter((name) => name.startsWith("onnx-grad-placement-"))).toEqual([]);
    fs.rmSync(folder, { recursive: true });
  });

  const script = (body: string) =>
    spawnSync(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { Graph, onnxRuntime } from "@cllm4rec/onnx-grad";
        const graph = new Graph();
        const x = graph.input("x", "float32", [64, 64]);
        let y = x;
        for (let i = 0; i < 20; i++) y = graph.op.MatMul(y, x);
        graph.output("y", y);
        const session = await onnxRuntime({ executionProvider: "${provider}", threads: 1 }).load(graph);
        const run = () => session.run({ x: { dtype: "float32", shape: [64, 64], data: new Float32Array(64 * 64) } });
        ${body}`,
      ],
      { cwd: fileURLToPath(new URL("..", import.meta.url)), encoding: "utf8", timeout: 60_000 },
    );

  test("a process ends by itself without disposing of anything", () => {
    const { status, signal, stdout } = script(`console.log((await run()).y.data[0]);`);
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: "0\n" });
  });

  test("process.exit() in the middle of a run ends the process cleanly", () => {
    const { status, signal } = script(
      `await run(); setTimeout(() => process.exit(3), 5); await Promise.all([run(), run(), run()]);`,
    );
    expect({ status, signal }).toEqual({ status: 3, signal: null });
  });
});
