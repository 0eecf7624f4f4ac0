// The same matrix product on TensorFlow.js' WebAssembly backend, for comparison.
import { createRequire } from "node:module";
import path from "node:path";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";

/** Median GFLOP/s of five products [512, 768] × [768, 3072]. */
export async function wasmMatmul() {
  const folder = path.dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
  setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  await tf.ready();
  const [M, K, F] = [512, 768, 3072];
  const [a, b] = [tf.fill([M, K], 0.5), tf.fill([K, F], 0.25)];
  const rates = [];
  for (let i = 0; i < 6; i++) {
    const started = performance.now();
    const product = tf.matMul(a, b);
    await product.data();
    rates.push((2 * M * K * F) / (performance.now() - started) / 1e6);
    product.dispose();
  }
  a.dispose();
  b.dispose();
  return rates.slice(1).sort((x, y) => x - y)[2];
}
