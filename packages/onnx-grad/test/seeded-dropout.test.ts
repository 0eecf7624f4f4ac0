// Seeded dropout: share and scale, reproducibility, independence of seeds, streams and positions, and the gradient's
// mask.
import { type Engine, Graph, gradients, onnxRuntime, seededDropout, type Tensor } from "@cllm4rec/onnx-grad";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toNumbers } from "./support/cases.js";

let engine: Engine;
beforeAll(() => {
  engine = onnxRuntime({ threads: 2 });
});
afterAll(() => engine.dispose());

const [B, T, K] = [8, 64, 96];
const count = B * T * K;
const seedOf = (seed: bigint): Tensor => ({ dtype: "int64", shape: [], data: BigInt64Array.of(seed) });
const ones = (shape: readonly number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
});

function build(ratio: number, streams: readonly number[] = [0]) {
  const graph = new Graph("dropout");
  const x = graph.input("x", "float32", ["B", "T", K]);
  const seed = graph.input("seed", "int64", []);
  for (const stream of streams) graph.output(`y${stream}`, seededDropout(graph, x, { ratio, seed, stream }));
  return { graph, x };
}

/** ±1 by whether the element was kept, for correlations. */
async function signs(ratio: number, streams: readonly number[], seeds: readonly bigint[]): Promise<Float64Array[]> {
  const session = await engine.load(build(ratio, streams).graph);
  const masks: Float64Array[] = [];
  for (const seed of seeds) {
    const results = await session.run({ x: ones([B, T, K]), seed: seedOf(seed) });
    for (const stream of streams) {
      masks.push(Float64Array.from(results[`y${stream}`]!.data as Float32Array, (value) => (value === 0 ? -1 : 1)));
    }
  }
  await session.dispose();
  return masks;
}

/**
 * Correlation of a mask with another one shifted by `lag`, in standard deviations under independence (at a ratio of a
 * half).
 */
function deviations(a: Float64Array, b: Float64Array, lag = 0): number {
  let sum = 0;
  for (let i = 0; i + lag < a.length; i++) sum += a[i]! * b[i + lag]!;
  return Math.abs(sum) / Math.sqrt(a.length - lag);
}

