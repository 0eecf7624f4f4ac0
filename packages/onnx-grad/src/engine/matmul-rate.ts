// How fast an engine multiplies matrices on this machine: the ceiling that training steps are measured against.
import { Graph } from "../graph/graph.js";
import type { Engine } from "./engine.js";

export interface MatmulRate {
  /** Runs the products once more; GFLOP/s of this run. */
  measure(): Promise<number>;
  /** The median of all runs so far, in GFLOP/s. */
  median(): number;
  dispose(): Promise<void>;
}

/**
 * Prepares float32 products [rows, width] × [width, 4·width] and back, the sizes of a transformer's MLP, chained so
 * that an engine can leave none out. The first run, which sets up memory, is not counted.
 * @example
 * const rate = await matmulRate(engine);
 * console.log(`${(await rate.measure()).toFixed(0)} GFLOP/s`);
 */
export async function matmulRate(
  engine: Engine,
  { rows = 512, width = 768, products = 16 }: { rows?: number; width?: number; products?: number } = {},
): Promise<MatmulRate> {
  const graph = new Graph("matmul rate");
  const weight = (name: string, from: number, to: number) => {
    const data = new Float32Array(from * to).map((_, i) => ((i % 17) - 8) / (8 * Math.sqrt(from)));
    return graph.initializer(name, { dtype: "float32", shape: [from, to], data });
  };
  const [up, down] = [weight("up", width, 4 * width), weight("down", 4 * width, width)];
  let x = graph.input("x", "float32", [rows, width]);
  for (let i = 0; i < products; i += 2) x = graph.op.MatMul(graph.op.MatMul(x, up), down);
  graph.output("y", x);
  const session = await engine.load(graph);
  const data = new Float32Array(rows * width).map((_, i) => (i % 13) / 13);
  const feeds = { x: { dtype: "float32" as const, shape: [rows, width], data } };
  await session.run(feeds);
  const rates: number[] = [];
  return {
    async measure() {
      const started = performance.now();
      await session.run(feeds);
      const rate = (products * 8 * rows * width * width) / (performance.now() - started) / 1e6;
      rates.push(rate);
      return rate;
    },
    median: () => rates.toSorted((a, b) => a - b)[rates.length >> 1] ?? Number.NaN,
    dispose: () => session.dispose(),
  };
}
