// The onnxruntime engine from outside: freedom of the event loop, cancellation, reuse, disposal, errors, memory,
// memory-mapped weights.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Engine,
  EngineError,
  type Feeds,
  Graph,
  gradients,
  matmulRate,
  onnxRuntime,
  type Session,
  type Tensor,
} from "@cllm4rec/onnx-grad";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let engine: Engine;
let folder: string;
beforeAll(() => {
  engine = onnxRuntime({ threads: 1 });
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "onnx-grad-"));
});
afterAll(async () => {
  await engine.dispose();
  fs.rmSync(folder, { recursive: true });
});

const floats = (shape: readonly number[], fill: (i: number) => number = (i) => i): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(i)),
});

function incrementGraph(name = "increment"): Graph {
  const graph = new Graph(name);
  graph.output("y", graph.op.Add(graph.input("x", "float32", ["B", 2]), 1));
  return graph;
}

const size = 512;
/** A graph that keeps one core busy for a tenth of a second or more. */
function busyGraph(): Graph {
  const graph = new Graph("busy");
  const x = graph.input("x", "float32", [size, size]);
  let y = x;
  for (let i = 0; i < 60; i++) y = graph.op.MatMul(y, x);
  graph.output("y", graph.op.ReduceMax(y));
  return graph;
}
const busyFeeds = (): Feeds => ({ x: floats([size, size], () => 1 / size) });

