// Integer arithmetic: remainders and bits. Nothing flows back through it.
import { broadcastShapes, define, flag, type OperatorContext, type OperatorDefinition } from "./definition.js";
import { input } from "./parameters.js";

function inferInteger(c: OperatorContext) {
  c.requireInteger(0, "the first operand");
  return [{ dtype: c.sameDType(), shape: broadcastShapes(c.input(0).shape, c.input(1).shape) }];
}

export const integer: readonly OperatorDefinition[] = [
  // The remainder has the divisor's sign, with fmod = 1 the dividend's (as C's %).
  define({
    type: "Mod",
    inputs: [input("A", "operand"), input("B", "operand")],
    attributes: { fmod: flag(0) },
    infer: inferInteger,
    gradient: "none",
  }),
  define({
    type: "BitwiseAnd",
    inputs: [input("A", "operand"), input("B", "operand")],
    infer: inferInteger,
    gradient: "none",
  }),
  define({
    type: "BitwiseXor",
    inputs: [input("A", "operand"), input("B", "operand")],
    infer: inferInteger,
    gradient: "none",
  }),
];
