// The TensorFlow.js engine as an engine: integers, memory, aborts, shared weights, errors; beside onnxruntime where
// both compute.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  type Engine,
  EngineError,
  Graph,
  gradients,
  onnxRuntime,
  seededDropout,
  type Tensor,
  type Value,
} from "@cllm4rec/onnx-grad";
import { type TfjsEngine, tfjs } from "@cllm4rec/onnx-grad/tfjs";
import { expectClose } from "@cllm4rec/testing";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { toNumbers } from "./support/cases.js";
import { installedBackends, openTfjs } from "./support/tfjs.js";

const backend = installedBackends.at(-1)!;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "onnx-grad-tfjs-"));
let engine: TfjsEngine;
let reference: Engine;
beforeAll(async () => {
  engine = await openTfjs(backend);
  reference = onnxRuntime({ threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  await reference.dispose();
  fs.rmSync(folder, { recursive: true });
});

const floats = (shape: readonly number[], data: readonly number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});
const int64 = (shape: readonly number[], data: readonly (number | bigint)[]): Tensor => ({
  dtype: "int64",
  shape,
  data: BigInt64Array.from(data, BigInt),
});
const int32 = (shape: readonly number[], data: readonly number[]): Tensor => ({
  dtype: "int32",
  shape,
  data: Int32Array.from(data),
});

async function runOn(where: Engine, graph: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await where.load(graph);
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

/** y = tanh(…tanh(x)…), long enough to be interrupted. */
function chain(length: number): Graph {
  const graph = new Graph("chain");
  let y = graph.input("x", "float32", ["N"]);
  for (let i = 0; i < length; i++) y = graph.op.Tanh(y);
  graph.output("y", y);
  return graph;
}

describe("integers are exact", () => {
  /** Every operator that takes integers, over int64 and int32, as onnxruntime has them. */
  function integerGraph(dtype: "int64" | "int32"): Graph {
    const graph = new Graph(`integers ${dtype}`);
    const { op } = graph;
    const x = graph.input("x", dtype, [2, 3]);
    const y = graph.input("y", dtype, [3]);
    const at = graph.input("at", "int64", [2, 3]);
    const scalar = (n: number) => op.scalar(n, dtype);
    const results: Record<string, Value> = {
      add: op.Add(x, y),
      subtract: op.Sub(x, y),
      multiply: op.Mul(x, y),
      divide: op.Div(x, y),
      remainder: op.Mod(x, y),
      remainderOfC: op.Mod(x, y, { fmod: 1 }),
      least: op.Min(x, y),
      most: op.Max(x, y),
      negated: op.Neg(x),
      magnitude: op.Abs(x),
      signs: op.Sign(x),
      clipped: op.Clip(x, scalar(-3), scalar(5)),
      and: op.BitwiseAnd(x, y),
      xor: op.BitwiseXor(x, y),
      identity: op.Identity(x),
      less: op.Less(x, y),
      atLeast: op.GreaterOrEqual(x, y),
      chosen: op.Where(op.Less(x, y), x, y),
      transposed: op.Transpose(x),
      reshaped: op.Reshape(op.Transpose(x), [-1]),
      flattened: op.Flatten(x, { axis: 0 }),
      expanded: op.Expand(y, [2, 2, 3]),
      unsqueezed: op.Squeeze(op.Unsqueeze(x, [0, 3]), [0]),
      joined: op.Concat([op.Transpose(x), op.Transpose(x)], { axis: -1 }),
      parts: op.Split(x, [1, 2], { axis: 1 })[1]!,
      reversed: op.Slice(x, [2], [-4], [1], [-1]),
      strided: op.Slice(op.Expand(y, [4, 3]), [0, 1], [4, 3], [0, 1], [2, 1]),
      padded: op.Pad(x, [1, 0, 0, 2], 7),
      croppedAndPadded: op.Pad(x, [0, -1, 1, 0]),
      tiled: op.Tile(x, [2, 2]),
      picked: op.Gather(x, op.ints([2, 0, -1]), { axis: 1 }),
      pickedElements: op.GatherElements(x, at, { axis: 1 }),
      pickedPoints: op.GatherND(x, graph.constant([1, 2, 0, -1], { dtype: "int64", shape: [2, 2] })),
      written: op.ScatterElements(x, at, op.Mul(x, x), { axis: 1 }),
      added: op.ScatterElements(x, op.Mul(at, 0), op.Mul(x, x), { axis: 1, reduction: "add" }),
      writtenRows: op.ScatterND(x, op.Unsqueeze(op.ints([1]), [1]), op.Unsqueeze(y, [0])),
      summed: op.ReduceSum(x, [0]),
      summedAway: op.ReduceSum(x, undefined, { keepdims: 0 }),
      product: op.ReduceProd(x, [1], { keepdims: 0 }),
      running: op.CumSum(x, 1, { exclusive: 1, reverse: 1 }),
      first: op.ArgMax(op.Expand(scalar(1), [2, 3]), { axis: 1 }),
      last: op.ArgMax(op.Expand(scalar(1), [2, 3]), { axis: 1, select_last_index: 1 }),
      lowest: op.ArgMin(x, { axis: 0, keepdims: 0 }),
      best: op.TopK(x, 2)[0],
      worst: op.TopK(x, 2, { largest: 0, axis: 0 })[1],
      asFloat: op.Cast(x, "float32"),
      asBool: op.Cast(x, "bool"),
      asBytes: op.Cast(x, "int8"),
      rounded: op.Cast(op.Mul(op.Cast(x, "float32"), 0.75), dtype),
    };
    // onnxruntime has these over int64 only
    if (dtype === "int64") {
      results.triangle = op.Trilu(x, -1, { upper: 0 });
      results.hot = op.OneHot(op.ints([1, -1]), 3, op.vector([4, 9], dtype));
      results.power = op.Pow(x, op.ints([2, 3, 1]));
    }
    for (const [name, value] of Object.entries(results)) graph.output(name, value);
    return graph;
  }

  test.each(["int64", "int32"] as const)("%s, as in onnxruntime", async (dtype) => {
    const typed = dtype === "int64" ? int64 : int32;
    const graph = integerGraph(dtype);
    const feeds = {
      x: typed([2, 3], [7, -8, 9, -10, 0, 5]),
      y: typed([3], [-3, 5, 2]),
      at: int64([2, 3], [2, 0, 1, -1, -3, 1]),
    };
    const [mine, theirs] = [await runOn(engine, graph, feeds), await runOn(reference, graph, feeds)];
    for (const name of graph.outputs.keys()) {
      const { dtype: type, shape, data } = theirs[name]!;
      expect([name, mine[name]]).toEqual([name, { dtype: type, shape: [...shape], data }]);
    }
  });

  test("64 bits, far beyond what a double or an int32 holds, and wrapped at both ends", async () => {
    const graph = new Graph("wide");
    const [x, y] = [graph.input("x", "int64", [3]), graph.input("y", "int32", [2])];
    graph.output("sum", graph.op.Add(x, 1));
    graph.output("square", graph.op.Mul(x, x));
    graph.output("square32", graph.op.Mul(y, y));
    const values = [2n ** 53n, 2n ** 63n - 1n, -(2n ** 40n) - 3n];
    const results = await runOn(engine, graph, { x: int64([3], values), y: int32([2], [123_456_789, -65_537]) });
    expect(results.sum!.data).toEqual(BigInt64Array.from(values, (v) => v + 1n));
    expect(results.square!.data).toEqual(BigInt64Array.from(values, (v) => v * v));
    expect(results.square32!.data).toEqual(
      Int32Array.of(Math.imul(123_456_789, 123_456_789), Math.imul(65_537, 65_537)),
    );
  });

  test("seeded dropout drops the same elements as onnxruntime, bit for bit", async () => {
    const graph = new Graph("dropout");
    const x = graph.input("x", "float32", ["B", 5]);
    const y = seededDropout(graph, x, { ratio: 0.3, seed: graph.input("seed", "int64", []), stream: 3 });
    graph.output("y", y);
    graph.output("dx", gradients(graph, graph.op.ReduceSum(graph.op.Mul(y, y), undefined, { keepdims: 0 }), [x])[0]!);
    for (const seed of [0n, 1n, -77n, 2n ** 62n + 12_345n]) {
      const feeds = {
        x: floats(
          [40, 5],
          Array.from({ length: 200 }, (_, i) => 1 + i / 8),
        ),
        seed: int64([], [seed]),
      };
      const [mine, theirs] = [await runOn(engine, graph, feeds), await runOn(reference, graph, feeds)];
      expect(mine.y!.data.filter((element) => Number(element) === 0).length).toBeGreaterThan(20);
      for (const name of ["y", "dx"])
        expectClose(toNumbers(mine[name]!.data), toNumbers(theirs[name]!.data), { label: name });
    }
  });

  test.each([
    ["Gather", (op: Graph["op"], x: Value, at: Value) => op.Gather(x, at)],
    ["GatherElements", (op: Graph["op"], x: Value, at: Value) => op.GatherElements(x, at)],
    [
      "ScatterElements",
      (op: Graph["op"], x: Value, at: Value) => op.ScatterElements(x, at, op.Gather(x, op.ints([0, 0]))),
    ],
  ])("%s refuses an index outside its axis, naming node and index", async (type, build) => {
    const graph = new Graph("indices");
    const y = build(graph.op, graph.input("x", "float32", [3]), graph.input("at", "int64", [2]));
    graph.output("y", y);
    const session = await engine.load(graph);
    const before = engine.tensorCount();
    const run = session.run({ x: floats([3], [1, 2, 3]), at: int64([2], [1, -4]) });
    await expect(run).rejects.toThrow(new EngineError("indices", `${type}: index -4 is outside an axis of 3`, type));
    expect(engine.tensorCount()).toBe(before);
    await session.dispose();
  });
});

describe("products", () => {
  // Large ones go another way on wasm, which computes batches and transposed operands slowly.
  test.each([
    ["a batch of large matrices", [2, 96, 80], [2, 80, 72], {}],
    ["the second transposed", [3, 96, 80], [3, 72, 80], { transB: 1 }],
    ["the first transposed, one matrix for all", [3, 80, 96], [80, 72], { transA: 1, alpha: 0.5 }],
    ["batches that broadcast both ways", [2, 1, 96, 80], [3, 80, 72], {}],
    ["both transposed, in two batch axes", [2, 2, 8, 6], [2, 2, 5, 8], { transA: 1, transB: 1 }],
    ["many rows by one matrix", [2, 3, 40, 8], [1, 8, 6], {}],
  ] as const)("%s", async (_, a, b, attributes) => {
    const graph = new Graph("product");
    const [x, y] = [graph.input("a", "float32", a), graph.input("b", "float32", b)];
    const product = graph.op.FusedMatMul(x, y, attributes);
    graph.output("product", product);
    const loss = graph.op.ReduceSum(graph.op.Mul(product, product), undefined, { keepdims: 0 });
    gradients(graph, loss, [x, y]).forEach((value, i) => {
      graph.output(`d${i}`, value);
    });
    const wave = (shape: readonly number[], step: number) =>
      floats(
        shape,
        Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i * step)),
      );
    const feeds = { a: wave(a, 0.7), b: wave(b, 1.3) };
    const [mine, theirs] = [await runOn(engine, graph, feeds), await runOn(reference, graph, feeds)];
    for (const [name, { shape, data }] of Object.entries(theirs)) {
      expect(mine[name]!.shape).toEqual([...shape]);
      expectClose(toNumbers(mine[name]!.data), toNumbers(data), { rtol: 1e-4, atol: 2e-4, label: name });
    }
  });
});

