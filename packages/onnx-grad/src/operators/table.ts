// The one table of operators: name → arity, attributes, shape inference, gradient rule.
import { activation } from "./activation.js";
import { arithmetic } from "./arithmetic.js";
import { attention } from "./attention.js";
import { batchNormalization } from "./batch-normalization.js";
import { conversion } from "./conversion.js";
import { convolution } from "./convolution.js";
import type { OperatorDefinition } from "./definition.js";
import { einsum } from "./einsum.js";
import { indexing } from "./indexing.js";
import { integer } from "./integer.js";
import { layout } from "./layout.js";
import { logic } from "./logic.js";
import { loss } from "./loss.js";
import { lstm } from "./lstm.js";
import { matrix } from "./matrix.js";
import { normalization } from "./normalization.js";
import { piecewise } from "./piecewise.js";
import { random } from "./random.js";
import { recurrent } from "./recurrent.js";
import { reductions } from "./reduction.js";
import { selection } from "./selection.js";

const table = new Map<string, OperatorDefinition>(
  [
    arithmetic,
    logic,
    activation,
    piecewise,
    integer,
    conversion,
    reductions,
    matrix,
    einsum,
    convolution,
    attention,
    layout,
    indexing,
    selection,
    normalization,
    batchNormalization,
    loss,
    recurrent,
    lstm,
    random,
  ]
    .flat()
    .map((definition) => [definition.type, definition]),
);

export const findOperator = (type: string): OperatorDefinition | undefined => table.get(type);

/** Names of all operators, and of those that a gradient can pass through. */
export const operatorNames = (): string[] => [...table.keys()];
export const differentiableOperatorNames = (): string[] =>
  [...table.values()].filter(({ gradient }) => typeof gradient === "function").map(({ type }) => type);