describe("runs", () => {
  test("the event loop stays free during a long run", async () => {
    const session = await engine.load(busyGraph());
    const started = performance.now();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    await session.run(busyFeeds());
    clearInterval(timer);
    const elapsed = performance.now() - started;
    expect(elapsed).toBeGreaterThan(40);
    expect(ticks).toBeGreaterThan(Math.min(10, elapsed / 20));
    await session.dispose();
  });

  test("feeds may be changed as soon as run() has returned its promise, be views, and lie in shared memory", async () => {
    const session = await engine.load(incrementGraph());
    const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const pending = session.run({ x: { dtype: "float32", shape: [1, 2], data } });
    data.fill(100);
    expect((await pending).y!.data).toEqual(Float32Array.of(2, 3));
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared.set([4, 5]);
    expect((await session.run({ x: { dtype: "float32", shape: [1, 2], data: shared } })).y!.data).toEqual(
      Float32Array.of(5, 6),
    );
    expect(shared).toHaveLength(2);
    await session.dispose();
  });

  test("only the outputs asked for come back, and every result is its own memory", async () => {
    const graph = incrementGraph();
    graph.output("z", graph.op.Neg(graph.inputs.get("x")!));
    graph.output("x_again", graph.inputs.get("x")!);
    const session = await engine.load(graph);
    const feeds = { x: floats([1, 2]) };
    expect(Object.keys(await session.run(feeds, { outputs: ["z"] }))).toEqual(["z"]);
    const [first, second] = [await session.run(feeds), await session.run(feeds)];
    (first.y!.data as Float32Array).fill(7);
    expect(second.y!.data).toEqual(Float32Array.of(1, 2));
    expect(second.x_again!.data).toEqual(Float32Array.of(0, 1));
    await session.dispose();
  });

  test("outputs are written into the memory passed in, which is detached meanwhile", async () => {
    const session = await engine.load(incrementGraph());
    const array = new Float32Array(4);
    const buffer = array.buffer;
    const pending = session.run({ x: floats([2, 2]) }, { reuse: { y: array } });
    expect(buffer.byteLength).toBe(0);
    const { y } = await pending;
    expect(y).toEqual({ dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
    const again = await session.run({ x: floats([2, 2], () => 5) }, { reuse: { y: y!.data } });
    expect(y!.data).toHaveLength(0);
    expect(again.y!.data).toEqual(Float32Array.of(6, 6, 6, 6));
    await session.dispose();
  });

  test.each([
    [
      "a wrong length",
      () => new Float32Array(3),
      "array to reuse for output y: 3 elements for shape [2, 2], expected 4",
    ],
    [
      "a wrong type",
      () => new Float64Array(4),
      "array to reuse for output y: float32 is carried by a Float32Array, not a Float64Array",
    ],
    [
      "a view",
      () => new Float32Array(5).subarray(1),
      "array to reuse for output y: it must own its whole buffer, no view",
    ],
  ] as const)("an array to reuse with %s is refused and stays whole", async (_, make, message) => {
    const session = await engine.load(incrementGraph());
    const array = make();
    const { length } = array;
    await expect(session.run({ x: floats([2, 2]) }, { reuse: { y: array } })).rejects.toThrow(
      new EngineError("increment", message),
    );
    expect(array).toHaveLength(length);
    await session.dispose();
  });

  test("many sessions, runs interleaved, each with its own answer", async () => {
    const sessions = await Promise.all(
      Array.from({ length: 40 }, (_, i) => {
        const graph = new Graph(`add ${i}`);
        graph.output("y", graph.op.Add(graph.input("x", "float32", [1]), i));
        return engine.load(graph);
      }),
    );
    const runs = Array.from({ length: 200 }, (_, i) => sessions[i % 40]!.run({ x: floats([1], () => 1000 * i) }));
    (await Promise.all(runs)).forEach(({ y }, i) => {
      expect(y!.data[0]).toBe(1000 * i + (i % 40));
    });
    await Promise.all(sessions.map((session) => session.dispose()));
  });

  test("large feeds of changing sizes and values, several under way at once, each with its own answer", async () => {
    const session = await engine.load(incrementGraph());
    // Copies of feeds of 64 KiB and more go from run to run.
    const sizes = [8192, 8192, 20_000, 8192, 3, 20_000, 8192, 8192];
    for (let round = 0; round < 3; round++) {
      const shared = floats([20_000, 2]);
      const runs = sizes.map((rows, i) => {
        const x = {
          ...floats([rows, 2]),
          data: (shared.data as Float32Array).subarray(0, rows * 2).fill(i + 10 * round),
        };
        return session.run({ x });
      });
      (await Promise.all(runs)).forEach(({ y }, i) => {
        expect(y!.data).toEqual(new Float32Array(sizes[i]! * 2).fill(i + 10 * round + 1));
      });
      expect(shared.data).toHaveLength(40_000);
    }
    await session.dispose();
  });

  test("500 runs leave memory bounded", async () => {
    const session = await engine.load(incrementGraph());
    const rows = 1 << 18; // 2 MiB in, 2 MiB out: 2 GiB in all
    const feeds = { x: floats([rows, 2]) };
    for (let i = 0; i < 50; i++) await session.run(feeds);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 500; i++) await session.run(feeds);
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * 2 ** 20);
    await session.dispose();
  });
});

describe("cancellation", () => {
  const reason = new Error("enough");

  test("before the start", async () => {
    const session = await engine.load(incrementGraph());
    const signal = AbortSignal.abort(reason);
    await expect(session.run({ x: floats([1, 2]) }, { signal })).rejects.toBe(reason);
    await expect(engine.load(incrementGraph(), { signal })).rejects.toBe(reason);
    await session.dispose();
  });

  test("while queued: rejected at once, never computed", async () => {
    const session = await engine.load(busyGraph());
    const feeds = busyFeeds();
    const single = performance.now();
    await session.run(feeds);
    const alone = performance.now() - single;
    const controller = new AbortController();
    const started = performance.now();
    const first = session.run(feeds);
    const waiting = Array.from({ length: 8 }, () => session.run(feeds, { signal: controller.signal }));
    controller.abort(reason);
    for (const run of waiting) await expect(run).rejects.toBe(reason);
    expect(performance.now() - started).toBeLessThan(alone * 0.8);
    await first;
    await session.run(feeds);
    expect(performance.now() - started).toBeLessThan(alone * 6); // 2 runs, not 10
    await session.dispose();
  });

  test("while running: rejected at once, and the session goes on", async () => {
    const session = await engine.load(busyGraph());
    const controller = new AbortController();
    const pending = session.run(busyFeeds(), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 10);
    await expect(pending).rejects.toBe(reason);
    expect((await session.run(busyFeeds())).y!.data[0]).toBeCloseTo(1 / size, 6);
    await session.dispose();
  });

  test("a signal aborted after the end does nothing", async () => {
    const session = await engine.load(incrementGraph());
    const controller = new AbortController();
    await session.run({ x: floats([1, 2]) }, { signal: controller.signal });
    controller.abort(reason);
    expect((await session.run({ x: floats([1, 2]) })).y!.data).toEqual(Float32Array.of(1, 2));
    await session.dispose();
  });
});