describe("memory", () => {
  test("a run leaves no tensor behind; a session only its weights, until it is disposed of", async () => {
    const graph = new Graph("step");
    const x = graph.input("x", "float32", ["B", 4]);
    const labels = graph.input("labels", "int64", ["B"]);
    const w = graph.initializer("w", { dtype: "float32", shape: [4, 3], data: new Float32Array(12).fill(0.5) });
    const scale = graph.initializer("scale", { dtype: "float32", shape: [3], data: new Float32Array(3).fill(2) });
    const [loss] = graph.op.SoftmaxCrossEntropyLoss(graph.op.RMSNormalization(graph.op.MatMul(x, w), scale), labels);
    graph.output("loss", loss);
    graph.output("dx", gradients(graph, loss, [x])[0]!);
    const empty = engine.tensorCount();
    const session = await engine.load(graph);
    const loaded = engine.tensorCount();
    expect(loaded).toBeGreaterThanOrEqual(empty + 2);
    for (let B = 1; B < 6; B++) {
      const feeds = {
        x: floats([B, 4], Array.from({ length: 4 * B }, Math.sin)),
        labels: int64([B], new Array(B).fill(1)),
      };
      await session.run(feeds);
      await session.run(feeds, { outputs: ["loss"] });
      expect(engine.tensorCount()).toBe(loaded);
    }
    await session.dispose();
    expect(engine.tensorCount()).toBe(empty);
  });

  test("intermediate results are freed after their last use: a long chain needs no more than a short one", async () => {
    const most = async (length: number): Promise<number> => {
      const session = await engine.load(chain(length));
      const before = engine.tensorCount();
      let highest = 0;
      const counting = vi.spyOn(tf.engine(), "startScope").mockImplementation(function (this: object, name?: string) {
        highest = Math.max(highest, engine.tensorCount() - before);
        return start.call(tf.engine(), name);
      });
      try {
        await session.run({ x: floats([3], [1, 2, 3]) });
      } finally {
        counting.mockRestore();
        await session.dispose();
      }
      return highest;
    };
    const start = tf.engine().startScope;
    const short = await most(3);
    expect(short).toBeGreaterThan(0);
    expect(await most(60)).toBe(short);
  });

  const weightFile = path.join(folder, "weights.bin");
  fs.writeFileSync(weightFile, new Uint8Array(Float32Array.of(9, 9, 1, 2, 3, 4).buffer));
  const external = (offset: number): Graph => {
    const graph = new Graph("external");
    const tensor = { dtype: "float32", shape: [2, 2], file: weightFile, offset, byteLength: 16 } as const;
    graph.output("y", graph.op.MatMul(graph.input("x", "float32", ["B", 2]), graph.initializer("w", tensor)));
    return graph;
  };

  test("weights in files are read at their offset, once for all sessions, and freed with the last of them", async () => {
    const before = engine.tensorCount();
    const first = await engine.load(external(8));
    expect(engine.tensorCount()).toBe(before + 1);
    const second = await engine.load(external(8));
    expect(engine.tensorCount()).toBe(before + 1);
    await first.dispose();
    const { y } = await second.run({ x: floats([1, 2], [1, 10]) });
    expect(y!.data).toEqual(Float32Array.of(31, 42));
    await second.dispose();
    await second.dispose();
    expect(engine.tensorCount()).toBe(before);
  });

  test("a file that is too short, or missing, is named with the weight; nothing stays behind", async () => {
    const before = engine.tensorCount();
    await expect(engine.load(external(12))).rejects.toThrow(
      new EngineError(
        "external",
        `initializer w: ${weightFile} ends after 24 bytes; a constant of 16 bytes is expected at 12`,
      ),
    );
    expect(engine.tensorCount()).toBe(before);
  });

  test("feeds are copied before run() returns; reused outputs take the caller's memory", async () => {
    const session = await engine.load(chain(1));
    const x = Float32Array.of(0, 1);
    const target = new Float32Array(2);
    const run = session.run({ x: { dtype: "float32", shape: [2], data: x } }, { reuse: { y: target } });
    x.fill(5);
    expect(target.length).toBe(0);
    expectClose((await run).y!.data as Float32Array, [0, Math.tanh(1)], { rtol: 1e-5 });
    await session.dispose();
  });
});