describe("the mask", () => {
  test.each([0.05, 0.1, 0.5, 0.9])("drops a share of %d and scales the rest by 1 / (1 − ratio)", async (ratio) => {
    const session = await engine.load(build(ratio).graph);
    const { y0 } = await session.run({ x: ones([B, T, K]), seed: seedOf(3n) });
    const values = toNumbers(y0!.data);
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / (1 - ratio))]));
    const dropped = values.filter((value) => value === 0).length;
    expect(Math.abs(dropped - ratio * count)).toBeLessThan(5 * Math.sqrt(count * ratio * (1 - ratio)));
    await session.dispose();
  });

  test("is the same bits for the same seed: in another run, session, graph and thread count", async () => {
    const [first] = await signs(0.3, [5], [77n]);
    const [, again] = await signs(0.3, [5], [78n, 77n]);
    expect(again).toEqual(first);
    const single = onnxRuntime({ threads: 1 });
    const session = await single.load(build(0.3, [5, 6]).graph);
    const { y5 } = await session.run({ x: ones([B, T, K]), seed: seedOf(77n) });
    expect(Float64Array.from(y5!.data as Float32Array, (value) => (value === 0 ? -1 : 1))).toEqual(first);
    await single.dispose();
  });

  test("does not depend on how the leading axes are cut, nor on symbolic dimensions", async () => {
    const [expected] = await signs(0.3, [2], [9n]);
    const graph = new Graph("flat");
    const x = graph.input("x", "float32", [B * T, K]);
    graph.output("y", seededDropout(graph, x, { ratio: 0.3, seed: graph.input("seed", "int64", []), stream: 2 }));
    const session = await engine.load(graph);
    const { y } = await session.run({ x: ones([B * T, K]), seed: seedOf(9n) });
    expect(Float64Array.from(y!.data as Float32Array, (value) => (value === 0 ? -1 : 1))).toEqual(expected);
    await session.dispose();
  });

  test("is independent across seeds, streams and positions", async () => {
    const seeds = [0n, 1n, 2n, -1n, 1n << 32n, 123456789012345678n];
    const streams = [0, 1, 2, 2 ** 32 - 1];
    const masks = await signs(0.5, streams, seeds);
    const all: number[] = [];
    masks.forEach((mask, i) => {
      for (let j = 0; j < i; j++) all.push(deviations(mask, masks[j]!));
    });
    for (const lag of [1, 2, 3, K - 1, K, K + 1, 2 * K, T * K])
      for (const mask of masks) all.push(deviations(mask, mask, lag));
    expect(all.length).toBeGreaterThan(400);
    expect(Math.max(...all)).toBeLessThan(5);
    const variance = all.reduce((sum, z) => sum + z * z, 0) / all.length;
    expect(variance).toBeGreaterThan(0.7);
    expect(variance).toBeLessThan(1.3);
  });

  test("shows no rectangles: rows and columns are hashed apart, their combination is not linear", async () => {
    const [mask] = await signs(0.5, [0], [42n]);
    const rows = B * T;
    const at = (i: number, j: number) => mask![i * K + j]!;
    const found: number[] = [];
    for (let di = 1; di < 12; di++) {
      for (let dj = 1; dj < 12; dj++) {
        let sum = 0;
        let terms = 0;
        for (let i = 0; i + di < rows; i++) {
          for (let j = 0; j + dj < K; j += 5, terms++)
            sum += at(i, j) * at(i + di, j) * at(i, j + dj) * at(i + di, j + dj);
        }
        found.push(Math.abs(sum) / Math.sqrt(terms));
      }
    }
    expect(Math.max(...found)).toBeLessThan(5);
  });
});

test("the gradient passes through the same mask, scaled alike", async () => {
  const graph = new Graph("step");
  const x = graph.input("x", "float32", ["B", 5]);
  const dy = graph.input("dy", "float32", ["B", 5]);
  const y = seededDropout(graph, x, { ratio: 0.4, seed: graph.input("seed", "int64", []), stream: 1 });
  graph.output("y", y);
  graph.output("dx", gradients(graph, y, [x], dy)[0]!);
  const session = await engine.load(graph);
  const feeds = {
    x: ones([40, 5]),
    dy: { ...ones([40, 5]), data: Float32Array.from({ length: 200 }, (_, i) => i + 1) },
  };
  const results = await session.run({ ...feeds, seed: seedOf(11n) });
  const [forward, backward] = [toNumbers(results.y!.data), toNumbers(results.dx!.data)];
  expect(forward.filter((value) => value === 0).length).toBeGreaterThan(40);
  backward.forEach((value, i) => {
    expect(value).toBeCloseTo(forward[i]! * (i + 1), 3);
  });
  await session.dispose();
});

test("an infinity or NaN that is dropped becomes 0", async () => {
  const graph = new Graph("infinite");
  const x = graph.input("x", "float32", ["N"]);
  graph.output("y", seededDropout(graph, x, { ratio: 0.5, seed: graph.input("seed", "int64", []), stream: 0 }));
  const session = await engine.load(graph);
  const data = new Float32Array(64).fill(Number.POSITIVE_INFINITY);
  const { y } = await session.run({ x: { dtype: "float32", shape: [64], data }, seed: seedOf(1n) });
  expect(new Set(toNumbers(y!.data))).toEqual(new Set([0, Number.POSITIVE_INFINITY]));
  await session.dispose();
});

test("a ratio of 0 adds nothing to the graph", () => {
  const { graph, x } = build(0);
  expect(graph.nodes).toEqual([]);
  expect(graph.outputs.get("y0")).toBe(x);
});