describe("disposal", () => {
  test("a disposed session refuses runs, those under way finish", async () => {
    const session = await engine.load(incrementGraph());
    const pending = session.run({ x: floats([1, 2]) });
    await session.dispose();
    expect((await pending).y!.data).toEqual(Float32Array.of(1, 2));
    await expect(session.run({ x: floats([1, 2]) })).rejects.toThrow(
      "graph increment: the session has been disposed of",
    );
    await expect(session.dispose()).resolves.toBeUndefined();
  });

  test("a disposed engine refuses everything, what waits is rejected", async () => {
    const other = onnxRuntime({ threads: 1 });
    const session = await other.load(busyGraph());
    const pending = session.run(busyFeeds());
    const rejected = expect(pending).rejects.toThrow("graph busy: the engine has been disposed of");
    await other.dispose();
    await rejected;
    await expect(session.run(busyFeeds())).rejects.toThrow("graph busy: the engine has been disposed of");
    await expect(other.load(incrementGraph())).rejects.toThrow("graph increment: the engine has been disposed of");
    await expect(session.dispose()).resolves.toBeUndefined();
    await expect(other.dispose()).resolves.toBeUndefined();
  });

  const runScript = (code: string, module: boolean) =>
    spawnSync(process.execPath, [...(module ? ["--input-type=module"] : []), "--eval", code], {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      encoding: "utf8",
      timeout: 30_000,
    });
  const body = `
    const graph = new Graph();
    graph.output("y", graph.op.Add(graph.input("x", "float32", [1]), 1));
    onnxRuntime({ threads: 1 }).load(graph).then(async (session) => {
      const { y } = await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(41) } });
      console.log(y.data[0]);
    });`;

  test("a process ends by itself without disposing of anything", () => {
    const { status, stdout, stderr } = runScript(
      `import { Graph, onnxRuntime } from "@cllm4rec/onnx-grad"; ${body}`,
      true,
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "42\n", stderr: "" });
  });

  test("process.exit() in the middle of a run ends the process cleanly", () => {
    const { status, signal, stderr } = runScript(
      `import { Graph, onnxRuntime } from "@cllm4rec/onnx-grad";
      const graph = new Graph();
      const x = graph.input("x", "float32", [512, 512]);
      let y = x;
      for (let i = 0; i < 60; i++) y = graph.op.MatMul(y, x);
      graph.output("y", y);
      const session = await onnxRuntime({ threads: 1 }).load(graph);
      const run = () => session.run({ x: { dtype: "float32", shape: [512, 512], data: new Float32Array(512 * 512) } });
      setTimeout(() => process.exit(3), 20);
      await Promise.all([run(), run(), run()]);`,
      true,
    );
    expect({ status, signal, stderr }).toEqual({ status: 3, signal: null, stderr: "" });
  });

  test("CommonJS can require the package", () => {
    const { status, stdout } = runScript(
      `const { Graph, onnxRuntime } = require("@cllm4rec/onnx-grad"); ${body}`,
      false,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: "42\n" });
  });
});

