// Elements picked many times: their gradients add up exactly, with all threads at work.
import { availableParallelism } from "node:os";
import { type Engine, Graph, gradients, onnxRuntime, type Value } from "@cllm4rec/onnx-grad";
import { afterAll, expect, test } from "vitest";

const engine: Engine = onnxRuntime({ threads: Math.max(2, availableParallelism()) });
afterAll(() => engine.dispose());

const rows = 3;
const width = 256;
const picks = 12_000;

/** Every pick has gradient 1, so an element's gradient is the number of times it was picked, exact in float32. */
async function counts(
  pick: (graph: Graph, data: Value, indices: Value) => Value,
  indices: number[],
  indexShape: number[],
) {
  const graph = new Graph("repeated picks");
  const data = graph.input("data", "float32", ["R", width]);
  const index = graph.input("indices", "int64", indexShape);
  const picked = pick(graph, data, index);
  const [gradient] = gradients(graph, graph.op.ReduceSum(picked, undefined, { keepdims: 0 }), [data]);
  graph.output("gradient", gradient!);
  const session = await engine.load(graph);
  const feeds = {
    data: { dtype: "float32" as const, shape: [rows, width], data: new Float32Array(rows * width) },
    indices: { dtype: "int64" as const, shape: indexShape, data: BigInt64Array.from(indices, BigInt) },
  };
  const results: Float32Array[] = [];
  for (let run = 0; run < 5; run++) results.push((await session.run(feeds)).gradient!.data as Float32Array);
  await session.dispose();
  return results;
}

const indices = Array.from({ length: picks }, (_, i) => ((i * 7919) % 11) % rows);
const expected = Float32Array.from(
  { length: rows * width },
  (_, at) => indices.filter((i) => i === Math.floor(at / width)).length,
);

test("Gather", async () => {
  const results = await counts((graph, data, index) => graph.op.Gather(data, index), indices, [picks]);
  for (const result of results) expect(result).toEqual(expected);
});

test("GatherND, negative indices included", async () => {
  const signed = indices.map((i, at) => (at % 2 === 0 ? i : i - rows));
  const results = await counts((graph, data, index) => graph.op.GatherND(data, index), signed, [picks, 1]);
  for (const result of results) expect(result).toEqual(expected);
});
