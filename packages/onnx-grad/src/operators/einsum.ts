// Einsum (ONNX Einsum-12): sums of products over named axes. The gradient of each operand is an Einsum of the output's
// and the other operands.
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { define, type GradientContext, type OperatorContext, type OperatorDefinition } from "./definition.js";
import type { Operators } from "./operators.js";
import { input, many } from "./parameters.js";
import { positions } from "./positions.js";

/**
 * An equation with a label for each axis. The axes of an ellipsis are labelled by their distance from its right end:
 * "..0", "..1".
 */
export interface Equation {
  readonly operands: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly sizes: ReadonlyMap<string, Dim>;
}

const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const isEllipsis = (label: string): boolean => label.startsWith("..");

/** The equation of a node. @throws RangeError where it is malformed, or does not fit the operands. */
export function equationOf(c: OperatorContext): Equation {
  const text = c.text("equation").replaceAll(" ", "");
  const sides = text.split("->");
  const terms = sides[0]!.split(",");
  for (const term of [...terms, ...sides.slice(1)]) {
    if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term))
      throw new RangeError(`"${term}": letters and one ... are expected`);
  }
  if (sides.length > 2) throw new RangeError("more than one ->");
  if (terms.length !== c.inputs.length) throw new RangeError(`${terms.length} terms for ${c.inputs.length} operands`);
  const operands = terms.map((term, i) => labelsOf(term, c.input(i).rank));
  const hidden = terms.flatMap((term, i) => (term.includes("...") ? [operands[i]!.filter(isEllipsis).length] : []));
  if (hidden.some((count) => count !== hidden[0]))
    throw new RangeError(
      `... stands for ${hidden.join(" and ")} axes; the standard requires the same number in all operands`,
    );
  const sizes = new Map<string, Dim>();
  operands.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const size = c.input(i).shape[axis]!;
      const known = sizes.get(label);
      if (known !== undefined && known !== size && !(isEllipsis(label) && (known === 1 || size === 1)))
        throw new RangeError(`axis ${isEllipsis(label) ? "of ..." : label} has sizes ${known} and ${size}`);
      if (known === undefined || known === 1) sizes.set(label, size);
    });
  });
  return { operands, output: outputLabels(sides[1], operands, sizes), sizes };
}

function labelsOf(term: string, rank: number): string[] {
  const [before, behind] = term.split("...") as [string, string?];
  const hidden = rank - before.length - (behind?.length ?? 0);
  if (behind === undefined ? hidden !== 0 : hidden < 0) throw new RangeError(`"${term}" does not fit rank ${rank}`);
  return [...before, ...ellipsis(hidden), ...(behind ?? "")];
}

const ellipsis = (rank: number): string[] => Array.from({ length: rank }, (_, i) => `..${rank - 1 - i}`);

function outputLabels(
  term: string | undefined,
  operands: readonly (readonly string[])[],
  sizes: ReadonlyMap<string, Dim>,
): string[] {
  const hidden = ellipsis([...sizes.keys()].filter(isEllipsis).length);
  if (term === undefined) {
    const all = operands.flat();
    const once = [...sizes.keys()].filter(
      (label) => !isEllipsis(label) && all.indexOf(label) === all.lastIndexOf(label),
    );
    return [...hidden, ...once.sort()];
  }
  if (!term.includes("...") && hidden.length > 0) throw new RangeError("the output needs the ... of the operands");
  const [before, behind] = term.split("...") as [string, string?];
  const output = [...before, ...(behind === undefined ? [] : hidden), ...(behind ?? "")];
  for (const label of output) if (!sizes.has(label)) throw new RangeError(`no operand has the output's axis ${label}`);
  if (new Set(output).size !== output.length) throw new RangeError(`the output "${term}" repeats an axis`);
  return output;
}

interface Labelled {
  readonly value: Value;
  readonly labels: readonly string[];
}

/**
 * An Einsum of labelled operands. Scalars are multiplied behind it, and one operand that is the result already stays as
 * it is.
 */
function contract(op: Operators, operands: readonly Labelled[], output: readonly string[]): Value {
  const known = [...new Set(operands.flatMap(({ labels }) => labels))];
  if (known.length > letters.length) throw new RangeError(`more than ${letters.length} different axes`);
  const term = (labels: readonly string[]) => labels.map((label) => letters[known.indexOf(label)]).join("");
  const scalars = operands.filter(({ labels }) => labels.length === 0).map(({ value }) => value);
  const tensors = operands.filter(({ labels }) => labels.length > 0);
  const [first] = tensors;
  let result: Value | undefined;
  if (tensors.length === 1 && term(first!.labels) === term(output)) result = first!.value;
  else if (first) {
    const equation = `${tensors.map(({ labels }) => term(labels)).join(",")}->${term(output)}`;
    result = op.Einsum(
      tensors.map(({ value }) => value),
      { equation },
    );
  }
  return [...(result ? [result] : []), ...scalars].reduce((a, b) => op.Mul(a, b));
}

/** The operand without the axes that it broadcasts along, so that every label has one size. */
function squeezed(op: Operators, value: Value, labels: readonly string[], { sizes }: Equation): Labelled {
  const kept = labels.map((label, axis) => value.shape[axis] === sizes.get(label));
  const dropped = labels.flatMap((_, axis) => (kept[axis] ? [] : [axis]));
  return {
    value: dropped.length > 0 ? op.Squeeze(value, dropped) : value,
    labels: labels.filter((_, axis) => kept[axis]),
  };
}

/**
 * ∂/∂operand: the others and the output's gradient contracted to the operand's axes. Axes that appear nowhere else were
 * summed over alone, so that their gradient is expanded; of an axis that is named twice only the diagonal was read.
 */
function operandGradient(c: GradientContext, index: number, equation: Equation): Value {
  const { op } = c;
  const operand = c.input(index);
  const labels = equation.operands[index]!;
  const others = equation.operands.flatMap((own, i) => (i === index ? [] : [squeezed(op, c.input(i), own, equation)]));
  const sources = [{ value: c.outputGradient(), labels: equation.output }, ...others];
  const available = new Set(sources.flatMap((source) => source.labels));
  const isFirst = (label: string, axis: number) => labels.indexOf(label) === axis;
  const isKept = (label: string, axis: number) =>
    isFirst(label, axis) && available.has(label) && operand.shape[axis] === equation.sizes.get(label);
  let gradient = contract(op, sources, labels.filter(isKept));
  const missing = labels.flatMap((label, axis) => (isKept(label, axis) ? [] : [axis]));
  if (missing.length > 0) gradient = op.expandLike(op.Unsqueeze(gradient, missing), operand);
  labels.forEach((label, axis) => {
    if (isFirst(label, axis)) return;
    const at = (i: number) => positions(op, operand.shape[i]!, i, operand.rank);
    const diagonal = op.Equal(at(labels.indexOf(label)), at(axis));
    gradient = op.Where(diagonal, gradient, op.scalar(0, operand.dtype));
  });
  return gradient;
}

export const einsum: readonly OperatorDefinition[] = [
  define({
    type: "Einsum",
    inputs: [many("Inputs")],
    method: [input("inputs", "tensors"), input("attributes", "attributes")],
    attributes: { equation: { kind: "string", required: true } },
    infer: (c) => {
      c.requireFloat();
      const { output, sizes } = equationOf(c);
      return [{ dtype: c.sameDType(), shape: output.map((label) => sizes.get(label)!) }];
    },
    gradient: (c) => {
      const equation = equationOf(c);
      return c.inputs.map((_, i) => (c.needs(i) ? operandGradient(c, i, equation) : undefined));
    },
  }),
];
