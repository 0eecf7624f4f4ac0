// Every operator's values and gradients on TensorFlow.js, elementwise against PyTorch; compositions and portable graphs
// too.
import { type Graph, GraphError, operatorNames, toPortable } from "@cllm4rec/onnx-grad";
import type { TfjsEngine } from "@cllm4rec/onnx-grad/tfjs";
import { expectClose } from "@cllm4rec/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, type Case, cases, title, toData, toNumbers } from "./support/cases.js";
import { checkComposition, compositionNames } from "./support/compositions.js";
import { installedBackends, openTfjs } from "./support/tfjs.js";

/** wasm computes some functions with a relative error of some 1e-6; sums of products go in float32 everywhere. */
const tolerance = { rtol: 3e-5, atol: 5e-6 };

/**
 * Sizes that are known at run time only; what golden.test.ts shows to be refused, or beyond the documented limits, is
 * left out.
 */
function symbolic(golden: Case): Graph[] {
  const beyond = [
    "Slice: bounds beyond the ends",
    "Slice: of nothing",
    "MatMul: batch, nothing summed",
    "Flatten: empty behind",
  ];
  if (beyond.includes(title(golden))) return [];
  try {
    return [build(golden, "float32", { symbolic: true }).graph];
  } catch (error) {
    if (error instanceof GraphError) return [];
    throw error;
  }
}

describe.each(installedBackends)("%s", (backend) => {
  let engine: TfjsEngine;
  let before: number;
  beforeAll(async () => {
    engine = await openTfjs(backend);
    before = engine.tensorCount();
  });
  afterAll(() => engine.dispose());

  test("the cases cover every operator", () => {
    const covered = new Set(cases.map(({ op }) => op));
    expect(operatorNames().filter((name) => !covered.has(name))).toEqual([]);
  });

  test.each(cases.map((golden) => [title(golden), golden] as const))("%s", async (_, golden) => {
    const { graph, feeds, expected } = build(golden, "float32");
    if (title(golden) === "Cast: float32 to float64") {
      await expect(engine.load(graph)).rejects.toThrow(
        /graph Cast: .*TensorFlow.js has no float64; build the graph in float32/,
      );
      return;
    }
    for (const variant of [graph, toPortable(graph), ...symbolic(golden)]) {
      const session = await engine.load(variant);
      const results = await session.run(feeds);
      await session.dispose();
      for (const [name, { dtype, shape, data }] of expected) {
        const result = results[name]!;
        expect({ name, dtype: result.dtype, shape: result.shape }).toEqual({ name, dtype, shape });
        const exact = dtype !== "float32" ? { rtol: 0, atol: 0 } : tolerance;
        expectClose(toNumbers(result.data), toNumbers(toData(dtype, data)), { ...exact, label: name });
      }
      expect(engine.tensorCount()).toBe(before);
    }
  });

  test.each(compositionNames)("%s", async (name) => {
    await checkComposition(engine, name);
    expect(engine.tensorCount()).toBe(before);
  });
});
