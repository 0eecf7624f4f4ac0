// Tensors that stay where the engine computes: in the CPU engine's thread, and in GPU buffers with WebGPU (where it can
// be used).
import { type Engine, Graph, type OnnxRuntimeEngine, onnxRuntime, type Tensor } from "@cllm4rec/onnx-grad";
import { isThorough, webGpuIsSoftware, webGpuUsable } from "@cllm4rec/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const floats = (shape: readonly number[], fill: (i: number) => number = (i) => i): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(i)),
});

/** state' = 2·state + x; the sum of it comes back every time. */
function recurrence(): Graph {
  const graph = new Graph("recurrence");
  const { op } = graph;
  const next = op.Add(op.Mul(graph.input("state", "float32", ["N", 2]), 2), graph.input("x", "float32", [2]));
  graph.output("next", next);
  graph.output("sum", op.ReduceSum(next, undefined, { keepdims: 0 }));
  return graph;
}

describe.each(webGpuUsable() ? (["cpu", "webgpu"] as const) : (["cpu"] as const))("%s", (executionProvider) => {
  let engine: OnnxRuntimeEngine;
  beforeAll(() => {
    engine = onnxRuntime({ executionProvider, threads: 1 });
  });
  afterAll(() => engine.dispose());

  test("an output of one step is an input of the next, and never comes here", async () => {
    const session = await engine.load(recurrence(), { onDevice: ["next"] });
    let state = await engine.place(floats([3, 2]));
    expect(state).toMatchObject({ dtype: "float32", shape: [3, 2] });
    const expected = [0, 1, 2, 3, 4, 5];
    for (let step = 0; step < 20; step++) {
      const { tensors, onDevice } = await session.runOnDevice({ state, x: floats([2], () => step) });
      expected.forEach((value, i) => {
        expected[i] = 2 * value + step;
      });
      expect(Object.keys(tensors)).toEqual(["sum"]);
      expect(tensors.sum!.data[0]).toBe(Math.fround(expected.reduce((a, b) => a + b)));
      await state.dispose();
      state = onDevice.next!;
    }
    expect(await state.read()).toEqual({ dtype: "float32", shape: [3, 2], data: Float32Array.from(expected) });
    await session.dispose();
  });

  test("a tensor that is placed once serves many runs of several sessions, together with tensors from here", async () => {
    const data = floats([2, 2], (i) => i + 1);
    const state = await engine.place(data);
    (data.data as Float32Array).fill(100); // a copy was placed
    const sessions = [await engine.load(recurrence()), await engine.load(recurrence())];
    for (const session of sessions) {
      for (const x of [0, 5]) {
        const { next } = await session.run({ state, x: floats([2], () => x) });
        expect(next!.data).toEqual(Float32Array.of(2 + x, 4 + x, 6 + x, 8 + x));
      }
    }
    await sessions[0]!.dispose();
    expect((await state.read()).data).toEqual(Float32Array.of(1, 2, 3, 4));
    await sessions[1]!.dispose();
  });

  test("integers, scalars and tensors of no elements", async () => {
    const tensors: Tensor[] = [
      { dtype: "int32", shape: [3], data: Int32Array.of(-1, 0, 7) },
      { dtype: "int64", shape: [2], data: BigInt64Array.of(-5n, 2n ** 40n) },
      { dtype: "float32", shape: [], data: Float32Array.of(0.5) },
      { dtype: "float32", shape: [0, 4], data: new Float32Array(0) },
    ];
    for (const tensor of tensors) expect(await (await engine.place(tensor)).read()).toEqual(tensor);
  });

  test("what has been disposed of is refused, and so are other engines' tensors", async () => {
    const session = await engine.load(recurrence(), { onDevice: ["next"] });
    const feeds = { state: floats([1, 2]), x: floats([2]) };
    const placed = await engine.place(feeds.state);
    await placed.dispose();
    await placed.dispose();
    await expect(session.run({ ...feeds, state: placed })).rejects.toThrow(
      "graph recurrence: a tensor on the device has been disposed of",
    );
    const { onDevice } = await session.runOnDevice(feeds);
    await session.dispose();
    await expect(onDevice.next!.read()).rejects.toThrow("has been disposed of");
    const other = onnxRuntime({ threads: 1 });
    const foreign = await other.load(recurrence());
    const state = await engine.place(feeds.state);
    await expect(foreign.run({ ...feeds, state })).rejects.toThrow(
      "graph recurrence: input state: the tensor is on the device of another engine",
    );
    await other.dispose();
  });

  test("shapes are checked, and outputs that stay are not handed out by run()", async () => {
    const session = await engine.load(recurrence(), { onDevice: ["next"] });
    const state = await engine.place(floats([2, 3]));
    await expect(session.run({ state, x: floats([2]) })).rejects.toThrow(
      "graph recurrence: input state: float32 [2, 3] given, float32 [N, 2] expected",
    );
    const feeds = { state: floats([1, 2]), x: floats([2]) };
    expect(Object.keys(await session.run(feeds))).toEqual(["sum"]);
    await expect(session.run(feeds, { outputs: ["next"] })).rejects.toThrow("output next stays on the device");
    await expect(session.runOnDevice(feeds, { reuse: { next: new Float32Array(2) } })).rejects.toThrow(
      "output next stays on the device, so that no array can be reused for it",
    );
    await expect(engine.load(recurrence(), { onDevice: ["q"] })).rejects.toThrow(
      "graph recurrence: unknown output q; outputs are next, sum",
    );
    await session.dispose();
  });

  // In software, 400 runs take too long for every day.
  const isSlow = executionProvider === "webgpu" && webGpuIsSoftware() && !isThorough;
  test.skipIf(isSlow)("what an aborted run kept is freed", async () => {
    const session = await engine.load(recurrence(), { onDevice: ["next"] });
    const [placed, x] = [await engine.place(floats([1 << 17, 2])), floats([2])]; // 1 MiB
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 400; i++) {
      const controller = new AbortController();
      const aborted = session.runOnDevice({ state: placed, x }, { signal: controller.signal });
      setTimeout(() => controller.abort(new Error("enough")), i % 2); // some of them before they have begun
      const outcome = await aborted.catch((error: Error) => error.message);
      if (typeof outcome !== "string") await outcome.onDevice.next!.dispose();
      await session.run({ state: placed, x });
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 2 ** 20); // of 400 MiB
    await session.dispose();
  });

  test("300 steps on the device leave memory bounded", async () => {
    const session = await engine.load(recurrence(), { onDevice: ["next"] });
    const x = floats([2], () => 0);
    const step = async (state: Awaited<ReturnType<OnnxRuntimeEngine["place"]>>) => {
      const { onDevice } = await session.runOnDevice({ state, x });
      await state.dispose();
      return onDevice.next!;
    };
    let state = await engine.place(floats([1 << 17, 2], () => 0)); // 1 MiB
    for (let i = 0; i < 40; i++) state = await step(state);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 300; i++) state = await step(state);
    expect(process.memoryUsage.rss() - before).toBeLessThan(60 * 2 ** 20); // of 300 MiB
    await session.dispose();
  });
});

test("an engine with tensors on the device is an engine like any other", () => {
  const engine: Engine = onnxRuntime({ threads: 1 });
  return engine.dispose();
});
