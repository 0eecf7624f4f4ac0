// Comparisons and boolean operators (nothing flows back through them), and Where, which chooses between two tensors.
import { broadcastShapes, define, type OperatorDefinition } from "./definition.js";
import { input } from "./parameters.js";
import { reduceTo } from "./reduce-to.js";

const comparison = (type: string): OperatorDefinition =>
  define({
    type,
    inputs: [input("A", "operand"), input("B", "operand")],
    infer: (c) => {
      c.sameDType();
      return [{ dtype: "bool", shape: broadcastShapes(c.input(0).shape, c.input(1).shape) }];
    },
    gradient: "none",
  });

const connective = (type: string): OperatorDefinition =>
  define({
    type,
    inputs: [input("A"), input("B")],
    infer: (c) => {
      if (c.sameDType() !== "bool") throw new RangeError("bool tensors are expected");
      return [{ dtype: "bool", shape: broadcastShapes(c.input(0).shape, c.input(1).shape) }];
    },
    gradient: "none",
  });

const test = (type: string): OperatorDefinition =>
  define({
    type,
    inputs: [input("X")],
    infer: (c) => {
      c.requireFloat();
      return [{ dtype: "bool", shape: c.input(0).shape }];
    },
    gradient: "none",
  });

export const logic: readonly OperatorDefinition[] = [
  comparison("Equal"),
  comparison("Less"),
  comparison("LessOrEqual"),
  comparison("Greater"),
  comparison("GreaterOrEqual"),
  connective("And"),
  connective("Or"),
  connective("Xor"),
  test("IsNaN"),
  test("IsInf"),
  define({
    type: "Not",
    inputs: [input("X")],
    infer: (c) => {
      if (c.input(0).dtype !== "bool") throw new RangeError("a bool tensor is expected");
      return [{ dtype: "bool", shape: c.input(0).shape }];
    },
    gradient: "none",
  }),
  define({
    type: "Where",
    inputs: [input("condition"), input("X"), input("Y")],
    infer: (c) => {
      if (c.input(0).dtype !== "bool") throw new RangeError("the condition must be bool");
      const shape = [1, 2].map((i) => c.input(i).shape).reduce(broadcastShapes, c.input(0).shape);
      return [{ dtype: c.sameDType(1, 2), shape }];
    },
    gradient: (c) => {
      const { op } = c;
      const dy = c.outputGradient();
      const condition = c.input(0);
      return [
        undefined,
        c.needs(1) ? reduceTo(op, op.Where(condition, dy, op.scalar(0, dy.dtype)), c.input(1).shape) : undefined,
        c.needs(2) ? reduceTo(op, op.Where(condition, op.scalar(0, dy.dtype), dy), c.input(2).shape) : undefined,
      ];
    },
  }),
];
