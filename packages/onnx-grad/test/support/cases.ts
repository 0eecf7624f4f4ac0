// Golden cases of single operators: how test/fixtures/operators.json becomes graphs, feeds and expectations.
import fs from "node:fs";
import {
  type DType,
  type Engine,
  type Feeds,
  Graph,
  gradients,
  operatorNames,
  type Session,
  type Shape,
  type Tensor,
  type TypedArray,
  type Value,
} from "@cllm4rec/onnx-grad";
import { findOperator } from "../../src/operators/table.js";

type Numbers = readonly (number | "NaN" | "Infinity" | "-Infinity")[];
export type FloatType = "float32" | "float64";

interface CaseTensor {
  readonly dtype: "float" | DType;
  readonly shape: readonly number[];
  readonly data: Numbers;
  readonly constant?: true;
  /** Axes that may be symbolic; all where absent. */
  readonly free?: readonly number[];
}

export interface Case {
  readonly op: string;
  readonly name: string;
  readonly attributes?: Readonly<Record<string, number | string | readonly number[]>>;
  readonly inputs: readonly (CaseTensor | null)[];
  readonly outputs: readonly (CaseTensor | null)[];
  readonly seeds?: readonly (Numbers | null)[];
  readonly gradients?: readonly (Numbers | null)[];
  readonly kink?: true;
}

export const cases: readonly Case[] = (
  JSON.parse(fs.readFileSync(new URL("../fixtures/operators.json", import.meta.url), "utf8")) as { cases: Case[] }
).cases;

export const title = ({ op, name }: Case) => `${op}: ${name}`;

/** The typed array of an element type from the fixture's numbers. */
export function toData(dtype: DType, numbers: Numbers): TypedArray {
  switch (dtype) {
    case "int64":
      return BigInt64Array.from(numbers, (x) => BigInt(x));
    case "int32":
      return Int32Array.from(numbers, Number);
    case "float32":
      return Float32Array.from(numbers, Number);
    case "float64":
      return Float64Array.from(numbers, Number);
    default:
      return Uint8Array.from(numbers, Number);
  }
}

export const toNumbers = (data: TypedArray): number[] => Array.from<number | bigint, number>(data, Number);

export interface BuiltCase {
  readonly graph: Graph;
  readonly feeds: Record<string, Tensor>;
  /** Expected values by output name: `y<i>`, the scalar `loss`, and `dx<i>`. */
  readonly expected: ReadonlyMap<string, { dtype: DType; shape: readonly number[]; data: Numbers }>;
  /** Names of the differentiated inputs. */
  readonly targets: readonly string[];
}

/**
 * The case as a graph. Its outputs are the operator's own, and (for differentiable cases) `loss` = Σ seed · output with
 * its gradient for every input that has one. With `symbolic`, all sizes but 1 become symbols, equal sizes the same one.
 */
export function build(golden: Case, float: FloatType, { symbolic = false, forwardOnly = false } = {}): BuiltCase {
  const graph = new Graph(title(golden));
  const feeds: Record<string, Tensor> = {};
  const expected = new Map<string, { dtype: DType; shape: readonly number[]; data: Numbers }>();
  const dims = ({ shape, free }: CaseTensor): Shape =>
    symbolic ? shape.map((size, axis) => (size !== 1 && (free?.includes(axis) ?? true) ? `n${size}` : size)) : shape;
  const typed = (dtype: "float" | DType): DType => (dtype === "float" ? float : dtype);
  const inputs = golden.inputs.map((input, i): Value | undefined => {
    if (!input) return undefined;
    const tensor = { dtype: typed(input.dtype), shape: input.shape, data: toData(typed(input.dtype), input.data) };
    if (input.constant) return graph.initializer(`c${i}`, tensor);
    feeds[`x${i}`] = tensor;
    return graph.input(`x${i}`, tensor.dtype, dims(input));
  });
  const node = graph.node(golden.op, inputs, golden.attributes);
  const outputs = golden.outputs.map((output, i) => {
    if (!output) return undefined;
    const value = node.output(i);
    graph.output(`y${i}`, value);
    const dtype = golden.op === "Cast" ? value.dtype : typed(output.dtype);
    expected.set(`y${i}`, { dtype, shape: output.shape, data: output.data });
    return value;
  });
  const targets: string[] = [];
  if (golden.gradients && golden.seeds && !forwardOnly) {
    const { op } = graph;
    const terms = golden.seeds.flatMap((seed, i) => {
      const output = outputs[i];
      if (!seed || !output) return [];
      const data = toData(output.dtype, seed);
      feeds[`seed${i}`] = { dtype: output.dtype, shape: golden.outputs[i]!.shape, data };
      const weighted = op.Mul(output, graph.input(`seed${i}`, output.dtype, output.shape));
      return [op.ReduceSum(weighted, undefined, { keepdims: 0 })];
    });
    const loss = terms.reduce((a, b) => op.Add(a, b));
    graph.output("loss", loss);
    const wanted = golden.gradients.flatMap((gradient, i) => (gradient ? [i] : []));
    const found = gradients(
      graph,
      loss,
      wanted.map((i) => inputs[i]!),
    );
    found.forEach((value, j) => {
      const i = wanted[j]!;
      graph.output(`dx${i}`, value);
      targets.push(`x${i}`);
      expected.set(`dx${i}`, { dtype: inputs[i]!.dtype, shape: golden.inputs[i]!.shape, data: golden.gradients![i]! });
    });
  }
  return { graph, feeds, expected, targets };
}

/** Loads, runs and frees. */
export async function runOnce(engine: Engine, graph: Graph, feeds: Feeds): Promise<Record<string, Tensor>> {
  const session: Session = await engine.load(graph);
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

/**
 * Operators for which onnxruntime 1.30's CPU provider has no float64 kernel (HardSwish: one that computes with float32
 * constants).
 */
export const noDouble: ReadonlySet<string> = new Set(operatorNames().filter((name) => findOperator(name)!.float32Only));

/** LayerNormalization's statistics are float32 whatever its input is. */
export const hasDouble = ({ op, name }: Case): boolean => !noDouble.has(op) && name !== "statistics";
