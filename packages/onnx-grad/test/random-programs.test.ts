// Random programs of operators against PyTorch: loss and every gradient, elementwise. 60 of them by default;
// ONNX_GRAD_PROGRAMS names a file of more, written by test/oracle/random_programs.py.
import fs from "node:fs";
import { type DType, type Engine, Graph, gradients, onnxRuntime, type Tensor, type Value } from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toData, toNumbers } from "./support/cases.js";

interface Constant {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Program {
  readonly float: "float32" | "float64";
  readonly inputs: readonly { readonly shape: readonly number[]; readonly data: readonly number[] }[];
  readonly steps: readonly {
    readonly op: string;
    readonly attributes: Readonly<Record<string, number>>;
    readonly inputs: readonly (number | Constant | null)[];
    readonly outputs: number;
  }[];
  readonly loss: number;
  readonly gradients: readonly (readonly number[])[];
}

const file = process.env.ONNX_GRAD_PROGRAMS ?? new URL("./fixtures/random-programs.json", import.meta.url);
const programs = JSON.parse(fs.readFileSync(file, "utf8")) as Program[];

let engine: Engine;
beforeAll(() => {
  engine = onnxRuntime({ threads: 1 });
});
afterAll(() => engine.dispose());

async function check({ float, inputs, steps, loss, gradients: expected }: Program): Promise<void> {
  const graph = new Graph("program");
  const { op } = graph;
  const values: Value[] = inputs.map(({ shape }, i) => graph.input(`x${i}`, float, shape));
  const given = values.slice();
  let constants = 0;
  for (const step of steps) {
    const refs = step.inputs.map((ref) => {
      if (ref === null) return undefined;
      if (typeof ref === "number") return values[ref]!;
      return graph.initializer(`c${constants++}`, { ...ref, data: toData(ref.dtype, ref.data) });
    });
    const node = graph.node(step.op, refs, step.attributes);
    for (let i = 0; i < step.outputs; i++) values.push(node.output(i));
  }
  const total = values
    .filter(({ dtype }) => dtype === float)
    .map((value) => op.ReduceMean(op.Sin(value), undefined, { keepdims: 0 }))
    .reduce((a, b) => op.Add(a, b));
  graph.output("loss", total);
  gradients(graph, total, given).forEach((gradient, i) => {
    graph.output(`dx${i}`, gradient);
  });
  const feeds: Record<string, Tensor> = Object.fromEntries(
    inputs.map(({ shape, data }, i) => [`x${i}`, { dtype: float, shape, data: toData(float, data) }]),
  );
  const session = await engine.load(graph);
  const results = await session.run(feeds);
  await session.dispose();
  // float32: errors grow along a program, so they are measured against the largest slope of it.
  const scale = Math.max(1, ...expected.flat().map(Math.abs));
  const tolerance = float === "float64" ? { rtol: 1e-8, atol: 1e-10 * scale } : { rtol: 1e-4, atol: 5e-5 * scale };
  expectClose(toNumbers(results.loss!.data), [loss], { ...tolerance, label: "loss" });
  expected.forEach((slopes, i) => {
    expectClose(toNumbers(results[`dx${i}`]!.data), slopes, { ...tolerance, label: `∂loss/∂x${i}` });
  });
}

test.each(
  programs.map(
    (program, i) => [`${i} (${program.float}): ${program.steps.map(({ op }) => op).join(" ")}`, program] as const,
  ),
)("%s", (_, program) => check(program));

test("the programs use what they are for", () => {
  const used = new Set(programs.flatMap(({ steps }) => steps.map(({ op }) => op)));
  const newest = [
    "Attention",
    "BatchNormalization",
    "Compress",
    "Conv",
    "ConvTranspose",
    "Einsum",
    "LSTM",
    "ReduceProd",
  ];
  expect(newest.filter((op) => !used.has(op))).toEqual([]);
});
