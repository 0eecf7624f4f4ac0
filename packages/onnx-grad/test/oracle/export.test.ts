// Writes every golden graph as .onnx with its feeds and expectations, for test/oracle/check_models.py (which needs
// Python and onnx). ONNX_GRAD_EXPORT=<folder> npx vitest run test/oracle && python test/oracle/check_models.py <folder>
import fs from "node:fs";
import path from "node:path";
import {
  Graph,
  GraphError,
  gradients,
  seededDropout,
  serializeModel,
  type Tensor,
  toPortable,
} from "@cllm4rec/onnx-grad";
import { expect, test } from "vitest";
import { type BuiltCase, build, cases, type FloatType, hasDouble, title, toData, toNumbers } from "../support/cases.js";

const folder = process.env.ONNX_GRAD_EXPORT;

function dropoutGraph(): BuiltCase {
  const graph = new Graph("seeded dropout");
  const x = graph.input("x", "float32", ["B", "T", 4]);
  const seed = graph.input("seed", "int64", []);
  const loss = graph.op.ReduceSum(seededDropout(graph, x, { ratio: 0.25, seed, stream: 3 }), undefined, {
    keepdims: 0,
  });
  graph.output("loss", loss);
  graph.output("dx", gradients(graph, loss, [x])[0]!);
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  const feeds: Record<string, Tensor> = {
    x: { dtype: "float32", shape: [2, 3, 4], data },
    seed: { dtype: "int64", shape: [], data: BigInt64Array.of(-123456789012345n) },
  };
  return { graph, feeds, expected: new Map(), targets: [] };
}

function write(name: string, built: BuiltCase): void {
  const tensor = ({ dtype, shape, data }: Tensor) => ({ dtype, shape, data: toNumbers(data).map(String) });
  const numbers = (dtype: Tensor["dtype"], data: Parameters<typeof toData>[1]) =>
    toNumbers(toData(dtype, data)).map(String);
  const record = {
    title: `${name}: ${built.graph.name}`,
    feeds: Object.fromEntries(Object.entries(built.feeds).map(([key, value]) => [key, tensor(value)])),
    expected: Object.fromEntries(
      [...built.expected].map(([key, { dtype, shape, data }]) => [key, { dtype, shape, data: numbers(dtype, data) }]),
    ),
    outputs: Object.fromEntries([...built.graph.outputs].map(([key, { dtype, shape }]) => [key, { dtype, shape }])),
  };
  const stem = path.join(folder!, `${name}-${built.graph.name.replace(/[^A-Za-z0-9]+/g, "_")}`);
  const portable = toPortable(built.graph);
  fs.writeFileSync(`${stem}.onnx`, serializeModel(portable).bytes);
  if (built.graph.nodes.some(({ definition }) => definition.domain !== "")) {
    fs.writeFileSync(`${stem}.contrib.onnx`, serializeModel(built.graph).bytes);
  }
  fs.writeFileSync(`${stem}.json`, JSON.stringify(record));
}

test.runIf(folder)("exports the golden graphs", () => {
  fs.mkdirSync(folder!, { recursive: true });
  let count = 0;
  const attempt = (name: string, golden: (typeof cases)[number], float: FloatType, symbolic: boolean) => {
    let built: BuiltCase;
    try {
      built = build(golden, float, { symbolic });
    } catch (error) {
      expect(error).toBeInstanceOf(GraphError);
      expect({ symbolic, case: title(golden) }).toEqual({ symbolic: true, case: title(golden) });
      return;
    }
    write(name, built);
    count++;
  };
  for (const golden of cases) {
    attempt("float32", golden, "float32", false);
    // There a symbolic axis would have to be clamped, or a size worked out from one that is 0.
    const beyond = [
      "Slice: bounds beyond the ends",
      "Slice: of nothing",
      "MatMul: batch, nothing summed",
      "Flatten: empty behind",
    ];
    if (!beyond.includes(title(golden))) attempt("symbolic", golden, "float32", true);
    if (hasDouble(golden)) attempt("float64", golden, "float64", false);
  }
  write("composition", dropoutGraph());
  expect(count).toBeGreaterThan(cases.length * 2);
});
