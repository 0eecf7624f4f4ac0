// Matrix products by an engine, for work outside a model's graphs that is mostly that.
import type { Engine } from "../engine/engine.js";
import { Graph } from "../graph/graph.js";

/** [m, k] · [k, n] → [m, n] in single precision, all row-major. */
export type EngineProduct = (
  a: Float32Array,
  b: Float32Array,
  m: number,
  k: number,
  n: number,
) => Promise<Float32Array>;

/** A product of two matrices. The caller disposes of it; the engine stays. */
export async function engineProduct(
  engine: Engine,
  options: { readonly signal?: AbortSignal } = {},
): Promise<{ readonly multiply: EngineProduct; dispose(): Promise<void> }> {
  const graph = new Graph("product");
  const [a, b] = [graph.input("a", "float32", ["M", "K"]), graph.input("b", "float32", ["K", "N"])];
  graph.output("product", graph.op.MatMul(a, b)); // [M, K] · [K, N] → [M, N]
  const session = await engine.load(graph, options);
  const tensor = (data: Float32Array, rows: number, columns: number) =>
    ({ dtype: "float32", shape: [rows, columns], data }) as const;
  return {
    async multiply(left, right, m, k, n) {
      const feeds = { a: tensor(left, m, k), b: tensor(right, k, n) };
      const { product } = await session.run(feeds, options);
      if (!(product?.data instanceof Float32Array)) throw new Error("product: found no float32 result");
      return product.data;
    },
    dispose: () => session.dispose(),
  };
}
