// Every operator's values and gradients, elementwise against PyTorch, on the real engine: float32, float64 and with
// symbolic dimensions.
import {
  differentiableOperatorNames,
  type Engine,
  EngineError,
  Graph,
  GraphError,
  onnxRuntime,
  operatorNames,
  serializeModel,
  toPortable,
} from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type BuiltCase,
  build,
  cases,
  type FloatType,
  hasDouble,
  noDouble,
  runOnce,
  title,
  toData,
  toNumbers,
} from "./support/cases.js";

let engine: Engine;
beforeAll(() => {
  engine = onnxRuntime({ threads: 1 });
});
afterAll(() => engine.dispose());

const tolerances = {
  float32: { rtol: 3e-5, atol: 5e-6 },
  float64: { rtol: 1e-9, atol: 1e-11 },
} as const;

async function check(built: BuiltCase, float: FloatType, graph: Graph = built.graph): Promise<void> {
  const results = await runOnce(engine, graph, built.feeds);
  for (const [name, { dtype, shape, data }] of built.expected) {
    const result = results[name]!;
    expect({ name, dtype: result.dtype, shape: result.shape }).toEqual({ name, dtype, shape });
    const exact = dtype !== "float32" && dtype !== "float64";
    const tolerance = exact ? { rtol: 0, atol: 0 } : tolerances[dtype === "float32" ? "float32" : float];
    expectClose(toNumbers(result.data), toNumbers(toData(dtype, data)), { ...tolerance, label: name });
  }
}

/** The same on onnxruntime itself, past what our engine refuses by itself. */
async function checkDirectly({ graph, feeds, expected }: BuiltCase): Promise<void> {
  const session = await InferenceSession.create(serializeModel(graph).bytes, { logSeverityLevel: 4 });
  const tensors = Object.entries(feeds).map(([name, { dtype, data, shape }]) => [
    name,
    new OrtTensor(dtype as "float64", data as Float64Array, shape as number[]),
  ]);
  const results = await session.run(Object.fromEntries(tensors));
  for (const [name, { dtype, data }] of expected) {
    const numbers = toNumbers(results[name]!.data as Float64Array);
    expectClose(numbers, toNumbers(toData(dtype, data)), { ...tolerances.float64, label: name });
  }
}

describe("float32", () => {
  test.each(cases.map((golden) => [title(golden), golden] as const))("%s", async (_, golden) => {
    await check(build(golden, "float32"), "float32");
  });
});

describe("the fixture is complete", () => {
  test("every operator in the table has a golden case", () => {
    const covered = new Set(cases.map(({ op }) => op));
    expect(operatorNames().filter((name) => !covered.has(name))).toEqual([]);
  });

  test("every differentiable operator has a gradient case for each input that a gradient can reach", () => {
    const covered = new Set(
      cases.filter(({ gradients }) => gradients?.some((g) => g && g.length > 0)).map(({ op }) => op),
    );
    expect(differentiableOperatorNames().filter((name) => !covered.has(name))).toEqual([]);
    for (const golden of cases) {
      if (!golden.gradients) continue;
      golden.inputs.forEach((input, i) => {
        const expected = input?.dtype === "float" && !input.constant;
        expect({ case: title(golden), input: i, gradient: golden.gradients![i] !== null }).toEqual({
          case: title(golden),
          input: i,
          gradient: expected,
        });
      });
    }
  });

  test("the typed methods of graph.op cover the table", () => {
    const { op } = new Graph();
    expect(operatorNames().filter((name) => typeof op[name as keyof typeof op] !== "function")).toEqual([]);
  });
});

describe("float64", () => {
  const floats = cases.filter(({ op, inputs }) => op !== "Cast" && inputs.some((input) => input?.dtype === "float"));
  test.each(floats.filter(hasDouble).map((golden) => [title(golden), golden] as const))("%s", async (_, golden) => {
    await check(build(golden, "float64"), "float64");
  });

  test.each([...noDouble])("%s: onnxruntime still has no kernel", async (op) => {
    const golden = floats.find((candidate) => candidate.op === op)!;
    const built = build(golden, "float64", { forwardOnly: true });
    await expect(check(built, "float64")).rejects.toThrow(`onnxruntime 1.30 computes ${op} in float32 only`);
    await expect(checkDirectly(built)).rejects.toThrow();
  });
});

/** Cases whose constants or operators want concrete sizes: those must be refused while the graph is built. */
const needsStatic = new Set([
  "GRU",
  "OneHot",
  "Split",
  "Pow: negative base, integer exponents",
  "Pow: base zero",
  "Reshape: flat",
  "Reshape: minus one",
  "Reshape: allowzero",
  "Reshape: empty, zero copies",
  "Expand: rows",
  "Expand: to nothing",
  "Slice: steps",
  "Slice: reversed",
  "Slice: negative step of two",
  "GatherND: elements with duplicates",
  "GatherND: one index",
  "ScatterND: replace elements",
  ...cases.filter(({ op, inputs }) => op.endsWith("Loss") && inputs.length === 3).map(title),
]);

describe("symbolic dimensions", () => {
  // The documented limits: nothing is known to clamp a slice to, and Reshape can't work out one size from others of
  // which one turns out 0.
  const beyond = new Set([
    "Slice: bounds beyond the ends",
    "Slice: of nothing",
    "MatMul: batch, nothing summed",
    "Flatten: empty behind",
  ]);
  const inside = cases.filter((golden) => !beyond.has(title(golden)));
  test.each(cases.filter((golden) => beyond.has(title(golden))).map((golden) => [title(golden), golden] as const))(
    "%s: an error, no wrong result",
    async (_, golden) => {
      await expect(check(build(golden, "float32", { symbolic: true }), "float32")).rejects.toThrow(EngineError);
    },
  );
  test.each(inside.map((golden) => [title(golden), golden] as const))("%s", async (_, golden) => {
    if (needsStatic.has(golden.op) || needsStatic.has(title(golden))) {
      expect(() => build(golden, "float32", { symbolic: true })).toThrow(GraphError);
    } else {
      await check(build(golden, "float32", { symbolic: true }), "float32");
    }
  });
});

describe("portable", () => {
  test.each(cases.map((golden) => [title(golden), golden] as const))("%s", async (_, golden) => {
    const built = build(golden, "float32");
    const portable = toPortable(built.graph);
    expect(new Set(portable.nodes.map(({ definition }) => definition.domain))).toEqual(new Set([""]));
    await check(built, "float32", portable);
  });
});
