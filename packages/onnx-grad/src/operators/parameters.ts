// What plain JavaScript may pass to an operator, declared once in the operator's definition and checked before anything
// is built: the types say the same to TypeScript.
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { isDType } from "../graph/tensor.js";

/** What an argument may be, with the words for it in messages. */
const kinds = {
  tensor: { means: "a tensor of the graph", accepts: isValue },
  operand: { means: "a tensor of the graph or a number", accepts: (x) => isValue(x) || typeof x === "number" },
  index: { means: "an integer or a tensor of the graph", accepts: (x) => isValue(x) || Number.isSafeInteger(x) },
  integer: { means: "an integer", accepts: Number.isSafeInteger },
  size: { means: "an integer of 0 or more", accepts: isSize },
  ints: { means: "a list of integers, e.g. [0]", accepts: isIntegers },
  dims: { means: "a tensor of the graph or a list of dimensions", accepts: (x) => isValue(x) || isDims(x) },
  parts: {
    means: "a number of equal parts or a list of sizes",
    accepts: (x) => (isSize(x) && x > 0) || (Array.isArray(x) && x.every(isSize)),
  },
  number: { means: "a number", accepts: (x) => typeof x === "number" },
  numbers: {
    means: "a list of numbers",
    accepts: (x) => Array.isArray(x) && x.every((element) => typeof element === "number"),
  },
  tensors: { means: "a list of tensors of the graph", accepts: (x) => Array.isArray(x) && x.every(isValue) },
  /** Holes are optional tensors that are absent. */
  sparseTensors: {
    means: "a list of tensors of the graph",
    accepts: (x) => Array.isArray(x) && x.every((element) => element === undefined || isValue(element)),
  },
  dtype: { means: "an element type such as float32", accepts: isDType },
  text: { means: "a string", accepts: (x) => typeof x === "string" },
  attributes: { means: "an object of attributes", accepts: isPlainObject },
} as const satisfies Record<string, { means: string; accepts: (x: unknown) => boolean }>;

export type ParameterKind = keyof typeof kinds;

/** One argument of an operator, by the standard's name. */
export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  /** `many`: this one and any number like it. */
  readonly presence: "required" | "optional" | "many";
}

export const input = (name: string, kind: ParameterKind = "tensor"): Parameter => ({
  name,
  kind,
  presence: "required",
});
export const optional = (name: string, kind: ParameterKind = "tensor"): Parameter => ({
  name,
  kind,
  presence: "optional",
});
export const many = (name: string): Parameter => ({ name, kind: "tensor", presence: "many" });

/**
 * Holds arguments against their declaration.
 * @param attributeNames what to name where something else is in the place of the attributes
 * @throws RangeError naming the argument, what was found and what is expected
 */
export function checkArguments(
  parameters: readonly Parameter[],
  given: readonly unknown[],
  attributeNames: readonly string[] = [],
): void {
  const last = parameters.at(-1);
  if (given.length > parameters.length && last?.presence !== "many") {
    const extra = given.slice(parameters.length).map(describe).join(", ");
    throw new RangeError(`${given.length} arguments, at most ${parameters.length} are expected; unexpected: ${extra}`);
  }
  for (let i = 0; i < Math.max(given.length, parameters.length); i++) {
    const { name, kind, presence } = parameters[i] ?? last!;
    const value = given[i];
    if (value === undefined && (presence === "optional" || (presence === "many" && i >= given.length))) continue;
    if (kinds[kind].accepts(value)) continue;
    const means = kind === "attributes" ? `an object ({ ${attributeNames.join(", ")} })` : kinds[kind].means;
    throw new RangeError(`${name} must be ${means}, not ${describe(value)}`);
  }
}

/** A value in a few words, for messages. */
export function describe(value: unknown): string {
  if (isValue(value)) return value.toString();
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`;
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? JSON.stringify(value) : String(value);
  if (Array.isArray(value)) return clipped(`[${value.map(describe).join(", ")}]`);
  const fields = Object.entries(value).map(([name, field]) => `${name}: ${describe(field)}`);
  return clipped(fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`);
}

const clipped = (text: string): string => (text.length <= 80 ? text : `${text.slice(0, 77)}…`);

export function isValue(x: unknown): x is Value {
  return typeof x === "object" && x !== null && "graph" in x && "dtype" in x && "shape" in x;
}

function isSize(x: unknown): x is number {
  return Number.isSafeInteger(x) && (x as number) >= 0;
}

function isIntegers(x: unknown): boolean {
  return Array.isArray(x) && x.every(Number.isSafeInteger);
}

const isDims = (x: unknown): x is Dim[] =>
  Array.isArray(x) && x.every((dim) => Number.isSafeInteger(dim) || typeof dim === "string");

export function isPlainObject(x: unknown): x is Record<string, unknown> {
  return typeof x === "object" && x !== null && !Array.isArray(x) && !ArrayBuffer.isView(x) && !isValue(x);
}
