// Dropout. The mask it drew in the forward pass is the one that the gradient passes through.
import { define, type OperatorDefinition } from "./definition.js";
import { input, optional } from "./parameters.js";

export const random: readonly OperatorDefinition[] = [
  define({
    type: "Dropout",
    inputs: [input("data"), optional("ratio", "operand"), optional("training_mode")],
    attributes: { seed: { kind: "int" } },
    infer: (c) => {
      const { shape } = c.input(0);
      const dtype = c.requireFloat();
      return [
        { dtype, shape },
        { dtype: "bool", shape },
      ];
    },
    gradient: (c) => {
      const { op } = c;
      if (c.needs(1)) throw new RangeError("there is no gradient with respect to the ratio");
      const dy = c.outputGradient();
      const training = c.optional(2);
      if (!training) return [dy];
      const ratio = c.optional(1) ?? op.scalar(0.5, dy.dtype);
      const kept = op.Div(dy, op.Sub(1, ratio));
      return [op.Where(training, op.Where(c.output(1), kept, op.scalar(0, dy.dtype)), dy)];
    },
  }),
];
