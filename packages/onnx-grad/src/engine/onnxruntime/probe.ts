// The process in which a provider is tried: matrix products through it, larger ones while they take hardly any time;
// the rate goes to the parent.

import { reasonOf } from "../../graph/errors.js";
import { matmulRate } from "../matmul-rate.js";
import { onnxRuntime } from "./engine.js";
import { problemOf } from "./explain.js";
import type { ExecutionProvider } from "./protocol.js";
import type { ProviderTrial } from "./select.js";

/** From 67 million operations to 39 billion. */
const sizes = [
  { rows: 64, width: 256, products: 2 },
  { rows: 256, width: 768, products: 4 },
  { rows: 512, width: 768, products: 16 },
];
/** Milliseconds that a run has to take for its rate to mean something. */
const enough = 20;

async function measure(executionProvider: ExecutionProvider, threads: number): Promise<number> {
  const engine = onnxRuntime({ executionProvider, threads });
  try {
    let gflops = 0;
    for (const size of sizes) {
      const rate = await matmulRate(engine, size);
      for (let i = 0; i < 3; i++) await rate.measure();
      gflops = rate.median();
      await rate.dispose();
      const milliseconds = (size.products * 8 * size.rows * size.width ** 2) / gflops / 1e6;
      if (milliseconds > enough) break;
    }
    return gflops;
  } finally {
    await engine.dispose();
  }
}

const [name = "cpu", threads = "1"] = process.argv.slice(2);
const executionProvider = name as ExecutionProvider;
const trial = await measure(executionProvider, Number(threads)).then(
  (gflops): ProviderTrial => ({ executionProvider, gflops }),
  (error: unknown): ProviderTrial => ({
    executionProvider,
    problem: problemOf(reasonOf(error)),
  }),
);
process.send?.(trial);