describe("errors", () => {
  const badFeeds: readonly (readonly [string, Feeds, string])[] = [
    ["a missing input", {}, "graph increment: input x: float32 [B, 2] is missing"],
    ["an unknown input", { x: floats([1, 2]), z: floats([1]) }, "graph increment: unknown input z; inputs are x"],
    ["a wrong rank", { x: floats([2]) }, "graph increment: input x: float32 [2] given, float32 [B, 2] expected"],
    ["a wrong size", { x: floats([1, 3]) }, "graph increment: input x: float32 [1, 3] given, float32 [B, 2] expected"],
    [
      "a wrong element type",
      { x: { dtype: "float64", shape: [1, 2], data: new Float64Array(2) } },
      "graph increment: input x: float64 [1, 2] given, float32 [B, 2] expected",
    ],
    [
      "too little data",
      { x: { dtype: "float32", shape: [3, 2], data: new Float32Array(4) } },
      "graph increment: input x: 4 elements for shape [3, 2], expected 6",
    ],
    [
      "another typed array",
      { x: { dtype: "float32", shape: [1, 2], data: new Int32Array(2) } },
      "graph increment: input x: float32 is carried by a Float32Array, not a Int32Array",
    ],
  ];
  test.each(badFeeds)("%s", async (_, feeds, message) => {
    const session = await engine.load(incrementGraph());
    await expect(session.run(feeds)).rejects.toThrow(
      new EngineError("increment", message.replace("graph increment: ", "")),
    );
    await session.dispose();
  });

  test("sizes that contradict one another, an expression declared before its symbols included", async () => {
    const graph = new Graph("sizes");
    const whole = graph.input("whole", "float32", ["P+T"]);
    const [p, t] = [graph.input("p", "float32", ["P"]), graph.input("t", "float32", ["T"])];
    graph.output("y", graph.op.Add(whole, graph.op.Concat([p, t], { axis: 0 })));
    const session = await engine.load(graph);
    const run = (n: number) => session.run({ whole: floats([n]), p: floats([2]), t: floats([3]) });
    expect((await run(5)).y!.data).toEqual(Float32Array.of(0, 2, 2, 4, 6));
    await expect(run(4)).rejects.toThrow(
      "graph sizes: input whole: float32 [4] given, float32 [P+T] expected (P+T = 5)",
    );
    await session.dispose();
  });

  test("an unknown output", async () => {
    const session = await engine.load(incrementGraph());
    await expect(session.run({ x: floats([1, 2]) }, { outputs: ["q"] })).rejects.toThrow(
      "graph increment: unknown output q; outputs are y",
    );
    await session.dispose();
  });

  test("an index out of range at run time names graph and node", async () => {
    const graph = new Graph("lookup");
    const table = graph.input("table", "float32", [3, 2]);
    const indices = graph.input("indices", "int64", ["N"]);
    graph.output(
      "rows",
      graph.scope("embedding", () => graph.op.Gather(table, indices)),
    );
    const session = await engine.load(graph);
    const run = (index: bigint) =>
      session.run({ table: floats([3, 2]), indices: { dtype: "int64", shape: [1], data: BigInt64Array.of(index) } });
    const error: unknown = await run(7n).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(EngineError);
    expect(error).toMatchObject({ graph: "lookup", node: "embedding/Gather" });
    expect((error as Error).message).toMatch(
      /^graph lookup, node embedding\/Gather: .*idx=7 must be within the inclusive range \[-3,2\]/s,
    );
    expect((await run(2n)).rows!.data).toEqual(Float32Array.of(4, 5));
    await session.dispose();
  });

  test("a graph that the engine can't load names graph and node", async () => {
    const graph = new Graph("doubles");
    graph.output(
      "y",
      graph.scope("head", () => graph.op.Elu(graph.input("x", "float64", [2]))),
    );
    const error: unknown = await engine.load(graph).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(EngineError);
    expect(error).toMatchObject({ graph: "doubles", node: "head/Elu" });
  });

  test("a missing weight file is named", async () => {
    const graph = new Graph("lost");
    const file = path.join(folder, "absent.safetensors");
    graph.output(
      "y",
      graph.op.Neg(graph.initializer("w", { dtype: "float32", shape: [2], file, offset: 0, byteLength: 8 })),
    );
    await expect(engine.load(graph)).rejects.toThrow(/^graph lost: .*absent\.safetensors/s);
  });

  test("a weight beyond the end of its file is refused", async () => {
    const file = path.join(folder, "short.bin");
    fs.writeFileSync(file, new Uint8Array(16));
    const graph = new Graph("short");
    graph.output(
      "y",
      graph.op.Neg(graph.initializer("w", { dtype: "float32", shape: [4], file, offset: 8, byteLength: 16 })),
    );
    await expect(engine.load(graph)).rejects.toThrow(EngineError);
  });

  test("after errors the engine still works", async () => {
    const session: Session = await engine.load(incrementGraph());
    expect((await session.run({ x: floats([1, 2]) })).y!.data).toEqual(Float32Array.of(1, 2));
    await session.dispose();
  });
});

