// Integer arithmetic: remainders and bits. Nothing flows back through it.
import { broadcastShapes, define, type OperatorContext, type OperatorDefinition } from "./definition.js";

function inferInteger(c: OperatorContext) {
  c.requireInteger(0, "the first operand");
  return [{ dtype: c.sameDType(), shape: broadcastShapes(c.input(0).shape, c.input(1).shape) }];
}

export const integer: readonly OperatorDefinition[] = [
  // The remainder has the divisor's sign, with fmod = 1 the dividend's (as C's %).
  define({
    type: "Mod",
    inputs: [2, 2],
    attributes: { fmod: { kind: "int", default: 0 } },
    infer: inferInteger,
    gradient: "none",
  }),
  define({ type: "BitwiseAnd", inputs: [2, 2], infer: inferInteger, gradient: "none" }),
  define({ type: "BitwiseXor", inputs: [2, 2], infer: inferInteger, gradient: "none" }),
];
