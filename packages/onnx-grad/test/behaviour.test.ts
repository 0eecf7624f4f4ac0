// Corners where the standard, onnxruntime and PyTorch differ or say nothing: what this package does there, so that a
// change is noticed.
import {
  type Engine,
  Graph,
  type GraphError,
  gradients,
  onnxRuntime,
  type Tensor,
  type Value,
} from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toNumbers } from "./support/cases.js";

let engine: Engine;
beforeAll(() => {
  engine = onnxRuntime({ threads: 2 });
});
afterAll(() => engine.dispose());

async function evaluate(build: (graph: Graph) => Value, feeds: Record<string, Tensor> = {}): Promise<number[]> {
  const graph = new Graph("behaviour");
  graph.output("result", build(graph));
  const session = await engine.load(graph);
  const { result } = await session.run(feeds);
  await session.dispose();
  return toNumbers(result!.data);
}

const vector = (...numbers: number[]): Tensor => ({
  dtype: "float32",
  shape: [numbers.length],
  data: Float32Array.from(numbers),
});
const gradientOf = (f: (g: Graph, x: Value) => Value) => (graph: Graph) => {
  const x = graph.input("x", "float32", ["N"]);
  return gradients(graph, graph.op.ReduceSum(f(graph, x), undefined, { keepdims: 0 }), [x])[0]!;
};

describe("kinks and ties", () => {
  test("Relu, LeakyRelu and ThresholdedRelu take the slope from below at the kink; Abs takes 0", async () => {
    const x = { x: vector(0) };
    expect(
      await evaluate(
        gradientOf(({ op }, v) => op.Relu(v)),
        x,
      ),
    ).toEqual([0]);
    expect(
      await evaluate(
        gradientOf(({ op }, v) => op.LeakyRelu(v, { alpha: 0.5 })),
        x,
      ),
    ).toEqual([0.5]);
    expect(
      await evaluate(
        gradientOf(({ op }, v) => op.ThresholdedRelu(v, { alpha: 1 })),
        { x: vector(1) },
      ),
    ).toEqual([0]);
    expect(
      await evaluate(
        gradientOf(({ op }, v) => op.Abs(v)),
        x,
      ),
    ).toEqual([0]);
  });

  test("ReduceMax shares evenly among equal elements, as torch.amax does (torch.max picks one)", async () => {
    const maximum = gradientOf(({ op }, v) => op.ReduceMax(v));
    expect(await evaluate(maximum, { x: vector(3, 1, 3, 3) })).toEqual([1 / 3, 0, 1 / 3, 1 / 3].map(Math.fround));
  });

  test("Max of three equal operands gives a third each, where chained torch.maximum would give 1/4, 1/4, 1/2", async () => {
    const first = gradientOf(({ op }, v) => op.Max(v, op.vector([2]), op.vector([2])));
    expect(await evaluate(first, { x: vector(2) })).toEqual([Math.fround(1 / 3)]);
  });

  test("Clip gives 0 at a bound, as torch.clamp with number bounds does", async () => {
    expect(
      await evaluate(
        gradientOf(({ op }, v) => op.Clip(v, -1, 1)),
        { x: vector(-1, 0, 1) },
      ),
    ).toEqual([0, 1, 0]);
  });

  test("the gradient of ReduceL2 at zero is 0", async () => {
    expect(
      await evaluate(
        gradientOf(({ op }, v) => op.ReduceL2(v)),
        { x: vector(0, 0) },
      ),
    ).toEqual([0, 0]);
  });

  test("a negative base to a fractional power is NaN, and so is its gradient; an integer power is fine", async () => {
    const power = (exponent: number) => gradientOf(({ op }, v) => op.Pow(v, exponent));
    expect(await evaluate(power(0.5), { x: vector(-2) })).toEqual([Number.NaN]);
    expect(await evaluate(power(3), { x: vector(-2) })).toEqual([12]);
  });
});