test("matmulRate measures at least once a run and takes the median", async () => {
  const rate = await matmulRate(engine, { rows: 64, width: 64, products: 4 });
  expect(rate.median()).toBeNaN();
  const measured = [await rate.measure(), await rate.measure(), await rate.measure()];
  for (const value of measured) expect(value).toBeGreaterThan(0);
  expect(rate.median()).toBe(measured.toSorted((a, b) => a - b)[1]);
  await rate.dispose();
  await expect(rate.measure()).rejects.toThrow("graph matmul rate: the session has been disposed of");
});

describe("weights in a safetensors file", () => {
  test("are read from their offsets, in several folders, and their bytes stay the same through a training step", async () => {
    const header = Buffer.from(
      JSON.stringify({
        w: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
        b: { dtype: "F32", shape: [3], data_offsets: [24, 36] },
      }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const values = Float32Array.from({ length: 9 }, (_, i) => i + 1);
    const bytes = Buffer.concat([length, header, Buffer.from(values.buffer)]);
    const files = ["one", "two/deep"].map((name) => {
      const file = path.join(folder, name, "model.safetensors");
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, bytes);
      return file;
    });
    const digest = (file: string) => createHash("sha256").update(fs.readFileSync(file)).digest("hex");
    const before = files.map(digest);

    const graph = new Graph("affine");
    const { op } = graph;
    const start = 8 + header.length;
    const x = graph.input("x", "float32", ["B", 2]);
    const w = graph.initializer("w", {
      dtype: "float32",
      shape: [2, 3],
      file: files[0]!,
      offset: start,
      byteLength: 24,
    });
    const b = graph.initializer("b", {
      dtype: "float32",
      shape: [3],
      file: files[1]!,
      offset: start + 24,
      byteLength: 12,
    });
    const y = op.Add(op.MatMul(x, w), b);
    const loss = op.ReduceSum(op.Mul(y, y), undefined, { keepdims: 0 });
    graph.output("y", y);
    gradients(graph, loss, [x]).forEach((gradient) => {
      graph.output("dx", gradient);
    });
    const session = await engine.load(graph);
    const result = await session.run({ x: floats([1, 2], () => 1) });
    // y = [1+4, 2+5, 3+6] + [7, 8, 9]; dx = 2·y·Wᵀ
    expect(result.y!.data).toEqual(Float32Array.of(12, 15, 18));
    expect(result.dx!.data).toEqual(Float32Array.of(2 * (12 + 30 + 54), 2 * (48 + 75 + 108)));
    await session.dispose();
    expect(files.map(digest)).toEqual(before);
  });
});