describe("a run in the caller's thread", () => {
  test("ends between two nodes when it is aborted, rejects with the reason and frees everything", async () => {
    const session = await engine.load(chain(20_000));
    const before = engine.tensorCount();
    const controller = new AbortController();
    const started = performance.now();
    const whole = session.run({ x: floats([2], [1, 2]) });
    await whole;
    const full = performance.now() - started;
    const run = session.run({ x: floats([2], [1, 2]) }, { signal: controller.signal });
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), full / 10);
    const aborted = performance.now();
    await expect(run).rejects.toBe(reason);
    expect(performance.now() - aborted).toBeLessThan(full * 0.75);
    // A queued run is skipped, and what was aborted has been cleaned up by the time the next one has its turn.
    const skipped = session.run({ x: floats([2], [1, 2]) }, { signal: AbortSignal.abort(reason) });
    await expect(skipped).rejects.toBe(reason);
    const next = await engine.load(chain(1));
    await next.dispose();
    expect(engine.tensorCount()).toBe(before);
    await session.dispose();
  });

  test("lets timers fire meanwhile", async () => {
    const session = await engine.load(chain(20_000));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await session.run({ x: floats([2], [1, 2]) });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
    await session.dispose();
  });

  test("finds its backend again where other code has chosen another one", async ({ skip }) => {
    if (backend !== "wasm") skip("only one backend is here");
    const cpu = await tfjs({ backend: "cpu" });
    const [one, other] = [await engine.load(chain(2000)), await cpu.load(chain(2000))];
    const feeds = { x: floats([2], [1, 2]) };
    const results = await Promise.all([one.run(feeds), other.run(feeds), one.run(feeds), other.run(feeds)]);
    for (const { y } of results) expectClose(toNumbers(y!.data), toNumbers(results[0].y!.data), { rtol: 1e-4 });
    expect(tf.getBackend()).toBe("cpu");
    await cpu.dispose();
    expect(await one.run(feeds)).toEqual(results[0]);
    expect(tf.getBackend()).toBe("wasm");
    await one.dispose();
  });

  test("a disposed engine and a disposed session say so; runs that wait are rejected", async () => {
    const own = await openTfjs(backend);
    const before = own.tensorCount();
    const session = await own.load(chain(5000));
    const runs = [1, 2].map(() => session.run({ x: floats([1], [1]) }));
    const outcomes = Promise.allSettled(runs);
    await new Promise((resolve) => setTimeout(resolve, 1));
    await own.dispose();
    expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    await expect(own.load(chain(1))).rejects.toThrow("the engine has been disposed of");
    await session.dispose();
    await expect(session.run({ x: floats([1], [1]) })).rejects.toThrow("graph chain: the session has been disposed of");
    expect(own.tensorCount()).toBe(before);
  });

  test("unknown outputs and wrong feeds are refused as by every engine", async () => {
    const session = await engine.load(chain(1));
    const feeds = { x: floats([1], [1]) };
    await expect(session.run(feeds, { outputs: ["z"] })).rejects.toThrow(
      "graph chain: unknown output z; outputs are y",
    );
    await expect(session.run({})).rejects.toThrow("graph chain: input x: float32 [N] is missing");
    await session.dispose();
  });

  test("what TensorFlow.js cannot represent is refused at load, with the value", async () => {
    const wide = new Graph("wide");
    wide.output("y", wide.op.Exp(wide.input("x", "float32", [1, 1, 1, 1, 1, 1, 1])));
    await expect(engine.load(wide)).rejects.toThrow(
      "x: float32 [1, 1, 1, 1, 1, 1, 1]: TensorFlow.js has at most 6 dimensions",
    );
    const double = new Graph("double");
    double.output("y", double.op.Cast(double.input("x", "float32", [1]), "float64"));
    await expect(engine.load(double)).rejects.toThrow(
      "graph double, node Cast: Cast: float64 [1]: TensorFlow.js has no float64",
    );
  });
});