describe("nothing and infinity", () => {
  const nothing: Record<string, Tensor> = { x: { dtype: "float32", shape: [2, 0], data: new Float32Array(0) } };
  const over = (reduce: (op: Graph["op"], x: Value) => Value) => (graph: Graph) =>
    reduce(graph.op, graph.input("x", "float32", [2, "N"]));

  test("onnxruntime's mean over nothing is 0 (PyTorch: NaN), its sum 0, its maximum −∞ (PyTorch: an error)", async () => {
    expect(
      await evaluate(
        over((op, x) => op.ReduceMean(x, [1])),
        nothing,
      ),
    ).toEqual([0, 0]);
    expect(
      await evaluate(
        over((op, x) => op.ReduceSum(x, [1])),
        nothing,
      ),
    ).toEqual([0, 0]);
    expect(
      await evaluate(
        over((op, x) => op.ReduceMax(x, [1])),
        nothing,
      ),
    ).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  test("a row of scores that is masked wholly by −∞ gives NaN; a large finite number gives even shares", async () => {
    const masked = (mask: number) => (graph: Graph) =>
      graph.op.Softmax(graph.op.Add(graph.input("x", "float32", [2]), mask));
    expect(await evaluate(masked(Number.NEGATIVE_INFINITY), { x: vector(1, 1) })).toEqual([Number.NaN, Number.NaN]);
    expect(await evaluate(masked(-1e9), { x: vector(1, 1) })).toEqual([0.5, 0.5]);
  });

  test("mean losses whose labels are all ignored are NaN, as in PyTorch", async () => {
    const loss = (graph: Graph) => {
      const labels = graph.constant([-100], { dtype: "int64" });
      const logits = graph.op.Unsqueeze(graph.input("x", "float32", [3]), [0]);
      return graph.op.SoftmaxCrossEntropyLoss(logits, labels, undefined, { ignore_index: -100 })[0];
    };
    expect(await evaluate(loss, { x: vector(1, 2, 3) })).toEqual([Number.NaN]);
  });
});

describe("sums with many addends for one place", () => {
  const rows = 100_000;
  const run = async (build: (graph: Graph, zeros: Value, indices: Value, updates: Value) => Value, depth: number) => {
    const graph = new Graph("scatter");
    const zeros = graph.input("zeros", "float32", [3, 2]);
    const indices = graph.input("indices", "int64", [rows, depth]);
    const updates = graph.input("updates", "float32", [rows, 2]);
    graph.output("sum", build(graph, zeros, indices, updates));
    const session = await engine.load(graph);
    const feeds: Record<string, Tensor> = {
      zeros: { dtype: "float32", shape: [3, 2], data: new Float32Array(6) },
      indices: {
        dtype: "int64",
        shape: [rows, depth],
        data: BigInt64Array.from({ length: rows * depth }, (_, i) => BigInt(Math.floor(i / depth) % 3)),
      },
      updates: {
        dtype: "float32",
        shape: [rows, 2],
        data: Float32Array.from({ length: rows * 2 }, (_, i) => Math.sin(i)),
      },
    };
    const results: number[][] = [];
    for (let i = 0; i < 5; i++) results.push(toNumbers((await session.run(feeds)).sum!.data));
    await session.dispose();
    return results;
  };
  const exact = [0, 1, 2].flatMap((row) =>
    [0, 1].map((column) => {
      let sum = 0;
      for (let i = row; i < rows; i += 3) sum += Math.sin(2 * i + column);
      return sum;
    }),
  );

  test.each([
    [
      "ScatterElements",
      2,
      (g: Graph, z: Value, i: Value, u: Value) => g.op.ScatterElements(z, i, u, { axis: 0, reduction: "add" }),
    ],
    ["ScatterND", 1, (g: Graph, z: Value, i: Value, u: Value) => g.op.ScatterND(z, i, u, { reduction: "add" })],
  ] as const)("%s adds every one, in the same order on every run", async (_, depth, build) => {
    const results = await run(build, depth);
    for (const result of results) expect(result).toEqual(results[0]);
    results[0]!.forEach((value, i) => {
      expect(value).toBeCloseTo(exact[i]!, 2);
    });
  });
});

describe("what is known about integers", () => {
  test("numbers beyond 2^53 are never rounded: they count as unknown", () => {
    const graph = new Graph("big");
    const huge = graph.initializer("huge", { dtype: "int64", shape: [1], data: BigInt64Array.of(2n ** 53n + 1n) });
    expect(huge.content).toBeUndefined();
    expect(graph.initializer("small", { dtype: "int64", shape: [1], data: BigInt64Array.of(-7n) }).content).toEqual([
      -7,
    ]);
    expect(() => graph.op.Reshape(graph.input("x", "float32", [4]), huge)).toThrow(
      "the target shape must be a constant",
    );
  });

  test("sizes stay known through Shape, Gather, Slice, Concat, Squeeze, Unsqueeze, Cast-free arithmetic and Range", async () => {
    const graph = new Graph("sizes");
    const { op } = graph;
    const x = graph.input("x", "float32", ["B", "T", 6]);
    const shape = op.Shape(x);
    const rows = op.Mul(op.Gather(shape, op.ints([0])), op.Slice(shape, [1], [2]));
    const target = op.Concat([op.Unsqueeze(op.Squeeze(rows, [0]), [0]), op.ints([2, 3])], { axis: 0 });
    expect(op.Reshape(x, target).shape).toEqual(["B*T", 2, 3]);
    const positions = op.Range(op.scalar(0, "int64"), op.Squeeze(rows, [0]), op.scalar(1, "int64"));
    expect(positions.shape).toEqual(["B*T"]);
    graph.output("result", positions);
    const session = await engine.load(graph);
    const { result } = await session.run({ x: { dtype: "float32", shape: [2, 3, 6], data: new Float32Array(36) } });
    expect(toNumbers(result!.data)).toEqual([0, 1, 2, 3, 4, 5]);
    await session.dispose();
  });

  test("concatenated symbols add up, and their gradient is cut at the symbol", async () => {
    const graph = new Graph("concat");
    const [p, t] = [graph.input("p", "float32", ["P"]), graph.input("t", "float32", ["T"])];
    const joined = graph.op.Concat([p, t], { axis: 0 });
    expect(joined.shape).toEqual(["P+T"]);
    const loss = graph.op.ReduceSum(graph.op.Mul(joined, joined), undefined, { keepdims: 0 });
    const [dp, dt] = gradients(graph, loss, [p, t]);
    graph.output("dp", dp!);
    graph.output("dt", dt!);
    const session = await engine.load(graph);
    const results = await session.run({ p: vector(1, 2), t: vector(5) });
    expect([toNumbers(results.dp!.data), toNumbers(results.dt!.data)]).toEqual([[2, 4], [10]]);
    await session.dispose();
  });
});

test("a GRU with a symbolic batch is differentiated", async () => {
  const graph = new Graph("gru");
  const x = graph.input("x", "float32", [2, "B", 1]);
  const w = graph.constant([0.1, 0.2, 0.3], { shape: [1, 3, 1] });
  const [, last] = graph.op.GRU([x, w, w], { hidden_size: 1 });
  const [dx] = gradients(graph, graph.op.ReduceSum(last, undefined, { keepdims: 0 }), [x]);
  graph.output("dx", dx!);
  const session = await engine.load(graph);
  const run = async (batch: number) =>
    toNumbers(
      (
        await session.run({
          x: { dtype: "float32", shape: [2, batch, 1], data: new Float32Array(2 * batch).fill(0.5) },
        })
      ).dx!.data,
    );
  const [one, three] = [await run(1), await run(3)];
  expectClose(three, [one[0]!, one[0]!, one[0]!, one[1]!, one[1]!, one[1]!], { rtol: 1e-6 });
  expect(one[1]).toBeGreaterThan(0);
  await session.dispose();
});

test("Dropout in training: what is kept is scaled, and the gradient passes through the mask of the same run", async () => {
  const graph = new Graph("dropout");
  const [x, dy] = [graph.input("x", "float32", ["N"]), graph.input("dy", "float32", ["N"])];
  const training = graph.input("training", "bool", []);
  const [y, mask] = graph.op.Dropout(x, 0.25, training);
  graph.output("y", y);
  graph.output("mask", mask);
  graph.output("dx", gradients(graph, y, [x], dy)[0]!);
  const session = await engine.load(graph);
  const count = 4000;
  const feeds = {
    x: vector(...new Array<number>(count).fill(3)),
    dy: vector(...Array.from({ length: count }, (_, i) => i + 1)),
  };
  const run = (flag: number) =>
    session.run({ ...feeds, training: { dtype: "bool", shape: [], data: Uint8Array.of(flag) } });
  const trained = await run(1);
  const kept = toNumbers(trained.mask!.data);
  const share = kept.reduce((a, b) => a + b, 0) / count;
  expect(Math.abs(share - 0.75)).toBeLessThan(0.04);
  expectClose(
    toNumbers(trained.y!.data),
    kept.map((keep) => keep * 4),
    { rtol: 1e-6 },
  );
  expectClose(
    toNumbers(trained.dx!.data),
    kept.map((keep, i) => (keep * (i + 1)) / 0.75),
    { rtol: 1e-6 },
  );
  const inference = await run(0);
  expect(inference.y!.data).toEqual(feeds.x.data);
  expect(inference.dx!.data).toEqual(feeds.dy.data);
  await session.dispose();
});

test("GraphError carries the graph's name", () => {
  const error = ((): GraphError => {
    try {
      new Graph("named").node("Nope", []);
    } catch (thrown) {
      return thrown as GraphError;
    }
    throw new Error("nothing was thrown");
  })();
  expect(error).toMatchObject({ name: "GraphError", graph: "named" });
});
