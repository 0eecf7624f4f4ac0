// Every gradient rule against central differences of the operator it belongs to, and every rule differentiated once
// more.
import { differentiableOperatorNames, type Engine, gradients, onnxRuntime } from "@cllm4rec/onnx-grad";
import { expectClose, isThorough } from "@cllm4rec/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, type Case, cases, hasDouble, title, toNumbers } from "./support/cases.js";
import { numericalGradient } from "./support/numerical.js";

let engine: Engine;
beforeAll(() => {
  engine = onnxRuntime({ threads: 1 });
});
afterAll(() => engine.dispose());

/**
 * Cases with something to vary, away from kinks; products and reductions over nothing have no element to vary in some
 * inputs.
 */
const smooth = cases.filter(
  ({ op, kink, gradients: g }) => !kink && op !== "Cast" && g?.some((gradient) => gradient && gradient.length > 0),
);
const named = (list: readonly Case[]) => list.map((golden) => [title(golden), golden] as const);

test("every differentiable operator is checked by differences, but for Cast between float types, which rounds", () => {
  const checked = new Set(smooth.map(({ op }) => op));
  expect(differentiableOperatorNames().filter((name) => !checked.has(name))).toEqual(["Cast"]);
});

describe("first order", () => {
  test.each(named(smooth))("%s", async (_, golden) => {
    const double = hasDouble(golden);
    const { graph, feeds, targets } = build(golden, double ? "float64" : "float32");
    const session = await engine.load(graph);
    const results = await session.run(feeds);
    for (const target of targets) {
      const numerical = await numericalGradient(session, feeds, target, "loss");
      const tolerance = double ? { rtol: 1e-6, atol: 1e-7 } : { rtol: 2e-3, atol: 1e-3 };
      expectClose(toNumbers(results[`d${target}`]!.data), numerical, { ...tolerance, label: `∂loss/∂${target}` });
    }
    await session.dispose();
  });
});

/** One case of each operator, or all of them. */
const twice = smooth
  .filter(hasDouble)
  .filter((golden, at, all) => isThorough || all.findIndex(({ op }) => op === golden.op) === at);

describe("second order", () => {
  test.each(named(twice))("%s", async (_, golden) => {
    const { graph, feeds, targets } = build(golden, "float64");
    const { op } = graph;
    // L = Σ over targets of Σ (∂loss/∂target)²: its gradient is 2·H·g.
    const terms = targets.map((target) => {
      const first = graph.outputs.get(`d${target}`)!;
      return op.ReduceSum(op.Mul(first, first), undefined, { keepdims: 0 });
    });
    const total = terms.reduce((a, b) => op.Add(a, b));
    graph.output("second", total);
    const inputs = targets.map((target) => graph.inputs.get(target)!);
    gradients(graph, total, inputs).forEach((value, i) => {
      graph.output(`dd${targets[i]}`, value);
    });
    const session = await engine.load(graph);
    const results = await session.run(feeds);
    for (const target of targets) {
      const numerical = await numericalGradient(session, feeds, target, "second");
      const label = `∂²loss/∂${target}²`;
      expectClose(toNumbers(results[`dd${target}`]!.data), numerical, { rtol: 2e-5, atol: 2e-5, label });
    }
    await session.dispose();
  });
});
