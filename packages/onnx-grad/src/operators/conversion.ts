// Change of element type.
import { type DType, isFloat } from "../graph/tensor.js";
import { define, type OperatorDefinition } from "./definition.js";
import { input } from "./parameters.js";

/** TensorProto.DataType, the standard's numbers of the element types. */
export const dataTypeNumbers = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
} as const satisfies Record<DType, number>;

export function dtypeOfNumber(number: number): DType {
  const entry = Object.entries(dataTypeNumbers).find(([, value]) => value === number);
  if (!entry) throw new RangeError(`element type number ${number} is not supported`);
  return entry[0] as DType;
}

export const conversion: readonly OperatorDefinition[] = [
  define({
    type: "Cast",
    inputs: [input("input")],
    method: [input("input"), input("to", "dtype")],
    attributes: { to: { kind: "int", required: true } },
    infer: (c) => [{ dtype: dtypeOfNumber(c.int("to")), shape: c.input(0).shape }],
    gradient: (c) => {
      const from = c.input(0).dtype;
      return [isFloat(from) && isFloat(c.output().dtype) ? c.op.Cast(c.outputGradient(), from) : undefined];
    },
  }),
];
